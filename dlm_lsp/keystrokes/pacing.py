"""How long to wait after a keystroke before the model is asked.

The formula is Tabby's (`clients/tabby-agent/src/codeCompletion/debouncer.ts`): the typist's pace, lengthened where a
completion is less likely to be wanted, less the time that the model takes. The wait counts from the keystroke, so a
client with a delay of its own does not wait twice.
"""

from collections import deque
from collections.abc import Collection

INITIAL_INTERVAL = 0.2
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 0.4
SHORTEST_DELAY, LONGEST_DELAY = 0.1, 1.0
CALM_RATE, EAGER_RATE = 3.0, 1.5

_WINDOW = 10
"""Number of keystrokes and answers that the means are taken over."""


class TypingPace:
    """One client's typing, and the time that its answers took; every time is in seconds."""

    def __init__(self) -> None:
        self._last_edit: float | None = None
        self._intervals: deque[float] = deque([INITIAL_INTERVAL], maxlen=_WINDOW)
        self._latencies: deque[float] = deque(maxlen=_WINDOW)

    def on_edit(self, now: float) -> None:
        """Note a keystroke; a pause counts as the longest interval, and no more."""
        if self._last_edit is not None:
            self._intervals.append(min(max(now - self._last_edit, SHORTEST_INTERVAL), LONGEST_INTERVAL))
        self._last_edit = now

    def on_answer(self, latency: float) -> None:
        """Note how long the model took."""
        self._latencies.append(latency)

    def delay(self, left: str, right: str) -> float:
        """How long after the keystroke to wait.

        Args:
            left: The cursor's line, up to the cursor.
            right: The document from the cursor on.
        """
        rate = CALM_RATE - (CALM_RATE - EAGER_RATE) * _likelihood(left, right)
        latency = _mean(self._latencies) if self._latencies else 0.0
        return min(max(rate * _mean(self._intervals) - latency, SHORTEST_DELAY), LONGEST_DELAY)

    def time_left(self, delay: float, now: float) -> float:
        """The rest of a delay that began with the last edit; 0 if nothing was edited yet."""
        return 0.0 if self._last_edit is None else max(0.0, self._last_edit + delay - now)


def _mean(values: Collection[float]) -> float:
    # To import `statistics` takes longer than all means of a day, and delays the server's first answer.
    return sum(values) / len(values)


def _likelihood(left: str, right: str) -> float:
    """How likely a completion is wanted, in [0, 1]: more so after punctuation, and at the end of a line or document."""
    is_after_mark = bool(left.strip()) and not (left[-1].isalnum() or left[-1] == "_")
    is_line_end = not right or right[0] in "\r\n"
    return 0.5 * is_after_mark + 0.4 * is_line_end + 0.1 * (not right.strip())
