"""The masked-diffusion objective of one batch, and the same sums for measuring."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dlm_model.network.transformer import Transformer
from dlm_model.training.adapters import logits as adapted_logits
from dlm_model.training.sequence import IGNORED
from dlm_model.training.windows import Batch

Objective = Callable[[Transformer, Batch], Tensor]
"""The loss of a batch, summed over its tokens with their weights; differentiable."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """The network's predictions at the N supervised positions of a batch."""

    logits: Tensor
    labels: Tensor
    weights: Tensor

    @property
    def loss(self) -> Tensor:
        """Weighted cross entropies, summed; in nats."""
        return (self.losses * self.weights).sum()

    @property
    def losses(self) -> Tensor:
        """Cross entropy of every position, [N]."""
        return F.cross_entropy(self.logits, self.labels, reduction="none")

    @property
    def is_correct(self) -> Tensor:
        """Whether the most probable token is the right one, [N]."""
        return self.logits.argmax(dim=-1) == self.labels


def predict(network: Transformer, batch: Batch) -> Predictions:
    """Run the network over a batch; logits `[N, V]` in fp32 exist only where there is a label."""
    # The places of the labels are looked up once, before the pass: the CPU has to wait until a GPU has counted them.
    index = (batch.labels != IGNORED).flatten().nonzero()[:, 0]
    hidden = network(batch.token_ids, batch.position_ids, batch.visibility)
    source = index - 1 if network.config.shift_logits else index
    selected = adapted_logits(network, hidden.flatten(0, 1).index_select(0, source)).float()
    return Predictions(selected, batch.labels.flatten()[index], batch.weights.flatten()[index])


def masked_diffusion(network: Transformer, batch: Batch) -> Tensor:
    """Weighted cross entropy of the masked tokens."""
    return predict(network, batch).loss


def name_of(objective: Objective) -> str:
    """What a run's state calls it: its own name, or that of the function."""
    return str(getattr(objective, "name", None) or objective.__name__.replace("_", " "))
