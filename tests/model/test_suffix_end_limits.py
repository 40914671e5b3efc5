"""What time, room and a cancel do to the search for a text's end, and what it promises meanwhile."""

from typing import Any

import pytest
import torch

from dlm_model.decode_options import DecodeOptions
from dlm_model.guides.suffix_end import SuffixEnd
from dlm_model.pace import Pace
from dlm_model.request import CancelToken
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary
from tests.model.lettered_guides import (
    BRACKET,
    MASK,
    PAREN,
    SEMICOLON,
    SPELLINGS,
    A,
    B,
    Bigrams,
    C,
    Counting,
    canvas,
    follows,
    row_of,
    suffix_end,
)


class CancelsInTime(CancelToken):
    """Is cancelled once a guide was asked so often."""

    def __init__(self, guide: Counting, num_forwards: int) -> None:
        super().__init__()
        self._guide, self._num_forwards = guide, num_forwards

    @property
    def is_cancelled(self) -> bool:
        return self._guide.num_forwards >= self._num_forwards


def test_what_is_late_is_looked_at_only_if_it_is_complete_and_read_only_once() -> None:
    guide = Counting(20)
    end = suffix_end(guide, is_late=True)
    going_on = canvas([A] * 24 + [MASK], suffix=[PAREN, SEMICOLON])
    assert end(going_on) is going_on
    assert guide.num_forwards == 0
    assert set(row_of(end(canvas([A] * 24, suffix=[PAREN, SEMICOLON])))) == {A}
    assert guide.num_forwards == 2


@pytest.mark.parametrize("num_forwards", [0, 1, 2])
def test_nothing_more_is_read_nor_ended_once_it_is_cancelled(num_forwards: int) -> None:
    guide = Counting(20)
    end = suffix_end(guide, cancel=CancelsInTime(guide, num_forwards))
    complete = canvas([A] * 24, [A] * 24, suffix=[PAREN, SEMICOLON])
    assert end(complete) is complete
    assert guide.num_forwards <= max(num_forwards, 2 * (num_forwards > 0))


def test_what_is_settled_needs_no_room_that_may_be_taken_away() -> None:
    # The tail's shortest spelling takes two positions, that of the row a single one.
    vocabulary, joint = Vocabulary([*SPELLINGS, b";bc", *[b""] * 90]), len(SPELLINGS)
    generator = torch.Generator().manual_seed(8692)  # of 13,000 rows the one that was cut where it was settled
    reader: Any = Bigrams(3 * torch.randn(joint + 1, joint + 1, generator=generator))
    boundaries, pace = Boundaries(vocabulary, b"", b"bc"), Pace(DecodeOptions())
    end = SuffixEnd(reader, vocabulary, boundaries, pace=pace, cancel=CancelToken(), syntax=None)
    written, suffix, has_room = (
        [PAREN, BRACKET, B, A, BRACKET, C, B, SEMICOLON],
        [PAREN, BRACKET],
        torch.tensor([False]),
    )
    going_on = canvas([*written, MASK, joint], suffix=suffix)
    assert end(going_on, has_room) is going_on
    num_settled = end.num_settled(0)
    complete = end(canvas([*written, joint], suffix=suffix), has_room)
    assert row_of(complete)[:num_settled] == written[:num_settled]


def test_a_text_without_room_is_cut_short_unless_it_is_known_to_be_too_long() -> None:
    too_long = suffix_end(follows((B, A), (A, SEMICOLON)))(canvas([A, C], suffix=[SEMICOLON]), is_cut_short=True)
    assert (row_of(too_long), too_long.lacked_room.tolist()) == ([A], [False])
    unfinished = suffix_end(follows((B, A), (A, A)))(canvas([A, A], suffix=[SEMICOLON]), is_cut_short=True)
    assert (row_of(unfinished), unfinished.lacked_room.tolist()) == ([A], [True])
