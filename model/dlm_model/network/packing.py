"""Matrices in the layout in which a CPU multiplies them.

oneDNN rearranges a matrix into blocks before each product with it. For the few tokens of a canvas, that takes a third
of the time. The blocks can be kept: `torch.compile` does so when it may freeze weights (`torch._inductor.fx_passes`).
This module calls the same operators without the compile time. In bf16 the results are the same to the last bit.
"""

import torch
from torch import Tensor, nn

from dlm_model.network.transformer import Transformer

_USUAL_ROWS = 32  # the blocks may depend on how many tokens there will be; any number can be multiplied

MAX_PACKED_BYTES = 2 * 2**30
"""Largest size of all weights: blocks are a copy in memory, which the system cannot drop as it can a mapped file."""


class PackedLinear(nn.Module):
    """A linear layer whose matrix is kept in blocks.

    Args:
        weight: [out, in], on the CPU.
        bias: [out], if there is one.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _USUAL_ROWS)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return product


def pack(network: Transformer, like: Transformer | None = None) -> None:
    """Keep a network's matrices in blocks, in place, if it is on a CPU, not too large, and this torch can do it.

    A head that is the embedding is kept twice, since tokens are looked up in it row by row.

    Args:
        network: Matrices that torchao has rounded stay as they are.
        like: Packed already; if both have the same embedding for a head, they share the blocks. A head of its own may
            be another, even where the embedding is the same.
    """
    num_bytes = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    if network.device.type != "cpu" or num_bytes > MAX_PACKED_BYTES or not _can_pack():
        return
    for module in list(network.layers.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and type(child.weight.data) is Tensor:  # no router, and nothing of torchao's
                setattr(module, name, PackedLinear(child.weight, child.bias))
    if not network.config.ties_embeddings:
        network.lm_head = PackedLinear(network.lm_head.weight)
    elif like is not None and like.embed_tokens is network.embed_tokens:
        network.lm_head = like.lm_head
    else:
        network.lm_head = PackedLinear(network.embed_tokens.weight)


def _can_pack() -> bool:
    operators = torch.ops.mkldnn
    is_known = hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")
    return is_known and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
