"""What recorded passes may hold of a GPU's memory; for those who record them, and for who foresees what a model needs.

They read a padded prompt: of a model with grouped queries (Dream 7B) 59 MB per row and 1,024 tokens, of one without
(LLaDA 8B) 537 MB. Importing this module imports no torch.
"""

MAX_GRAPHS = 8
MAX_GRAPH_BYTES = 2**28
"""Keys and values of all together. A pass that needs more is not recorded: it is work enough to hide how it is started.
"""
