"""How published models are stored: for each family, a reader of its config, its weight names and a few flags.

All of them run on one network. `registry` is the table. A family that this engine cannot run gives the reason.
"""
