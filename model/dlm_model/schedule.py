"""How many positions a step commits, and how the steps dial bends to a deadline. Pure functions of scores [B, T]."""

import math
import time
from collections.abc import Callable
from itertools import accumulate, islice

import torch
from torch import Tensor

from dlm_model.request import DecodeOptions
from dlm_model.selection import Guess


class Pace:
    """Counts steps against `num_steps` and, if there is one, the clock.

    With a deadline, no step is begun that would end after it, and the steps that are left are those that still fit, so
    that the schedules speed up by themselves. Steps that compute the prompt take longer and are judged by each other.
    """

    def __init__(self, options: DecodeOptions, clock: Callable[[], float] = time.perf_counter) -> None:
        self._options = options
        self._clock = clock
        self._started = self._step_started = clock()
        self._deadline = math.inf if options.deadline_ms is None else self._started + options.deadline_ms / 1000
        self._fastest: dict[bool, float] = {}
        self.step = 0

    @property
    def elapsed_ms(self) -> float:
        """Since the pace was set."""
        return (self._clock() - self._started) * 1000

    @property
    def is_over(self) -> bool:
        """Whether another step would end after the deadline. The first one is always taken: without it is nothing."""
        return self.step > 0 and self._clock() + self._expected(self.step) > self._deadline

    @property
    def steps_left(self) -> int:
        """Steps to spread the remaining masks over, at least 1."""
        steps = range(self.step, self._options.num_steps)
        if self._deadline < math.inf and self.step > 0:
            ends = accumulate(map(self._expected, steps), initial=self._clock())
            return max(1, sum(end <= self._deadline for end in islice(ends, 1, None)))
        return max(1, len(steps))

    def advance(self) -> None:
        """One step is done."""
        now = self._clock()
        is_prefill = self._options.is_prefill(self.step)
        duration = now - self._step_started
        self._fastest[is_prefill] = min(duration, self._fastest.get(is_prefill, duration))
        self._step_started = now
        self.step += 1

    def _expected(self, step: int) -> float:
        """Seconds that a step will take; of a kind not seen yet, those of the other kind."""
        return self._fastest.get(self._options.is_prefill(step), max(self._fastest.values()))


def choose(guess: Guess, is_eligible: Tensor, steps_left: int, options: DecodeOptions) -> Tensor:
    """Positions to commit now, [B, T]: the best-scored quota of each row, and what the schedule adds to it.

    A row with an eligible position always commits at least one; with one step left it commits all.

    Args:
        guess: The step's predictions, spread over the canvas: [B, T] each.
        is_eligible: [B, T], masked and free to be committed.
        steps_left: Steps to spread the masks over, this one included.
        options: The schedule and its bounds.
    """
    num_eligible = is_eligible.sum(dim=1)
    if options.schedule == "cosine":
        quota = _cosine_quota(num_eligible, steps_left, options.num_steps)
    else:
        quota = -(-num_eligible // steps_left)
    order = guess.score.masked_fill(~is_eligible, -torch.inf).argsort(dim=1, descending=True, stable=True)
    chosen: Tensor = order.argsort(dim=1) < quota[:, None]
    if options.schedule == "threshold":
        chosen |= guess.confidence >= options.confidence_threshold
    elif options.schedule == "entropy_bound":
        chosen |= within_entropy_bound(guess.entropy, is_eligible, options.entropy_bound)
    return chosen & is_eligible


def within_entropy_bound(entropy: Tensor, is_eligible: Tensor, bound: float) -> Tensor:
    """The largest set of most certain positions whose entropies sum, without the largest, to at most `bound`.

    EB-Sampler (arXiv 2505.24857): the sum bounds what is lost by committing them as if they were independent. [B, T].
    """
    ordered, order = entropy.masked_fill(~is_eligible, torch.inf).sort(dim=1)
    # Sorted ascending, the sum without the largest is the sum of those before.
    preceding = ordered.cumsum(dim=1).roll(1, dims=1)
    preceding[:, 0] = 0.0
    return torch.zeros_like(is_eligible).scatter(1, order, preceding <= bound) & is_eligible


def _cosine_quota(num_eligible: Tensor, steps_left: int, num_steps: int) -> Tensor:
    """Positions that the cosine schedule of MaskGIT (arXiv 2202.04200) fills in this step, [B].

    Masks stay masked in proportion cos(π/2 · t): few are committed early, when little is known.
    """
    done = max(0, num_steps - steps_left) / num_steps
    now, after = (math.cos(math.pi / 2 * min(1.0, t)) for t in (done, done + 1 / num_steps))
    kept = 0 if steps_left == 1 else (num_eligible * (after / now)).floor().long()
    return (num_eligible - kept).clamp_min(1)
