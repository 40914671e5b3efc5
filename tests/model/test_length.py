"""Which rows a canvas is opened with."""

from dlm_model.length import DIVERSE_TEMPERATURE, INITIAL_TOKENS, Row, open_rows
from dlm_model.request import DecodeOptions, InfillRequest

ANY = InfillRequest("", "")


def test_a_model_that_resizes_starts_every_candidate_at_the_expected_length() -> None:
    request = InfillRequest("", "", expected_tokens=24)
    rows = open_rows(request, DecodeOptions(num_candidates=3), can_resize=True)
    assert rows == [Row(24, 0.0), Row(24, DIVERSE_TEMPERATURE), Row(24, DIVERSE_TEMPERATURE)]


def test_a_warmer_wish_is_respected() -> None:
    rows = open_rows(ANY, DecodeOptions(num_candidates=2, temperature=1.2), can_resize=True)
    assert [row.temperature for row in rows] == [1.2, 1.2]


def test_without_an_expectation_the_canvas_starts_where_expansion_is_rare() -> None:
    assert open_rows(ANY, DecodeOptions(), can_resize=True) == [Row(INITIAL_TOKENS, 0.0)]


def test_a_model_that_cannot_resize_climbs_a_ladder_of_lengths() -> None:
    rows = open_rows(InfillRequest("", "", expected_tokens=16), DecodeOptions(), can_resize=False)
    assert [row.num_masks for row in rows] == [4, 8, 16, 24]


def test_no_row_is_longer_than_allowed() -> None:
    options = DecodeOptions(max_middle_tokens=10)
    for can_resize in (True, False):
        assert max(row.num_masks for row in open_rows(ANY, options, can_resize=can_resize)) == 10


def test_a_known_length_overrules_both() -> None:
    for can_resize in (True, False):
        assert open_rows(ANY, DecodeOptions(middle_length=7), can_resize=can_resize) == [Row(7, 0.0)]
