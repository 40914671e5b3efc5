"""A mixture of experts (arXiv 2409.02060): each token passes the few MLPs that its router picks, and perhaps one more.

`MixtureConfig` says how the router picks, which differs from family to family.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlm_model.network.experts import Experts, StackedExperts, has_grouped_products
from dlm_model.network.mixture_config import SCORED_IN_GROUP, MixtureConfig


class Router(nn.Linear):
    """Finds each token's experts, in fp32 throughout: rounding would swap experts of nearly the same score."""

    def __init__(self, hidden_size: int, config: MixtureConfig) -> None:
        super().__init__(hidden_size, config.num_experts, bias=False)
        self._config = config
        if config.has_expert_bias:
            self.expert_bias = nn.Parameter(torch.zeros(config.num_experts))

    def route(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, C] → weights and numbers of their active experts, [N, A] each; the best comes first."""
        config = self._config
        logits = F.linear(tokens.float(), self.weight.float())
        scores = logits.softmax(dim=-1) if config.score_function == "softmax" else logits.sigmoid()
        preference = scores + self.expert_bias.float() if config.has_expert_bias else scores
        if config.num_active_groups < config.num_groups:
            preference = self._within_best_groups(preference)
        picked = preference.topk(config.num_active_experts).indices
        weights = scores.gather(-1, picked)
        if config.normalizes_weights:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return weights * config.weight_scale, picked

    def _within_best_groups(self, preference: Tensor) -> Tensor:
        """[N, E], with -inf for experts of groups whose best two together are not among the best."""
        groups = preference.view(len(preference), self._config.num_groups, -1)
        best = groups.topk(SCORED_IN_GROUP).values.sum(dim=-1).topk(self._config.num_active_groups).indices
        is_out = torch.ones(groups.shape[:2], dtype=torch.bool, device=groups.device).scatter(1, best, False)
        return groups.masked_fill(is_out[..., None], -torch.inf).flatten(1)


class Mixture(nn.Module):
    """Experts and their router.

    Args:
        hidden_size: Of the tokens.
        config: How they are routed.
        experts: Modules of one shape, [N, C] → [N, C].
        shared: An MLP that all tokens pass in addition; None for none.
    """

    experts: Experts | StackedExperts

    def __init__(
        self, hidden_size: int, config: MixtureConfig, experts: Iterable[nn.Module], shared: nn.Module | None
    ) -> None:
        super().__init__()
        self.experts = Experts(experts)
        self.gate = Router(hidden_size, config)
        self.shared_experts = shared

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] → [..., C]."""
        tokens = x.reshape(-1, x.shape[-1])
        mixed: Tensor = self.experts(tokens, *self.gate.route(tokens))
        if self.shared_experts is not None:
            mixed = mixed + self.shared_experts(tokens)
        return mixed.view_as(x)

    def stack(self, *, is_grouped: bool) -> None:
        """Stack the experts' weights on their device, unless they are stacked already, or rounded."""
        if isinstance(self.experts, Experts) and self.experts.can_be_stacked:
            self.experts = StackedExperts(self.experts, is_grouped=is_grouped)


def stack_experts(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Stack the experts of a network, in place and layer by layer, so that only one layer's are held twice at a time.

    On a CPU nothing would be gained, and weights that are mapped from their file would have to be copied.

    Args:
        network: May have no mixtures at all.
        device: Where it is.
        dtype: What it computes in.
    """
    if device.type != "cuda":
        return
    for module in list(network.modules()):
        if isinstance(module, Mixture):
            module.stack(is_grouped=has_grouped_products(device, dtype))
