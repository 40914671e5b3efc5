"""The dial bends to the clock: each test tells how long the steps took, and what is left after them."""

import pytest

from dlm_model.decode_options import DecodeOptions
from dlm_model.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_deadline_the_dial_alone_counts() -> None:
    pace = Pace(DecodeOptions(num_steps=3), Clock())
    left = []
    for _ in range(5):
        left.append(pace.steps_left)
        pace.advance()
    assert left == [3, 2, 1, 1, 1]
    assert not pace.is_over


def test_a_deadline_leaves_as_many_steps_as_still_fit() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(num_steps=50, deadline_ms=1000), clock)
    assert pace.steps_left == 50
    for clock.now in (0.3, 0.4):
        pace.advance()
    assert pace.steps_left in {5, 6}  # 0.6 s at 0.1 s a step, give or take a rounding
    assert pace.elapsed_ms == pytest.approx(400)


def test_steps_that_do_not_fit_are_not_counted() -> None:
    clock, asked = Clock(), []
    pace = Pace(DecodeOptions(num_steps=4096, deadline_ms=1000), clock)
    pace.follow(lambda num_ahead: bool(asked.append(num_ahead)))
    clock.now = 0.5
    pace.advance()
    asked.clear()
    assert pace.steps_left == 1
    assert len(asked) <= 2


def test_what_the_prompt_took_is_not_expected_of_the_steps_after_it() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(num_steps=50, deadline_ms=1000), clock)
    pace.follow(lambda num_ahead: pace.step + num_ahead == 0)
    clock.now = 0.7
    pace.advance()
    assert (pace.steps_left, pace.is_over) == (49, False)
    clock.now = 0.72
    pace.advance()
    assert pace.steps_left in {13, 14}  # 0.28 s at 0.02 s a step


def test_where_masks_may_stay_a_deadline_makes_no_step_take_more() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(num_steps=50, deadline_ms=1000), clock)
    pace.follow(lambda _num_ahead: False, must_fill=False)
    for clock.now in (0.3, 0.6, 0.9):
        pace.advance()
    assert pace.steps_left == 47
    assert pace.is_over


def test_what_comes_before_the_first_step_is_not_a_part_of_it() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(num_steps=50, deadline_ms=1000), clock)
    clock.now = 0.5
    pace.follow(lambda _num_ahead: False)
    clock.now = 0.6
    pace.advance()
    assert pace.steps_left in {3, 4}  # 0.4 s at 0.1 s a step


def test_work_that_can_wait_is_late_even_in_the_first_step() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(deadline_ms=1000), clock)
    clock.now = 1.1
    assert (pace.is_late, pace.is_over) == (True, False)


def test_what_follows_on_the_last_step_is_left_time() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(num_steps=50, deadline_ms=1000), clock)
    pace.follow(lambda _num_ahead: False)
    clock.now = 0.1
    with pace.reserved():
        clock.now = 0.3
    pace.advance()
    assert pace.steps_left in {4, 5}  # 0.7 s without the 0.2 s that the last will take after its 0.1 s
    clock.now = 0.75
    assert pace.is_over


def test_no_step_is_begun_that_would_end_after_the_deadline() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(deadline_ms=1000), clock)
    for clock.now in (0.3, 0.4):
        pace.advance()
    clock.now = 0.89
    assert not pace.is_over
    clock.now = 0.91
    assert pace.is_over


def test_a_refresh_is_expected_to_take_as_long_as_the_last_one() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(deadline_ms=1000), clock)
    pace.follow(lambda num_ahead: (pace.step + num_ahead) % 3 == 0)
    for clock.now in (0.5, 0.6, 0.65):
        pace.advance()
    assert pace.is_over  # the fourth step computes the prompt again


def test_the_first_step_is_always_taken() -> None:
    clock = Clock()
    pace = Pace(DecodeOptions(deadline_ms=1), clock)
    clock.now = 5.0
    assert not pace.is_over
