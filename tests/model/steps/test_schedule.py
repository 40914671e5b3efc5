"""Quotas by hand: which positions a step commits, given its guess."""

import pytest
import torch
from torch import Tensor

from dlm_model.decode_options import DecodePlan, Schedule, Selection
from dlm_model.rules.eligibility import Eligibility
from dlm_model.steps import schedule as schedules
from dlm_model.steps.schedule import within_entropy_bound
from dlm_model.steps.selection import Guess
from tests.model.guesses import made_up

ALL = torch.ones(1, 4, dtype=torch.bool)


def only(eligible: Tensor) -> Eligibility:
    """A step whose row has these masks and nothing else."""
    return Eligibility(eligible, eligible, eligible)


def guess(confidence: list[float], **parts: list[float]) -> Guess:
    """A guess with these confidences, scored by them; other parts by name, zeros where not given."""
    named = {"confidence": confidence, "score": confidence} | parts
    return made_up((1, len(confidence)), **{name: torch.tensor([part]) for name, part in named.items()})


def choose(
    step: Guess, eligibility: Eligibility, steps_left: int, options: DecodePlan, filled: Tensor | float = 0.0
) -> Tensor:
    """What a step commits, of rows of which nothing is filled unless said."""
    return schedules.choose(step, eligibility, steps_left, options, filled)


def test_the_threshold_commits_all_that_pass_it() -> None:
    chosen = choose(guess([0.95, 0.2, 0.91, 0.3]), only(ALL), 4, DecodePlan(confidence_threshold=0.9))
    assert chosen.tolist() == [[True, False, True, False]]


def test_below_the_threshold_the_best_is_committed_all_the_same() -> None:
    chosen = choose(guess([0.1, 0.3, 0.2, 0.1]), only(ALL), 4, DecodePlan(confidence_threshold=0.9))
    assert chosen.tolist() == [[False, True, False, False]]


def test_what_is_not_eligible_is_never_chosen_and_not_counted() -> None:
    eligible = torch.tensor([[False, True, True, False]])
    chosen = choose(guess([0.99, 0.1, 0.2, 0.99]), only(eligible), 2, DecodePlan(schedule="linear"))
    assert chosen.tolist() == [[False, False, True, False]]


@pytest.mark.parametrize(("steps_left", "expected"), [(4, 1), (3, 1), (2, 2), (1, 4)])
def test_what_does_not_divide_evenly_is_committed_late(steps_left: int, expected: int) -> None:
    chosen = choose(guess([0.4, 0.3, 0.2, 0.1]), only(ALL), steps_left, DecodePlan(schedule="linear"))
    assert int(chosen.sum()) == expected


def test_leftmost_takes_the_first_that_is_eligible_and_then_the_best() -> None:
    eligible = torch.tensor([[False, True, True, True]])
    options = DecodePlan(schedule="linear", selection="leftmost")
    assert choose(guess([0.9, 0.1, 0.2, 0.3]), only(eligible), 3, options).tolist() == [[False, True, False, False]]
    five = torch.cat((eligible, torch.tensor([[True]])), dim=1)
    assert choose(guess([0.9, 0.1, 0.2, 0.4, 0.3]), only(five), 2, options).tolist() == [
        [False, True, False, True, False]
    ]


def test_rows_have_quotas_of_their_own() -> None:
    eligible = torch.tensor([[True, True, True, True], [True, False, False, False]])
    both = Guess(*(torch.cat((part, part)) for part in guess([0.4, 0.3, 0.2, 0.1])))
    assert choose(both, only(eligible), 2, DecodePlan(schedule="linear")).sum(dim=1).tolist() == [2, 1]


def test_the_steps_are_spread_over_masks_that_have_to_wait() -> None:
    # Six masks in three steps are two a step, though only three are open, and two of these due.
    each = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0]]).bool()
    eligibility = Eligibility(*each[:, None])
    sure = guess([0.95, 0.2, 0.3, 0.99, 0.1, 0.1])
    assert choose(sure, eligibility, 3, DecodePlan(schedule="linear")).int().tolist() == [[0, 1, 1, 0, 0, 0]]
    assert choose(sure, eligibility, 6, DecodePlan(schedule="linear")).int().tolist() == [[0, 0, 1, 0, 0, 0]]
    assert choose(sure, eligibility, 6, DecodePlan(schedule="threshold")).int().tolist() == [[1, 0, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(0.0, [True, False, False, False]), (0.15, [True, True, False, False]), (0.35, [True, True, True, False])],
)
def test_the_entropy_bound_sums_all_but_the_largest(bound: float, expected: list[bool]) -> None:
    # Ascending 0.1, 0.2, 0.4, 0.9: sums without the largest are 0, 0.1, 0.3, 0.7.
    assert within_entropy_bound(torch.tensor([[0.1, 0.2, 0.4, 0.9]]), ALL, bound).tolist() == [expected]


def test_the_entropy_bound_ignores_what_is_not_eligible() -> None:
    eligible = torch.tensor([[False, True, True, True]])
    chosen = within_entropy_bound(torch.tensor([[0.0, 0.5, 0.1, 0.9]]), eligible, 0.2)
    assert chosen.tolist() == [[False, True, True, False]]


def test_the_factor_asks_more_of_every_further_position() -> None:
    # (n + 1)(1 - c): 0.2, 0.6, 0.8, 2.5; below 0.7 for the best two.
    chosen = choose(guess([0.8, 0.5, 0.9, 0.8]), only(ALL), 4, DecodePlan(schedule="factor", factor=0.7))
    assert chosen.tolist() == [[True, False, True, False]]


def test_the_factor_takes_the_best_even_if_it_fails() -> None:
    chosen = choose(guess([0.1, 0.3, 0.2, 0.1]), only(ALL), 4, DecodePlan(schedule="factor", factor=0.5))
    assert chosen.tolist() == [[False, True, False, False]]


def test_the_factor_stops_at_the_first_that_fails() -> None:
    # (n + 1)(1 - c) of the ordered: 0.4, 0.75, 0.8, ...; the second fails, so that the third does not count.
    chosen = choose(guess([0.8, 0.75, 0.8, 0.0]), only(ALL), 4, DecodePlan(schedule="factor", factor=0.5))
    assert chosen.tolist() == [[True, False, False, False]]


def test_klass_waits_until_a_certain_position_is_stable() -> None:
    certain = guess([0.95, 0.96, 0.5, 0.97], num_stable=[2.0, 1.0, 5.0, 3.0], score=[0.1, 0.2, 0.3, 0.0])
    chosen = choose(certain, only(ALL), 4, DecodePlan(schedule="klass"))
    assert chosen.tolist() == [[True, False, False, True]]  # the third has the best score, but two are ready


@pytest.mark.parametrize("selection", ["confidence", "leftmost"])
def test_klass_commits_the_most_confident_one_only_once_it_is_stable(selection: Selection) -> None:
    step = guess([0.99, 0.95, 0.2, 0.1], num_stable=[0.0, 2.0, 2.0, 2.0])
    options = DecodePlan(schedule="klass", selection=selection)
    assert choose(step, only(ALL), 4, options).tolist() == [[False, True, False, False]]
    assert choose(step, only(ALL), 2, options).tolist() == [[True, True, False, False]], "the quota is two"
    none_ready = step._replace(num_stable=torch.zeros(1, 4))
    assert choose(none_ready, only(ALL), 4, options).tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("selection", ["confidence", "leftmost"])
def test_the_entropy_bound_holds_whatever_is_selected(selection: Selection) -> None:
    step = guess([0.9, 0.5, 0.8, 0.1], entropy=[0.3, 0.05, 0.9, 1.0])
    options = DecodePlan(schedule="entropy_bound", entropy_bound=0.01, selection=selection)
    assert choose(step, only(ALL), 4, options).tolist() == [[False, True, False, False]]


def test_a_leap_reaches_four_positions_from_an_anchor() -> None:
    confidence = [0.8, 0.95, 0.7, 0.8, 0.8, 0.8, 0.8]
    chosen = choose(guess(confidence), only(torch.ones(1, 7, dtype=torch.bool)), 7, DecodePlan(schedule="local_leap"))
    assert chosen.tolist() == [[True, True, False, True, True, True, False]]


def test_what_is_not_eligible_is_no_anchor() -> None:
    eligible = torch.tensor([[False, True, True]])
    chosen = choose(guess([0.95, 0.8, 0.85]), only(eligible), 3, DecodePlan(schedule="local_leap"))
    assert chosen.tolist() == [[False, False, True]]


@pytest.mark.parametrize(("num_filled", "expected"), [(0, False), (2, False), (3, True), (5, True), (6, True)], ids=str)
def test_prophet_asks_for_less_in_every_third_of_what_is_to_be_filled(num_filled: int, expected: bool) -> None:
    # Mean gap 5.5: below 7.5 in the first third, above 5.0 in the second.
    decided = guess([0.1, 0.3, 0.2, 0.1], gap=[3.0, 8.0, 5.0, 6.0])
    options = DecodePlan(schedule="linear", num_steps=9, early_commit=7.5)
    for steps_left in (9, 5):
        assert bool(choose(decided, only(ALL), steps_left, options, torch.tensor([num_filled / 9])).all()) is expected


def test_prophet_does_not_count_what_a_boundary_decides() -> None:
    decided = guess([1.0, 0.3, 0.2, 0.1], gap=[torch.inf, 1.0, 1.0, 1.0])
    chosen = choose(decided, only(ALL), 9, DecodePlan(schedule="linear", num_steps=9, early_commit=7.5))
    assert chosen.tolist() == [[True, False, False, False]]


def test_prophet_averages_over_what_is_still_masked() -> None:
    decided = guess([0.1, 0.3, 0.2, 0.1], gap=[0.0, 8.0, 8.0, 0.0])
    eligible = torch.tensor([[False, True, True, False]])
    chosen = choose(decided, only(eligible), 9, DecodePlan(schedule="linear", num_steps=9, early_commit=7.5))
    assert chosen.tolist() == [[False, True, True, False]]


def test_agreement_commits_the_run_and_fills_the_quota_up_only_where_the_run_is_too_short() -> None:
    step = guess([0.4, 0.3, 0.99, 0.2], is_guided=[True] * 4, is_settled=[True, False, False, False])
    options = DecodePlan(schedule="agreement")
    assert choose(step, only(ALL), 4, options).tolist() == [[True, False, False, False]]
    assert choose(step, only(ALL), 2, options).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize(("threshold", "num_chosen"), [(0.0, 4), (0.5, 2), (0.7, 1)])
def test_agreement_stops_at_the_first_improbable_token(threshold: float, num_chosen: int) -> None:
    step = guess([0.6, 0.5, 0.4, 0.99], is_guided=[True] * 4, is_settled=[True] * 4)
    options = DecodePlan(schedule="agreement", agreement_threshold=threshold)
    assert choose(step, only(ALL), 4, options).tolist() == [[index < num_chosen for index in range(4)]]


def test_agreement_goes_by_the_threshold_where_no_guide_has_a_say() -> None:
    step = guess([0.95, 0.3, 0.99, 0.2], is_guided=[False] * 4)
    assert choose(step, only(ALL), 4, DecodePlan(schedule="agreement")).tolist() == [[True, False, True, False]]


def test_doubt_ends_the_run_of_a_guide_alone() -> None:
    step = guess([0.95, 0.91, 0.99, 0.2])
    options = DecodePlan(schedule="agreement", agreement_threshold=0.94)
    assert choose(step, only(ALL), 4, options).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("schedule", ["linear", "threshold", "entropy_bound", "agreement"])
def test_what_a_guide_vetoes_waits_as_long_as_there_is_anything_else(schedule: Schedule) -> None:
    step = guess([0.99, 0.4, 0.97, 0.3], is_vetoed=[True, False, True, False])
    chosen = choose(step, only(ALL), 4, DecodePlan(schedule=schedule))
    assert chosen[0, 1]
    assert not chosen[0, [0, 2]].any()
    nothing_else = step._replace(is_vetoed=ALL)
    assert choose(nothing_else, only(ALL), 4, DecodePlan(schedule=schedule)).any()
    assert choose(nothing_else, only(ALL), 1, DecodePlan(schedule=schedule)).all()
