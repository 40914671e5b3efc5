"""Adapting a causal checkpoint to masked-diffusion infilling. Beside the engine, imported by nobody else."""
