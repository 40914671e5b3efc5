"""How long the daemon waits after a keystroke: by the typist's pace, the place, and the model's latency."""

import pytest

from dlm_lsp.keystrokes.pacing import LONGEST_DELAY, SHORTEST_DELAY, TypingPace


def _pace(interval: float, num_edits: int = 30) -> TypingPace:
    pace = TypingPace()
    for number in range(num_edits):
        pace.on_edit(number * interval)
    return pace


def test_a_slow_typist_is_waited_for_longer() -> None:
    quick, slow = _pace(0.15), _pace(0.3)
    assert quick.delay("x", "y") == pytest.approx(0.45)
    assert slow.delay("x", "y") == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("left", "right", "rate"),
    [("x", "y\n", 3.0), ("x.", "y\n", 2.25), ("x", "\ny", 2.4), ("x.", "\ny", 1.65), ("x.", "", 1.5), ("  ", "y", 3.0)],
)
def test_where_a_completion_is_likely_it_comes_sooner(left: str, right: str, rate: float) -> None:
    assert _pace(0.2).delay(left, right) == pytest.approx(rate * 0.2)


def test_what_the_model_takes_is_not_waited_for_twice() -> None:
    pace = _pace(0.2)
    pace.on_answer(0.25)
    assert pace.delay("x", "y") == pytest.approx(0.6 - 0.25)
    for _ in range(20):
        pace.on_answer(5.0)
    assert pace.delay("x", "y") == SHORTEST_DELAY


def test_pauses_and_bursts_are_bounded() -> None:
    assert _pace(60).delay("x", "y") == LONGEST_DELAY
    assert _pace(0.001).delay("x", "y") == pytest.approx(0.3)


def test_the_wait_begins_with_the_keystroke() -> None:
    pace = TypingPace()
    assert pace.time_left(0.3, now=7.0) == 0, "nothing was typed yet"
    pace.on_edit(7.0)
    assert pace.time_left(0.3, now=7.2) == pytest.approx(0.1)
    assert pace.time_left(0.3, now=8.0) == 0
