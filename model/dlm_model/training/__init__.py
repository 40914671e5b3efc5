"""Adapting a causal checkpoint to masked-diffusion infilling. Only `dlm-lsp train` imports it."""
