"""The optimizers of a run: AdamW for everything, or Muon for the matrices between embedding and head.

Muon (Keller Jordan, 2024; kellerjordan.github.io/posts/muon) orthogonalises the momentum of a matrix. Its updates are
scaled to AdamW's size (arXiv 2502.16982), so that both take the same learning rate.

Only these matrices decay. Decay would draw a norm to 0 and not to 1. It would also draw to 0 the rows of an embedding
that a corpus of code hardly ever shows, and a guide shares them (`training.companion`).
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer

OptimizerName = Literal["adamw", "muon"]

BETAS = (0.9, 0.98)
_TABLES = ("embed_tokens", "lm_head")


def build_optimizers(weights: Mapping[str, Tensor], name: OptimizerName, weight_decay: float) -> list[Optimizer]:
    """Optimizers that together own every weight; the learning rate is set at every step.

    Args:
        weights: What is trained, by name.
        name: Which optimizer the hidden matrices get.
        weight_decay: Of the hidden matrices, decoupled.

    Raises:
        ValueError: Muon is asked for where this torch has none, or for weights that are sharded.
    """
    matrices = [weight for key, weight in weights.items() if _is_hidden_matrix(key, weight)]
    others = [weight for key, weight in weights.items() if not _is_hidden_matrix(key, weight)]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": 0.0}]
    if name == "adamw":
        groups.append({"params": matrices, "weight_decay": weight_decay})
    optimizers: list[Optimizer] = [AdamW([each for each in groups if each["params"]], betas=BETAS, fused=True)]
    if name == "muon" and matrices:
        if not hasattr(torch.optim, "Muon"):
            raise ValueError(f"torch {torch.__version__} has no Muon; it came with 2.9")
        if any(isinstance(matrix, DTensor) for matrix in matrices):
            raise ValueError("Muon needs whole matrices; train sharded weights with AdamW")
        optimizers.append(torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def set_learning_rate(optimizers: list[Optimizer], learning_rate: float) -> None:
    """Set it for all weights of these optimizers."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def moment_names(optimizer: Optimizer) -> tuple[str, ...]:
    """Names of the tensors that an optimizer keeps for every weight, apart from a count of its steps."""
    return ("exp_avg", "exp_avg_sq") if isinstance(optimizer, AdamW) else ("momentum_buffer",)


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    return weight.dim() == 2 and not any(table in name.split(".") for table in _TABLES)
