"""Fewer steps for the same text: a student learns to reach in few steps what a teacher reaches in more.

*Trajectory*: the teacher takes two steps from a state, and the student learns to predict both in one forward pass: the
positions that the first step commits as in that step, all others as in the second. This is self-distillation through
time (SDTT, arXiv 2410.21035). A student of N / 2 steps is the teacher of the next halving: N → N / 2 → N / 4.

*Certainty*: there is no teacher. Beside the cross entropy, the entropy of predictions that are already right is
minimised, so that more positions pass the threshold of a parallel commit (certainty-forcing of dParallel, arXiv
2509.26488).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.network.config import ModelConfig
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer
from dlm_model.training.objective import Objective, Predictions, predict
from dlm_model.training.parallelism import ProcessGroup
from dlm_model.training.sequence import IGNORED
from dlm_model.training.windows import Batch

CERTAINTY_WEIGHT = 2.0
CERTAINTY_TEMPERATURE = 0.5


class Method(StrEnum):
    """How a student is taught."""

    TRAJECTORY = "trajectory"
    CERTAINTY = "certainty"


def build_objective(method: Method, teacher: Path, teacher_steps: int, dtype: torch.dtype) -> Objective:
    """The loss of a method; the teacher is loaded on this process's device if there is one.

    Raises:
        CheckpointError: the teacher is no readable checkpoint.
        ValueError: a teacher of fewer than two steps has nothing to halve.
    """
    if method is Method.CERTAINTY:
        return certainty_forcing
    return TrajectoryDistillation(load_teacher(teacher, dtype), teacher_steps)


def load_teacher(checkpoint: Path, dtype: torch.dtype) -> Transformer:
    """The network of a checkpoint on this process's device.

    Raises:
        CheckpointError: it is no readable checkpoint.
    """
    config = ModelConfig.from_checkpoint(checkpoint)
    return load_transformer(checkpoint, config, device=ProcessGroup().device, dtype=dtype)


def certainty_forcing(network: Transformer, batch: Batch) -> Tensor:
    """Cross entropy, and the entropy of the tokens that are right already."""
    predictions = predict(network, batch)
    log_probs = F.log_softmax(predictions.logits / CERTAINTY_TEMPERATURE, dim=-1)
    entropies = -(log_probs.exp() * log_probs).sum(dim=-1)
    certainty = (entropies * predictions.weights * predictions.is_correct).sum()
    return predictions.loss + CERTAINTY_WEIGHT * certainty


@dataclass(frozen=True, slots=True)
class TrajectoryDistillation:
    """Kullback-Leibler divergence of the student's one step from the teacher's two.

    Attributes:
        teacher: Frozen.
        teacher_steps: Steps from all masks to none.
    """

    teacher: Transformer
    teacher_steps: int

    def __post_init__(self) -> None:
        if self.teacher_steps < 2:
            raise ValueError("a trajectory of fewer than two steps cannot be halved")

    @property
    def name(self) -> str:
        """By which a run's state tells it from other objectives."""
        return f"trajectory of {self.teacher_steps} steps"

    def __call__(self, network: Transformer, batch: Batch) -> Tensor:
        """The loss of a batch, summed over its masks with their weights."""
        target = self._two_steps(batch)
        predictions = predict(network, batch)
        divergences = F.kl_div(
            F.log_softmax(predictions.logits, dim=-1), target, reduction="none", log_target=True
        ).sum(dim=-1)
        return (divergences * predictions.weights).sum()

    @torch.no_grad()
    def _two_steps(self, batch: Batch) -> Tensor:
        """Log probabilities [N, V] of the masks: of the first step for what it commits, of the second for the rest."""
        first = predict(self.teacher, batch)
        is_committed = chosen(self.teacher, batch, first, self._steps_left(batch))
        second = predict(self.teacher, commit(batch, first, is_committed))
        log_probs = F.log_softmax(first.logits, dim=-1)
        log_probs[~is_committed] = F.log_softmax(second.logits, dim=-1)[~is_committed]
        return log_probs

    def _steps_left(self, batch: Batch) -> Tensor:
        """[B], at least two; drawn by the tokens and not by a generator, so that a resumed run draws the same."""
        return 2 + batch.token_ids.sum(dim=1) % (self.teacher_steps - 1)


def chosen(network: Transformer, batch: Batch, predictions: Predictions, steps_left: Tensor) -> Tensor:
    """Which of the N predictions a step commits: a share of each canvas' masks, as `steps.schedule` chooses.

    Every hole of a sequence is a canvas of its own, as in a request. The most probable masks are chosen and, if that is
    the order the model is decoded in, the leftmost one. Expand and delete change the length of a canvas and are no
    text, so they are never among them.

    Args:
        network: Says which tokens are no text, and what its order is.
        batch: The state before the step.
        predictions: The network's.
        steps_left: [B], this step included.
    """
    config, is_supervised = network.config, batch.labels != IGNORED
    probability, token_ids = F.log_softmax(predictions.logits, dim=-1).max(dim=-1)
    is_open = batch.token_ids[is_supervised] == config.mask_token_id
    is_text = (token_ids != config.expand_token_id) & (token_ids != config.delete_token_id)
    rows = is_supervised.nonzero()[:, 0]
    num_groups = 2 * batch.groups.shape[1] + 1  # at most: a group in two may be empty
    canvases = rows * num_groups + batch.groups[is_supervised]
    num_canvases = len(batch.groups) * num_groups
    score = probability.masked_fill(~(is_open & is_text), -torch.inf)
    if config.selection == "leftmost":
        is_first = _rank_within(canvases, num_canvases, score.isfinite().float()) == 0
        score = score.masked_fill(is_first & score.isfinite(), torch.inf)
    num_open = is_open.new_zeros(num_canvases, dtype=torch.long).index_add(0, canvases, is_open.long())[canvases]
    quota = (num_open // steps_left[rows]).clamp_min(1)
    return (_rank_within(canvases, num_canvases, score) < quota) & is_open & is_text


def _rank_within(canvases: Tensor, num_canvases: int, score: Tensor) -> Tensor:
    """How many of the same canvas have a better score, or the same and stand further left; all [N]."""
    order = score.argsort(descending=True, stable=True)
    order = order[canvases[order].argsort(stable=True)]
    sizes = canvases.bincount(minlength=num_canvases)
    starts = sizes.cumsum(0) - sizes
    places = torch.arange(len(order), device=order.device) - starts[canvases[order]]
    return torch.empty_like(order).index_copy(0, order, places)


def commit(batch: Batch, predictions: Predictions, is_committed: Tensor) -> Batch:
    """The batch with the most probable token at the committed masks; what is supervised stays the same."""
    token_ids, is_supervised = batch.token_ids.clone(), batch.labels != IGNORED
    token_ids[is_supervised] = torch.where(is_committed, predictions.logits.argmax(dim=-1), token_ids[is_supervised])
    return replace(batch, token_ids=token_ids)


@torch.no_grad()
def fill(network: Transformer, batch: Batch, num_steps: int) -> Tensor:
    """A network's predictions at the N supervised positions after `num_steps` forward passes, with commits in between.

    Lengths are given by the batch, and not found as in the engine's loop.
    """
    is_supervised, state = batch.labels != IGNORED, batch
    answers = batch.token_ids[is_supervised]
    for steps_left in range(num_steps, 0, -1):
        predictions = predict(network, state)
        is_open = state.token_ids[is_supervised] == network.config.mask_token_id
        answers = torch.where(is_open, predictions.logits.argmax(dim=-1), answers)
        left = torch.full((len(state.token_ids),), steps_left, device=answers.device)
        state = commit(state, predictions, chosen(network, state, predictions, left))
    return answers


def halvings(num_steps: int) -> list[int]:
    """N, N / 2, N / 4 … 1."""
    return [num_steps >> shift for shift in range(num_steps.bit_length())]


def accuracy_after(network: Transformer, batches: Sequence[Batch], num_steps: int) -> float:
    """The share of right predictions after so many forward passes, by which a distillation is judged."""
    labels = torch.cat([batch.labels[batch.labels != IGNORED] for batch in batches])
    answers = torch.cat([fill(network, batch, num_steps) for batch in batches])
    return float((answers == labels).float().mean())
