"""The trained parts of a frozen network: low-rank adapters (LoRA, arXiv 2106.09685), norms, and the added token rows.

The base weights stay in bf16 and take no gradient; everything trained is kept in fp32 and cast where it is used.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlm_model.network.transformer import RMSNorm, Transformer


class LowRankLinear(nn.Module):
    """A frozen linear layer plus `up(down(x)) * scale`, which starts at zero."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.base = base
        self.scale = scale
        device = base.weight.device
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        low_rank = F.linear(x, self.down.to(x.dtype))
        output: Tensor = self.base(x) + F.linear(low_rank, (self.up * self.scale).to(x.dtype))
        return output

    def merged(self) -> nn.Linear:
        """The base layer with the adapter added to its weight."""
        with torch.no_grad():
            self.base.weight.copy_(self.base.weight.float() + self.up @ self.down * self.scale)
        return self.base


class TrainedNorm(nn.Module):
    """An RMS norm whose weight is kept in fp32 and used in the dtype of the computation."""

    def __init__(self, base: RMSNorm) -> None:
        super().__init__()
        self.base = base
        self.weight = nn.Parameter(base.weight.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] → [..., C]."""
        normed = F.rms_norm(x.float(), (x.shape[-1],), eps=self.base.eps)
        return normed.to(x.dtype) * self.weight.to(x.dtype)

    def merged(self) -> RMSNorm:
        """The base norm with the trained weight."""
        with torch.no_grad():
            self.base.weight.copy_(self.weight)
        return self.base


class TrainedRows(nn.Module):
    """A frozen token table `[V, C]`, embedding or head, whose last rows are trained.

    The table itself takes no part in the gradient: a dense one of this size would cost more than the rest of a step.
    """

    def __init__(self, base: nn.Embedding | nn.Linear, num_rows: int) -> None:
        super().__init__()
        self.base = base
        self.rows = nn.Parameter(base.weight[-num_rows:].detach().float().clone())
        self.first = len(base.weight) - num_rows

    def forward(self, token_ids: Tensor) -> Tensor:
        """Embeddings of token ids: [B, T] → [B, T, C]."""
        is_frozen = (token_ids < self.first)[..., None]
        frozen = F.embedding(token_ids, self.base.weight)
        trained = F.embedding((token_ids - self.first).clamp(min=0), self.rows.to(frozen.dtype))
        return torch.where(is_frozen, frozen, trained)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., C] → [..., V]."""
        frozen = F.linear(hidden, self.base.weight[: self.first])
        return torch.cat((frozen, F.linear(hidden, self.rows.to(hidden.dtype))), dim=-1)

    def merged(self) -> nn.Embedding | nn.Linear:
        """The base table with the trained rows in it."""
        with torch.no_grad():
            self.base.weight[self.first :].copy_(self.rows)
        return self.base


def add_adapters(network: Transformer, rank: int, alpha: float, num_trained_rows: int) -> None:
    """Freeze the network and add, in place, everything that is trained.

    Args:
        network: With its weights in the dtype of the computation.
        rank: Of the adapters of every linear layer within the stack.
        alpha: The adapters are scaled by `alpha / rank`.
        num_trained_rows: The last rows of the embedding (and of an untied head) that are trained.
    """
    network.requires_grad_(False)
    for parent, name, child in _children(network):
        if isinstance(child, RMSNorm):
            setattr(parent, name, TrainedNorm(child))
        elif isinstance(child, nn.Embedding) or child is network.lm_head:
            setattr(parent, name, TrainedRows(child, num_trained_rows))
        elif isinstance(child, nn.Linear):
            setattr(parent, name, LowRankLinear(child, rank, alpha / rank))


def merge_adapters(network: Transformer) -> None:
    """Fold everything that `add_adapters` added back into plain weights, in place."""
    for parent, name, child in _children(network):
        if isinstance(child, LowRankLinear | TrainedNorm | TrainedRows):
            setattr(parent, name, child.merged())
    network.requires_grad_(False)


def logits(network: Transformer, hidden: Tensor) -> Tensor:
    """The network's logits, [..., C] → [..., V], whether it has adapters or not."""
    head = network.embed_tokens if network.config.ties_embeddings else network.lm_head
    return head.logits(hidden) if isinstance(head, TrainedRows) else network.logits(hidden)


def trained_state(network: Transformer) -> dict[str, Tensor]:
    """The trained parameters by name, in fp32."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def _children(network: Transformer) -> list[tuple[nn.Module, str, nn.Module]]:
    return [(parent, name, child) for parent in network.modules() for name, child in parent.named_children()]
