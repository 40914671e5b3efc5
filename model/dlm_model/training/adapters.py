"""What is trained of a frozen network: low-rank adapters (LoRA, arXiv 2106.09685), norms, and the added token rows.

The base weights stay in bf16 and take no gradient; everything trained is kept in fp32 and cast where it is used.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dlm_model.transformer import RMSNorm, Transformer


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


class _TrainedRows(nn.Module):
    """A frozen matrix with its last rows replaced by trained ones."""

    def __init__(self, weight: Tensor, num_rows: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(weight[-num_rows:].detach().float().clone())

    def forward(self, weight: Tensor) -> Tensor:
        return torch.cat((weight[: -len(self.rows)], self.rows.to(weight.dtype)))


def add_adapters(network: Transformer, rank: int, alpha: float, num_trained_rows: int) -> None:
    """Freeze the network and add, in place, everything that is trained.

    Args:
        network: With its weights in the dtype of the computation.
        rank: Of the adapters of every linear layer within the stack.
        alpha: The adapters are scaled by `alpha / rank`.
        num_trained_rows: The last rows of the embedding (and of an untied head) that are trained.
    """
    network.requires_grad_(False)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear) and child is not getattr(network, "lm_head", None):
                setattr(parent, name, LowRankLinear(child, rank, alpha / rank))
            elif isinstance(child, RMSNorm):
                setattr(parent, name, TrainedNorm(child))
    for table in _token_tables(network):
        parametrize.register_parametrization(table, "weight", _TrainedRows(table.weight, num_trained_rows))


def merge_adapters(network: Transformer) -> None:
    """Fold everything that `add_adapters` added back into plain weights, in place."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, LowRankLinear | TrainedNorm):
                setattr(parent, name, child.merged())
    for table in _token_tables(network):
        parametrize.remove_parametrizations(table, "weight", leave_parametrized=True)
    network.requires_grad_(False)


def trained_state(network: Transformer) -> dict[str, Tensor]:
    """The trained parameters by name, in fp32."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def _token_tables(network: Transformer) -> list[nn.Embedding | nn.Linear]:
    return [network.embed_tokens] if network.config.ties_embeddings else [network.embed_tokens, network.lm_head]
