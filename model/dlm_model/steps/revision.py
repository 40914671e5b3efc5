"""Revision: committed tokens that look wrong are reopened, or replaced.

A reviser takes a canvas after a commit, and returns the next one. A row is revised at most `max_revisions` times
(`Recheck` does not count), and never after the last step, so every run ends with all masks filled. No reviser touches
positions that the request itself filled, or that spell a boundary.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions, Remasking
from dlm_model.steps.selection import Guess

AGREED_SHARE = 0.1
"""A token of an earlier draft is kept if it has at least this share of the best token's probability."""

_OTHER_SEED = 0x3E0F


@dataclass(frozen=True, slots=True)
class Step:
    """What a step saw and did; all tensors [B, T].

    Attributes:
        guess: Its predictions, those of reviewed positions among them.
        is_reviewed: Committed before this step, and predicted again.
        is_new: Committed by this step.
        is_fixed: Must not be revised.
        is_open: Masks that this step was allowed to commit.
    """

    guess: Guess
    is_reviewed: Tensor
    is_new: Tensor
    is_fixed: Tensor
    is_open: Tensor

    @property
    def is_judged(self) -> Tensor:
        """Reviewed positions that all who choose tokens there have predicted: the guide too, if it has weight."""
        return self.is_reviewed & (~self.guess.is_guided | self.guess.is_settled)


Reviser = Callable[[Canvas, Step], Canvas]


class RandomRemask:
    """Reopens committed positions at random, so that early ones are not final (ReMDM, github.com/kuleshov-group/remdm).

    By ReMDM's capped schedule: each with the probability min(η, (1 − α_s) / α_t), where η is `remask_rate`, and α_t and
    α_s are the shares of the canvas that are filled before and after the step. In a row that the step has filled, none.
    ReMDM's own script caps at 0.008 over hundreds of steps; the default here, 0.02, is that of its looped variant.
    """

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options
        # Not the seed of the draft: what is taken back must not depend on what was drawn there.
        self._generator = torch.Generator().manual_seed(options.seed ^ _OTHER_SEED)

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """Draw once for every position."""
        num_filled = canvas.is_committed.sum(dim=1)
        num_before = num_filled - (step.is_new & canvas.is_committed).sum(dim=1)
        ceiling = (canvas.lengths - num_filled) / num_before.clamp_min(1)
        probability = ceiling.clamp_max(self._options.remask_rate)[:, None]
        drawn = torch.rand(canvas.is_masked.shape, generator=self._generator) < probability
        return canvas.reopen(drawn & ~step.is_new & ~step.is_fixed, limit=self._options.max_revisions)


class TokenToMask:
    """Reopens tokens that became improbable as text grew around them ("Remask, don't replace", arXiv 2604.18738)."""

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """Reopen tokens that are less probable than the threshold now, and have all others predicted again.

        One that is still the best for its place stays, as it would only be put there again. So does what is put where
        one was reopened before: with and without it, the model may prefer two tokens in turn, without end.
        """
        is_improbable = step.guess.current < self._options.remask_threshold
        is_other = step.guess.predicted_ids != canvas.token_ids
        is_doubted = is_improbable & is_other & step.is_judged & ~step.is_fixed & ~canvas.was_reopened
        return _reviewed(canvas, canvas.reopen(is_doubted, limit=self._options.max_revisions), step)


class PathPlanning:
    """Keeps the tokens that the model is surest of, of committed ones and masks together (P2, arXiv 2502.03540).

    As the published sampler of open-dcoder does (github.com/pengzhangzhi/Open-dLLM), it ranks all positions by the
    probability of the token predicted there, whatever they hold. The best-ranked are kept, as many as the schedule has
    committed by now: a mask that outranks a committed token takes its place. P2's own schedule is `linear`.

    It differs in two points. What the step itself has committed stays, so that every step fills something. And a row is
    done once nothing in it is masked, where P2 plans on until its last step.
    """

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """Let masks take the places of the tokens that they outrank, and have all tokens predicted again."""
        is_rival = canvas.is_masked & step.is_open & ~step.guess.is_vetoed
        is_ranked = (step.is_judged | step.is_new | is_rival) & ~step.is_fixed & ~canvas.is_anchored
        rank = step.guess.confidence.masked_fill(~is_ranked, -torch.inf)
        num_kept = (is_ranked & canvas.is_committed).sum(dim=1, keepdim=True)
        least = rank.sort(dim=1, descending=True).values.gather(1, (num_kept - 1).clamp_min(0))
        is_outranked = (rank < least) & is_ranked & step.is_judged
        after = canvas.reopen(is_outranked, limit=self._options.max_revisions)
        num_places = (after.num_revised - canvas.num_revised)[:, None]
        order = rank.masked_fill(~is_rival, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        after = after.commit(is_rival & is_ranked & (order < num_places))
        return after.review(after.is_committed & after.is_masked.any(dim=1, keepdim=True))


class Edit:
    """Replaces tokens where the model is sure of another (token-to-token editing of LLaDA2.1, arXiv 2602.08676)."""

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """Replace tokens where another one is the best and reaches the threshold, and have all predicted again."""
        guess = step.guess
        is_other = guess.predicted_ids != canvas.token_ids
        is_sure = guess.confidence >= self._options.edit_threshold
        edited = is_other & is_sure & step.is_judged & ~step.is_fixed
        limit = self._options.max_revisions
        return _reviewed(canvas, canvas.overwrite(edited, guess.predicted_ids, guess.confidence, limit=limit), step)


def _reviewed(before: Canvas, after: Canvas, step: Step) -> Canvas:
    """The canvas after a revision: all of it under review, or nothing once it is full and no longer changes.

    As LLaDA2.1 does it: what the last masks were filled with is looked at once more, too.
    """
    is_settled = not after.is_masked.any() and not step.is_new.any() and torch.equal(before.token_ids, after.token_ids)
    return after.review(after.is_committed & (not is_settled))


class Recheck:
    """Compares an earlier draft's tokens, once, with what the first step predicts at their positions.

    A token that the model finds probable enough stays, or is committed if it was a guess. Any other is reopened if it
    was committed. As this happens only once, it does not count against the bound of the other revisers.
    """

    def __init__(self, proposed_ids: Tensor) -> None:
        """Remember the tokens [B, T] that the canvas was opened with; the mask token where there is none."""
        self._proposed_ids: Tensor | None = proposed_ids

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """Revise what the first step left; change nothing after later ones."""
        if self._proposed_ids is None:
            return canvas
        proposed_ids, self._proposed_ids = self._proposed_ids, None
        guess = step.guess
        is_proposed = (proposed_ids != canvas.mask_token_id) & ~step.is_fixed
        is_agreed = is_proposed & (guess.current >= AGREED_SHARE * guess.confidence)
        # What the earlier draft had committed is reopened unless agreed to. What is agreed to is committed where a mask
        # was left, and restored where this step has committed another token.
        is_doubted = step.is_reviewed & ~is_agreed & ~step.is_fixed
        is_repeated = is_agreed & canvas.is_masked
        is_restored = is_agreed & step.is_new & (proposed_ids != guess.predicted_ids)
        num_revised, num_columns = canvas.num_revised, canvas.is_valid.shape[1]
        canvas = canvas.reopen(is_doubted, limit=num_columns)
        canvas = canvas.overwrite(is_restored, proposed_ids, guess.current, limit=num_columns)
        canvas = canvas.guess(
            torch.where(is_repeated, proposed_ids, canvas.guessed_ids),
            torch.where(is_repeated, guess.current, canvas.confidence),
        )
        reviewed = canvas.commit(is_repeated).review(torch.zeros_like(is_doubted))
        return replace(reviewed, num_revised=num_revised)


_REMASKERS: dict[Remasking, type[RandomRemask | TokenToMask | PathPlanning | Edit]] = {
    "remdm": RandomRemask,
    "token_to_mask": TokenToMask,
    "path_planning": PathPlanning,
    "edit": Edit,
}


def remasker_of(options: DecodeOptions) -> Reviser | None:
    """The reviser that `options.remasking` names, if it names one."""
    return _REMASKERS[options.remasking](options) if options.remasking in _REMASKERS else None


def recheck_of(canvas: Canvas) -> Recheck | None:
    """The recheck of a canvas that was opened with an earlier draft; None for a canvas of masks alone."""
    is_warm = bool((canvas.guessed_ids != canvas.mask_token_id).any())
    return Recheck(canvas.guessed_ids) if is_warm else None
