"""When a run ends: its learning rate falls when steps, time or a file ask for it, and time alone ends a process."""

import math
import statistics
import time
from collections import deque
from pathlib import Path

from dlm_model.training.options import TrainingOptions
from dlm_model.training.parallelism import ProcessGroup
from dlm_model.training.run_state import Progress

DECAY_FILE = "decay"
_NO_DECAY = -1
_DECAY_MARGIN = 0.9  # Of the remaining time, because the last state has to be written in it, too.
_NUM_DURATIONS = 50


class Ending:
    """Begins the decay of a run, and knows how much of its time is left."""

    def __init__(self, options: TrainingOptions, folder: Path, group: ProcessGroup, started_at: float) -> None:
        """Watch a run.

        Args:
            options: With the steps and seconds that it has.
            folder: Of the run, where a file may ask for the decay.
            group: The processes that train together, which all decide the same.
            started_at: When the time that the options grant began, on the monotonic clock.
        """
        self._options, self._folder, self._group, self._started_at = options, folder, group, started_at
        self._durations = deque[float](maxlen=_NUM_DURATIONS)

    @property
    def is_time_over(self) -> bool:
        """Whether this process has had its time."""
        return self._seconds_left <= 0

    def add_step(self, seconds: float) -> None:
        """Count a step that took as long as others will."""
        self._durations.append(seconds)

    def leave_out(self, seconds: float) -> None:
        """Give time back that was not spent on training."""
        self._started_at += seconds

    def update_decay(self, progress: Progress) -> None:
        """Begin the decay if it is time for it, and bring the end of one that has begun forward if need be."""
        options = self._options
        if progress.decay_start is None:
            steps = self._group.largest(self._requested_decay(progress.step))
            if steps == _NO_DECAY:
                return
            progress.decay_start, progress.decay_steps = progress.step, steps
        num_done = progress.step - progress.decay_start
        if options.max_steps is not None:
            num_left = max(0, options.max_steps - progress.step)
            progress.decay_steps = min(progress.decay_steps, num_done + num_left)
        if options.decay_seconds is not None and self._group.largest(len(self._durations)):
            # Steps may turn out slower than they were when the decay began; it ends in time all the same.
            # Where no step is left in this call, the next one goes on: a rate that is still high has not fallen.
            affordable = self._group.largest(self._affordable_steps())
            if affordable:
                progress.decay_steps = min(progress.decay_steps, num_done + affordable)

    def _requested_decay(self, step: int) -> int:
        """Steps of a decay that shall begin now; `_NO_DECAY` for none."""
        options = self._options
        if options.max_steps is not None and step >= options.max_steps - options.decay_steps:
            return max(0, options.max_steps - step)
        if (self._folder / DECAY_FILE).exists():
            return options.decay_steps
        if options.decay_seconds is not None and self._seconds_left <= options.decay_seconds and self._durations:
            return self._affordable_steps() or _NO_DECAY
        return _NO_DECAY

    @property
    def _seconds_left(self) -> float:
        limit = self._options.max_seconds
        return math.inf if limit is None else limit - (time.monotonic() - self._started_at)

    def _affordable_steps(self) -> int:
        """How many steps fit in the time left, if they take as long as the median of the last ones.

        Not their mean: a single step that compiles would shorten the decay, which never grows again.
        """
        if not self._durations:
            return 1
        return max(0, int(_DECAY_MARGIN * self._seconds_left / statistics.median(self._durations)))
