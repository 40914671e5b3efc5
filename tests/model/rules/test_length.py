"""Which rows a canvas is opened with."""

from collections.abc import Sequence
from math import exp
from typing import get_args

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, LengthPolicy
from dlm_model.request import INITIAL_TOKENS, InfillRequest
from dlm_model.rules.length import (
    DIVERSE_TEMPERATURE,
    Row,
    calibrated,
    climb,
    open_rows,
    probe,
    suitability,
)

ANY = InfillRequest("", "")


class SurestAt:
    """A model that is surest at one length, and less sure the farther from it; counts its forwards."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.num_forwards = 0

    def __call__(self, lengths: Sequence[int]) -> list[float]:
        self.num_forwards += 1
        return [calibrated_back(1 / (1 + abs(length - self.length)), length) for length in lengths]


def calibrated_back(score: float, length: int) -> float:
    return score / calibrated(1.0, length)


def never(_lengths: Sequence[int]) -> list[float]:
    raise AssertionError("nobody needs to ask the model")


def opened(request: InfillRequest, longest: int = 256, *, is_resizing: bool, **options: object) -> list[Row]:
    """Rows that are opened without asking the model."""
    decode = DecodePlan(**options)  # type: ignore[arg-type]
    return open_rows(request, decode, longest, is_resizing=is_resizing, confidence_at=never)


def test_a_model_that_resizes_starts_every_candidate_at_the_expected_length() -> None:
    rows = opened(InfillRequest("", "", expected_tokens=24), is_resizing=True, num_candidates=3)
    assert rows == [Row(24, 0.0, 0.5), Row(24, DIVERSE_TEMPERATURE, 0.5), Row(24, DIVERSE_TEMPERATURE, 0.5)]


@pytest.mark.parametrize(
    ("expected", "longest", "is_resizing", "num_masks"),
    [(16, 256, True, 64), (90, 256, True, 90), (16, 40, True, 40), (16, 256, False, 24)],
)
def test_a_model_opens_with_no_less_than_it_fills_well_from(
    *, expected: int, longest: int, is_resizing: bool, num_masks: int
) -> None:
    request = InfillRequest("", "", expected_tokens=expected)
    rows = open_rows(request, DecodePlan(), longest, is_resizing=is_resizing, confidence_at=never, least_masks=64)
    assert max(row.num_masks for row in rows) == num_masks


def test_with_a_guide_candidates_differ_by_its_share_before_they_differ_by_sampling() -> None:
    request = InfillRequest("", "", expected_tokens=9)
    rows = opened(request, is_resizing=True, num_candidates=4, guide="self", guide_weight=0.7)
    assert rows == [Row(9, 0.0, 0.7), Row(9, 0.0, 0.0), Row(9, 0.0, 1.0), Row(9, DIVERSE_TEMPERATURE, 0.7)]


def test_a_warmer_wish_is_respected() -> None:
    rows = opened(ANY, is_resizing=True, num_candidates=2, temperature=1.2)
    assert [row.temperature for row in rows] == [1.2, 1.2]


def test_without_an_expectation_the_canvas_starts_where_expansion_is_rare() -> None:
    assert opened(ANY, is_resizing=True) == [Row(INITIAL_TOKENS, 0.0, 0.5)]


def test_a_model_that_cannot_resize_climbs_a_ladder_of_lengths() -> None:
    rows = opened(InfillRequest("", "", expected_tokens=16), is_resizing=False)
    assert [row.num_masks for row in rows] == [4, 8, 16, 24]


def test_no_row_is_longer_than_allowed() -> None:
    for is_resizing in (True, False):
        assert max(row.num_masks for row in opened(ANY, 10, is_resizing=is_resizing)) == 10


def test_a_known_length_overrules_both() -> None:
    for is_resizing in (True, False):
        assert opened(ANY, is_resizing=is_resizing, middle_length=7) == [Row(7, 0.0, 0.5)]


@pytest.mark.parametrize("length", get_args(LengthPolicy))
def test_a_model_that_resizes_needs_no_policy(length: str) -> None:
    assert opened(ANY, is_resizing=True, length_policy=length) == [Row(INITIAL_TOKENS, 0.0, 0.5)]


def test_calibration_divides_by_what_length_alone_makes_of_a_confidence() -> None:
    assert calibrated(0.5, 10) == pytest.approx(0.5 / (exp(-17.7) + 0.56 * exp(-0.6) + 0.24))


@pytest.mark.parametrize(("start", "best"), [(8, 8), (8, 11), (8, 3), (1, 4), (16, 16)])
def test_the_search_climbs_to_the_length_that_is_surest(start: int, best: int) -> None:
    assert climb(start, 16, SurestAt(best)) == [best]


def test_the_search_gives_up_after_four_steps_downhill_each_way() -> None:
    model = SurestAt(20)
    climb(20, 64, model)
    assert model.num_forwards == 1 + 4 + 4


def test_the_search_is_bounded() -> None:
    model = SurestAt(1000)
    assert climb(20, 4000, model) == [36]
    assert model.num_forwards == 1 + 16 + 4


def test_the_probe_keeps_the_surest_of_powers_of_two_in_one_forward() -> None:
    model = SurestAt(14)
    assert probe(12, 64, model) == [12, 16, 8]
    assert model.num_forwards == 1


def test_the_probe_looks_at_nothing_longer_than_allowed() -> None:
    assert probe(10, 10, SurestAt(64)) == [10, 8, 4]


def test_a_length_suits_by_more_than_is_usual_there() -> None:
    canvas = Canvas.open([1], [2], [4, 24], 9).guess(torch.zeros(2, 24, dtype=torch.long), torch.full((2, 24), 0.5))
    rows = [Row(4, 0.0, 0.5), Row(24, 0.0, 0.5)]
    assert suitability(canvas, rows) == pytest.approx([calibrated(0.5, 4), calibrated(0.5, 24)])
    assert suitability(canvas, rows[:1] * 2) is None


def test_without_time_to_ask_the_expected_length_stands() -> None:
    def has_no_time(lengths: Sequence[int]) -> list[float]:
        return [0.0] * len(lengths)

    assert climb(20, 64, has_no_time) == [20]
    assert probe(20, 64, has_no_time) == [20, 16, 8]
