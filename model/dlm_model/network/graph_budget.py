"""How much of a GPU's memory recorded passes may hold: for the code that records them, and for estimates of memory.

Each reads a padded prompt: 59 MB per row and 1,024 tokens in a model with grouped queries (Dream 7B), 537 MB in one
without (LLaDA 8B). Importing this module imports no torch.
"""

MAX_GRAPHS = 8
MAX_GRAPH_BYTES = 2**28
"""Keys and values of all together. A pass that needs more is not recorded: it is work enough to hide how it is started.
"""
