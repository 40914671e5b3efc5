"""Tensors in, tensors out: the operations worth a faster version, each beside the reference that specifies it."""
