"""How many steps are left: the steps dial, and how it yields to a deadline. Knows only steps and seconds."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dlm_model.decode_options import DecodeOptions


class Pace:
    """Counts steps against `num_steps` and, if there is one, the clock.

    With a deadline, no step is begun that would end after it. Where every mask has to be filled by then, only the steps
    that still fit are left, so the schedules speed up by themselves. Steps that recompute the prompt are timed
    apart. So is the work after a step (`reserved`), which the last step must leave time for. Work of a kind that was
    not timed yet is expected to take no time: it is begun if the deadline has not passed, and timed.
    """

    def __init__(self, options: DecodeOptions, clock: Callable[[], float] = time.perf_counter) -> None:
        self._options = options
        self._clock = clock
        self._started = self._step_started = clock()
        self._deadline = math.inf if options.deadline_ms is None else self._started + options.deadline_ms / 1000
        self._fastest: dict[bool, float] = {}
        self._reserved = 0.0
        self._is_prefill: Callable[[int], bool] = lambda _num_ahead: False
        self._is_in_prefill = False
        self._must_fill = True
        self.step = 0

    def follow(self, is_prefill: Callable[[int], bool], *, must_fill: bool = True) -> None:
        """Begin the first step.

        Args:
            is_prefill: Whether the step after so many more computes the prompt.
            must_fill: Whether every mask has to be filled by the deadline. If not, steps take no more at once than
                they would without one, and the text is as long as it has become.
        """
        self._is_prefill, self._is_in_prefill = is_prefill, is_prefill(0)
        self._must_fill = must_fill
        self._step_started = self._clock()

    @property
    def elapsed_ms(self) -> float:
        """Time since the pace was made."""
        return (self._clock() - self._started) * 1000

    @property
    def _end_of_steps(self) -> float:
        return self._deadline - self._reserved

    @property
    def is_late(self) -> bool:
        """Whether a step begun now would end too late for the deadline."""
        return self._clock() + self._expected(0) > self._end_of_steps

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another step; the first is always taken, or there would be no draft."""
        return self.step > 0 and self.is_late

    @property
    def is_half_over(self) -> bool:
        """Whether half of the time has passed; the work before the first step has to leave the rest to the steps."""
        return self._clock() > (self._started + self._deadline) / 2

    @property
    def steps_left(self) -> int:
        """Steps to spread the remaining masks over, at least 1."""
        num_left = self._options.num_steps - self.step
        if self._must_fill and self._deadline < math.inf and self.step > 0:
            end = self._clock()
            for num_ahead in range(num_left):
                end += self._expected(num_ahead)
                if end > self._end_of_steps:
                    num_left = num_ahead
                    break
        return max(1, num_left)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Time the work after a step, and reserve as much time for it before the deadline."""
        started = self._clock()
        yield
        duration = self._clock() - started
        self._reserved = max(self._reserved, duration)
        self._step_started += duration

    def advance(self) -> None:
        """Note that a step is done."""
        now = self._clock()
        duration = now - self._step_started
        self._fastest[self._is_in_prefill] = min(duration, self._fastest.get(self._is_in_prefill, duration))
        self.step += 1
        self._step_started, self._is_in_prefill = now, self._is_prefill(0)

    def _expected(self, num_ahead: int) -> float:
        """Seconds that the step after so many more will take."""
        return self._fastest.get(self._is_prefill(num_ahead), 0.0)
