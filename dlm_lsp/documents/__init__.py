"""The documents that a client has open, and which of them may be read."""
