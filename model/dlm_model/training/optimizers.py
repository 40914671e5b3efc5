"""The optimizers of a run: AdamW for everything, or Muon for the matrices between embedding and head.

Muon (Keller Jordan, 2024; kellerjordan.github.io/posts/muon) orthogonalises the momentum of a matrix. Its updates are
scaled to AdamW's size (arXiv 2502.16982), so that both take the same learning rate.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer

OptimizerName = Literal["adamw", "muon"]

BETAS = (0.9, 0.98)
_TABLES = ("embed_tokens", "lm_head")


def build_optimizers(weights: Mapping[str, Tensor], name: OptimizerName, weight_decay: float) -> list[Optimizer]:
    """Optimizers that together own every weight; the learning rate is set at every step.

    Raises:
        ValueError: Muon is asked for where this torch has none, or for weights that are sharded.
    """
    matrices = [weight for key, weight in weights.items() if name == "muon" and _is_hidden_matrix(key, weight)]
    others = [weight for key, weight in weights.items() if name == "adamw" or not _is_hidden_matrix(key, weight)]
    optimizers: list[Optimizer] = [AdamW(others, betas=BETAS, weight_decay=weight_decay, fused=True)]
    if matrices:
        if not hasattr(torch.optim, "Muon"):
            raise ValueError(f"torch {torch.__version__} has no Muon; it came with 2.9")
        if any(isinstance(matrix, DTensor) for matrix in matrices):
            raise ValueError("Muon needs whole matrices; train sharded weights with AdamW")
        optimizers.append(torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def set_learning_rate(optimizers: list[Optimizer], learning_rate: float) -> None:
    """Of all their weights."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def moment_names(optimizer: Optimizer) -> tuple[str, ...]:
    """What an optimizer keeps for every weight, apart from a count of its steps."""
    return ("exp_avg", "exp_avg_sq") if isinstance(optimizer, AdamW) else ("momentum_buffer",)


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    return weight.dim() == 2 and not any(table in name.split(".") for table in _TABLES)
