"""A mixture of experts, as OLMoE has it (arXiv 2409.02060): each token passes the few MLPs that its router picks."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Mixture(nn.Module):
    """Experts and their router; the picked ones' softmax weights are used as they are, not summed up to one.

    Args:
        hidden_size: Of the tokens.
        experts: Modules of one shape, [N, C] → [N, C].
        num_active: How many of them a token passes.
    """

    def __init__(self, hidden_size: int, experts: Iterable[nn.Module], num_active: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.gate = nn.Linear(hidden_size, len(self.experts), bias=False)
        self._num_active = num_active

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] → [..., C]."""
        tokens = x.reshape(-1, x.shape[-1])
        weights, picked = self.gate(tokens).softmax(dim=-1, dtype=torch.float32).topk(self._num_active)
        mixed = torch.zeros_like(tokens)
        for index, expert in enumerate(self.experts):
            rows, slots = (picked == index).nonzero(as_tuple=True)
            weight = weights[rows, slots, None].to(x.dtype)
            mixed.index_add_(0, rows, expert(tokens[rows]) * weight)
        return mixed.view_as(x)
