"""The experts of a mixture: three ways to multiply tokens by those that they were sent to, with the same result.

    one by one     An expert at a time, on the tokens that are its own. The CPU has to know how many those are: it waits
                   for a GPU in every layer, and starts the products of each expert separately.
    grouped        All experts' tokens, sorted, in one product that finds on the device where each expert's begin.
    by everybody   All tokens by all experts, weighted 0 where the router did not send them.

A GPU takes the second way if its kernel exists (from Hopper on, in bf16). Elsewhere PyTorch's `grouped_mm` is a loop
over the experts that waits like the first way. There the third way serves a canvas: its few tokens choose most of the
experts anyway, and multiplying them takes less time than reading the experts' weights. The second and the third way
never wait, so both can be recorded as a CUDA graph.
"""

import sys
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlm_model.network.mixture_config import MAX_FOR_EVERYBODY

Multiply = Callable[[Tensor, Tensor], Tensor]
"""Tokens sorted by expert [R, C], and where each expert's end [E] → what the experts make of them [R, C]."""


class Experts(nn.ModuleList):
    """One by one, each a module of its own: on CPUs, whose weights stay where their file is mapped, and in few bits."""

    max_tokens_unwatched = 0
    """Up to how many tokens the CPU need not wait for a GPU, to learn how many of them each expert gets."""

    @property
    def can_be_stacked(self) -> bool:
        """Whether every parameter is a plain matrix: none is a bias, and none is rounded to fewer bits."""
        return all(type(parameter.data) is Tensor and parameter.dim() == 2 for parameter in self.parameters())

    def forward(self, tokens: Tensor, weights: Tensor, picked: Tensor) -> Tensor:
        """Tokens [N, C], weights and numbers of their experts [N, A] → [N, C]."""
        return _sorted_by_expert(tokens, weights, picked, len(self), self._each)

    def _each(self, tokens: Tensor, ends: Tensor) -> Tensor:
        return _one_by_one(self, tokens, ends)


class StackedExperts(nn.Module):
    """Grouped or by everybody, from one tensor per matrix; one by one where neither is possible.

    Args:
        experts: SwiGLU MLPs without biases, whose weights are copied.
        is_grouped: Whether their device has a kernel for grouped products.
    """

    def __init__(self, experts: Experts, *, is_grouped: bool) -> None:
        super().__init__()
        gates, ups, downs = ([_matrix(expert, name) for expert in experts] for name in ("gate", "up", "down"))
        gate_up = torch.stack([matrix for pair in zip(gates, ups, strict=True) for matrix in pair])
        self.gate_up = nn.Parameter(gate_up.view(len(experts), -1, gate_up.shape[-1]), requires_grad=False)
        self.down = nn.Parameter(torch.stack([matrix.mT for matrix in downs]), requires_grad=False)  # [E, I, C]
        self._is_grouped = is_grouped
        self.max_tokens_unwatched = sys.maxsize if is_grouped else MAX_FOR_EVERYBODY

    def __len__(self) -> int:
        return len(self.down)

    def forward(self, tokens: Tensor, weights: Tensor, picked: Tensor) -> Tensor:
        """As `Experts.forward`."""
        if not self._is_grouped and len(tokens) <= self.max_tokens_unwatched:
            return self._by_everybody(tokens, weights, picked)
        return _sorted_by_expert(tokens, weights, picked, len(self), self._grouped if self._is_grouped else self._each)

    def _grouped(self, tokens: Tensor, ends: Tensor) -> Tensor:
        inner = _swiglu(F.grouped_mm(tokens, self.gate_up.mT, offs=ends))
        return F.grouped_mm(inner, self.down, offs=ends)

    def _by_everybody(self, tokens: Tensor, weights: Tensor, picked: Tensor) -> Tensor:
        share = torch.zeros(len(tokens), len(self), dtype=tokens.dtype, device=tokens.device)
        share.scatter_(1, picked, weights.to(tokens.dtype))
        gate_up = F.linear(tokens, self.gate_up.flatten(0, 1)).view(len(tokens), len(self), -1)
        inner = _swiglu(gate_up) * share[..., None]
        return torch.mm(inner.flatten(1), self.down.flatten(0, 1))

    def _each(self, tokens: Tensor, ends: Tensor) -> Tensor:
        pairs = zip(self.gate_up, self.down, strict=True)
        return _one_by_one([_expert(gate_up, down) for gate_up, down in pairs], tokens, ends)


def has_grouped_products(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether PyTorch multiplies groups in one kernel there: bf16 on compute capabilities 9 and 10, from 2.10 on."""
    if device.type != "cuda" or dtype != torch.bfloat16 or torch.version.hip or not hasattr(F, "grouped_mm"):
        return False
    return torch.cuda.get_device_capability(device)[0] in (9, 10)


def _sorted_by_expert(tokens: Tensor, weights: Tensor, picked: Tensor, num_experts: int, multiply: Multiply) -> Tensor:
    numbers, order = picked.flatten().sort(stable=True)
    experts = torch.arange(1, num_experts + 1, device=picked.device)
    ends = torch.searchsorted(numbers, experts, out_int32=True)
    made = multiply(tokens[order // picked.shape[1]], ends)
    # What was made of a token comes together again and is added up in one order: a seed has to give the same each time.
    together = torch.empty_like(made).index_copy_(0, order, made).view(*picked.shape, -1)
    return torch.bmm(weights[:, None].to(made.dtype), together)[:, 0]


def _one_by_one(experts: Iterable[Callable[[Tensor], Tensor]], tokens: Tensor, ends: Tensor) -> Tensor:
    sizes = ends.diff(prepend=ends.new_zeros(1)).tolist()
    parts = zip(experts, tokens.split_with_sizes(sizes), strict=True)
    return torch.cat([tokens[:0], *(expert(part) for expert, part in parts if len(part))])


def _matrix(expert: nn.Module, name: str) -> Tensor:
    return expert.get_parameter(f"{name}_proj.weight")


def _expert(gate_up: Tensor, down: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda tokens: _swiglu(F.linear(tokens, gate_up)) @ down


def _swiglu(gate_up: Tensor) -> Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up
