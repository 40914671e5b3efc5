"""The shape of a mixture of experts, `MixtureConfig`: how many there are, and how a token finds its own.

Separate from `mixture`, which runs it, so that configs can be read without torch.
"""

from dataclasses import dataclass
from typing import Literal

from dlm_model.errors import CheckpointError

MAX_FOR_EVERYBODY = 128
"""Tokens that may be multiplied by all experts at once, on a GPU without grouped products. Each makes a multiplication
with every weight that is read, and such GPUs make between 76 (RTX 3090) and 164 (RTX 4090) in the time of reading one,
by their data sheets: dense FLOP/s in bf16 ÷ bytes/s.
"""

SCORED_IN_GROUP = 2
"""A group of experts is as good as its best two together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureConfig:
    """What a layer has in place of its one MLP.

    Attributes:
        num_experts: MLPs to choose from.
        num_active_experts: Those that each token passes.
        expert_size: Intermediate size of one of them.
        shared_size: Intermediate size of the MLP that every token passes in addition; 0 for none.
        num_dense_layers: First layers that have one MLP nevertheless.
        score_function: Router logits → scores.
        normalizes_weights: The active experts' scores are divided by their sum; else they are weights as they are.
        weight_scale: Factor on the final weights (`routed_scaling_factor`).
        has_expert_bias: The choice, though not the weights, is made by scores plus a bias for each expert, which
            balances their load (arXiv 2408.15664).
        num_groups: Parts that the experts are cut into, in their order.
        num_active_groups: How many parts, the best for the token, its experts may come from (arXiv 2412.19437).
    """

    num_experts: int
    num_active_experts: int
    expert_size: int
    shared_size: int = 0
    num_dense_layers: int = 0
    score_function: Literal["softmax", "sigmoid"] = "softmax"
    normalizes_weights: bool = False
    weight_scale: float = 1.0
    has_expert_bias: bool = False
    num_groups: int = 1
    num_active_groups: int = 1

    def __post_init__(self) -> None:
        """Refuse routes that no token can take.

        Raises:
            CheckpointError: naming what does not fit.
        """
        if self.num_experts % self.num_groups or (self.num_groups > 1 and self.group_size < SCORED_IN_GROUP):
            raise CheckpointError(f"{self.num_experts} experts cannot be cut into {self.num_groups} groups.")
        if self.num_active_groups > self.num_groups:
            raise CheckpointError(f"{self.num_active_groups} of {self.num_groups} groups of experts cannot be active.")
        num_reachable = self.num_active_groups * self.group_size
        if self.num_active_experts > num_reachable:
            raise CheckpointError(f"{self.num_active_experts} of {num_reachable} experts cannot be active.")

    @property
    def group_size(self) -> int:
        """Experts in a group."""
        return self.num_experts // self.num_groups
