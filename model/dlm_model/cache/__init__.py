"""How the network reads a canvas with its prompt, and which keys and values are kept for how long."""
