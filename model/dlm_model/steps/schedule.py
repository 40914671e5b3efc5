"""Which positions a step commits, and how many. Pure functions of a step's predictions [B, T].

Every schedule commits a quota of the positions with the best scores, so that the steps suffice for all masks. Most also
commit positions outside the quota whose token is certain enough; they differ in what counts as certain. If a schedule's
certain positions need not be the best-scored ones, they count first, and the quota is filled up only if they are too
few. Each rule's docstring names its publication, and `dlm_model.methods` lists them all.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.decode_options import DecodeOptions, DecodePlan, Schedule
from dlm_model.rules.eligibility import Eligibility
from dlm_model.steps.selection import Guess

LEAP_RADIUS = 4
"""Positions on each side of a certain one where `local_leap` asks for less certainty."""

STABLE_STEPS = 2
"""Steps in a row through which a distribution must have hardly changed for `klass`."""


def choose(
    guess: Guess, eligibility: Eligibility, steps_left: int, options: DecodePlan, filled: Tensor | float
) -> Tensor:
    """Positions to commit now, [B, T]: each row's quota, best scores first, and those that the schedule adds.

    A row with positions that are due commits at least one, and with one step left, all of them. If the masks do not
    divide evenly, the late steps commit more, because most is known then.

    Args:
        guess: The step's predictions, spread over the canvas: [B, T] each.
        eligibility: What may be committed.
        steps_left: Steps to spread the masks over, this one included.
        options: The schedule and its bounds.
        filled: Share of the positions to decode that is committed already, [B] or one for all rows; used by
            `early_commit` alone.
    """
    if steps_left > 1:
        eligibility = eligibility.without(guess.is_vetoed)
    num_masked = eligibility.is_masked.sum(dim=1)
    if options.schedule == "cosine":
        quota = _cosine_quota(num_masked, steps_left, options.num_steps)
    else:
        quota = (num_masked // steps_left).clamp_min(1)
    is_certain = _CERTAIN[options.schedule](guess, eligibility.is_open, options)
    is_due = eligibility.is_due
    if options.schedule in {"klass", "entropy_bound"}:
        quota, is_due = quota - (is_due & is_certain).sum(dim=1), is_due & ~is_certain
    score = leftmost_first(guess.score, is_due) if options.selection == "leftmost" else guess.score
    if options.schedule == "agreement":
        score = score.masked_fill(_is_settled(guess, options), torch.inf)
    chosen = (_ranked_below(quota, score, is_due) & is_due) | is_certain
    if options.early_commit is not None:
        asked = options.early_commit * _share_asked(filled)
        chosen |= are_decided(guess, eligibility.is_open, asked)[:, None]
    return chosen & eligibility.is_open


def leftmost_first(score: Tensor, is_eligible: Tensor) -> Tensor:
    """Scores [B, T] that prefer the first eligible position of each row, and leave the others in their order.

    Only one: two neighbours committed together do not see each other, and often repeat the same text.
    """
    is_first = is_eligible & (is_eligible.cumsum(dim=1) == 1)
    return score.masked_fill(is_first, torch.inf)


def none(_guess: Guess, is_eligible: Tensor, _options: DecodeOptions) -> Tensor:
    """No position, [B, T]: the quota is all."""
    return torch.zeros_like(is_eligible)


def at_threshold(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """Positions whose confidence reaches the threshold (Fast-dLLM, arXiv 2505.22618), [B, T]."""
    return (guess.confidence >= options.confidence_threshold) & is_eligible


def by_factor(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """The n most certain positions, for the largest n with (n + 1)(1 − confidence of the n-th) < f, [B, T].

    Fast-dLLM's factor rule (arXiv 2505.22618): the more are committed at once, the more certain each has to be.
    """
    ordered, order = guess.confidence.masked_fill(~is_eligible, 0.0).sort(dim=1, descending=True, stable=True)
    ranks = torch.arange(1, ordered.shape[1] + 1)
    passes = (ranks + 1) * (1 - ordered) < options.factor
    passes_up_to_here = passes.long().cumprod(dim=1).bool()
    return torch.zeros_like(is_eligible).scatter(1, order, passes_up_to_here) & is_eligible


def by_stability(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """Positions at the threshold whose distribution has hardly changed in the last two steps, [B, T].

    KLASS (github.com/shkim0116/KLASS): confidence alone is often a first impression. Where no position is ready, the
    quota commits the best-scored ones, as KLASS does.
    """
    return at_threshold(guess, is_eligible, options) & (guess.num_stable >= STABLE_STEPS)


def by_leaping(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """Positions at the threshold and, up to four positions from one of them, those at a lower threshold, [B, T].

    LocalLeap (arXiv 2510.07081): next to a certain position, less certainty is enough.
    """
    anchors = at_threshold(guess, is_eligible, options)
    window = 2 * LEAP_RADIUS + 1
    is_near = F.max_pool1d(anchors[:, None].float(), window, stride=1, padding=LEAP_RADIUS)[:, 0] > 0
    return anchors | (is_near & is_eligible & (guess.confidence >= options.leap_threshold))


def by_entropy_bound(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """As many of the most certain positions as `within_entropy_bound` admits for γ, at least one, [B, T].

    Where the steps left ask for more, the quota commits the best-scored ones beyond the bound, as EB-Sampler does not.
    """
    return within_entropy_bound(guess.entropy, is_eligible, options.entropy_bound)


def by_agreement(guess: Guess, is_eligible: Tensor, options: DecodeOptions) -> Tensor:
    """The leftmost run that the model and its guide have settled together (APD, see `dlm_model.guides.blend`), [B, T].

    Unlike APD's, it stops at the first token that the two find improbable: they may agree on a mere guess, and the rest
    of the run was read as if it were right. Rows without a guide commit the positions that reach the threshold.
    """
    is_settled = _is_settled(guess, options) & is_eligible
    is_doubtful = guess.is_guided & is_settled & (guess.confidence < options.agreement_threshold)
    return is_settled & (is_doubtful.cumsum(dim=1) == 0)


def _is_settled(guess: Guess, options: DecodeOptions) -> Tensor:
    """Positions [B, T] that model and guide have settled together or, where no guide has a say, at the threshold."""
    return torch.where(guess.is_guided, guess.is_settled, guess.confidence >= options.confidence_threshold)


_CERTAIN: dict[Schedule, Callable[[Guess, Tensor, DecodeOptions], Tensor]] = {
    "linear": none,
    "cosine": none,
    "threshold": at_threshold,
    "entropy_bound": by_entropy_bound,
    "factor": by_factor,
    "klass": by_stability,
    "local_leap": by_leaping,
    "agreement": by_agreement,
}


def are_decided(guess: Guess, is_eligible: Tensor, asked: Tensor) -> Tensor:
    """Rows [B] to commit as a whole: their mean gap between the two best logits is larger than `asked` [B] or [].

    Prophet (github.com/pixeli99/Prophet): if the best token is so far ahead, no later step changes it. Prophet takes
    the mean over a short answer at the end of a text, which a middle has not. Here it is over all masks.
    """
    # Where a boundary allows a single token, the gap is infinite, and says nothing about the model.
    is_counted = is_eligible & guess.gap.isfinite()
    mean = guess.gap.masked_fill(~is_counted, 0.0).sum(dim=1) / is_counted.sum(dim=1).clamp_min(1)
    return mean > asked


def _share_asked(filled: Tensor | float) -> Tensor:
    """How much of the gap Prophet asks for: all of it at first, two thirds in the second third, then one third.

    Prophet counts its thirds in steps, since all of its steps commit equally many positions. Here steps differ, and a
    row may be full after few of them: the thirds are of the positions to fill.
    """
    return 1 - (3 * torch.as_tensor(filled)).floor() / 3


def within_entropy_bound(entropy: Tensor, is_eligible: Tensor, bound: float) -> Tensor:
    """The largest set of most certain positions whose entropies sum, without the largest, to at most `bound`.

    EB-Sampler (arXiv 2505.24857): the sum bounds the loss from committing them as if they were independent. [B, T].
    """
    ordered, order = entropy.masked_fill(~is_eligible, torch.inf).sort(dim=1)
    # Sorted ascending, the sum without the largest is the sum of those before.
    preceding = ordered.cumsum(dim=1).roll(1, dims=1)
    preceding[:, 0] = 0.0
    return torch.zeros_like(is_eligible).scatter(1, order, preceding <= bound) & is_eligible


def _ranked_below(quota: Tensor, score: Tensor, is_eligible: Tensor) -> Tensor:
    """The `quota` [B] best-scored eligible positions of each row, [B, T]."""
    order = score.masked_fill(~is_eligible, -torch.inf).argsort(dim=1, descending=True, stable=True)
    ranked: Tensor = order.argsort(dim=1) < quota[:, None]
    return ranked


def _cosine_quota(num_masked: Tensor, steps_left: int, num_steps: int) -> Tensor:
    """Positions that the cosine schedule of MaskGIT (arXiv 2202.04200) fills in this step, [B].

    The share that stays masked is cos(π/2 · t): few are committed early, when little is known.
    """
    done = max(0, num_steps - steps_left) / num_steps
    now, after = (math.cos(math.pi / 2 * min(1.0, t)) for t in (done, done + 1 / num_steps))
    kept = 0 if steps_left == 1 else (num_masked * (after / now)).floor().long()
    return (num_masked - kept).clamp_min(1)
