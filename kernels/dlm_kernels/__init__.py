"""Tensors in, tensors out: operations that are worth a fast version, each beside the reference that specifies it."""
