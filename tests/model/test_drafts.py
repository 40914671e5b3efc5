"""Canvases read as text, with a vocabulary small enough to spell out: pieces, ranking, and why a row ended."""

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.drafts import finish_reasons
from dlm_model.row_reader import RowReader
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary

MASK, DELETE = 0, 1
SPELLINGS = [b"", b"", b"x", b" = ", b"ret", b"urn", "é".encode()[:1], "é".encode()[1:], b"\n", b"(", b")"]
VOCABULARY = Vocabulary(SPELLINGS)
X, EQUALS, RET, URN, E1, E2, BREAK, OPEN, CLOSE = range(2, 11)


def reader(head: bytes = b"", tail: bytes = b"") -> RowReader:
    return RowReader(VOCABULARY, Boundaries(VOCABULARY, head, tail))


def canvas(*rows: list[int], committed: int = 99, confidence: tuple[float, ...] = (0.5,)) -> Canvas:
    """Rows of guesses, of which the first `committed` are final."""
    opened = Canvas.open([], [], [len(row) for row in rows], MASK)
    width = opened.is_valid.shape[1]
    ids = torch.tensor([row + [MASK] * (width - len(row)) for row in rows])
    certainty = torch.tensor(confidence)[:, None].expand(ids.shape)
    return opened.guess(ids, certainty).commit(opened.is_valid & (torch.arange(width) < committed))


def test_there_is_a_piece_for_every_position_and_they_join_to_the_text() -> None:
    pieces = reader().pieces(canvas([X, EQUALS, X, MASK], committed=2), 0)
    assert [(piece.text, piece.state, piece.num_tokens) for piece in pieces] == [
        ("x", "committed", 1),
        (" = ", "committed", 1),
        ("x", "guessed", 1),
        ("", "masked", 1),
    ]
    assert [piece.confidence for piece in pieces] == pytest.approx([0.5, 0.5, 0.5, 0.0])


def test_a_character_cut_between_positions_is_shown_once_it_is_whole() -> None:
    pieces = reader().pieces(canvas([X, E1, E2, X], committed=2), 0)
    assert [piece.text for piece in pieces] == ["x", "", "é", "x"]


def test_half_a_character_at_the_end_is_no_crash() -> None:
    assert [piece.text for piece in reader().pieces(canvas([X, E1]), 0)] == ["x", "\ufffd"]


def test_head_and_tail_belong_to_the_document() -> None:
    assert reader(b"re", b"rn").candidates(canvas([RET, X, URN]), [0], ["stop"], 1)[0].text == "txu"


def test_only_what_adds_to_the_middle_is_counted() -> None:
    (candidate,) = reader(b"ret", b"urn").candidates(canvas([RET, X, EQUALS, URN]), [0], ["stop"], 1)
    assert (candidate.text, candidate.num_tokens) == ("x = ", 2)


def test_rows_are_ranked_by_confidence_or_by_what_a_guide_thinks_of_them() -> None:
    rows = canvas([X], [OPEN], [X, DELETE], confidence=(0.2, 0.9, 0.8))
    assert reader().rank(rows) == [1, 2, 0]
    assert reader().rank(rows, torch.tensor([-3.0, -7.0, -5.0])) == [0, 2, 1]


def test_a_less_certain_row_of_a_length_that_suits_better_is_ranked_first() -> None:
    rows = canvas([X], [OPEN, X, EQUALS], confidence=(0.9, 0.8))
    assert reader().rank(rows) == [0, 1]
    assert reader().rank(rows, suits=[0.8, 1.2]) == [1, 0]
    assert reader().rank(rows, torch.tensor([-1.0, -2.0]), suits=[0.8, 1.2]) == [0, 1]


def test_candidates_come_in_the_order_of_their_rows_and_once_each() -> None:
    rows = canvas([X], [OPEN], [X, DELETE], confidence=(0.2, 0.9, 0.8))
    assert [candidate.text for candidate in reader().candidates(rows, [1, 2, 0], ["stop"] * 3, 8)] == ["(", "x"]
    assert [candidate.text for candidate in reader().candidates(rows, [1, 2, 0], ["stop"] * 3, 1)] == ["("]


def test_an_empty_text_ranks_last_however_certain() -> None:
    rows = canvas([OPEN], [OPEN, X], confidence=(0.99, 0.1))
    assert reader(b"(").rank(rows) == [1, 0]
    assert reader(b"(").rank(rows, torch.tensor([0.0, -9.0])) == [1, 0]


@pytest.mark.parametrize(
    ("committed", "is_cancelled", "is_cut_short", "reason"),
    [
        (9, False, False, "stop"),
        (9, False, True, "length"),
        (1, True, False, "cancelled"),
        (1, False, True, "deadline"),
    ],
)
def test_why_a_row_ended(committed: int, is_cancelled: bool, is_cut_short: bool, reason: str) -> None:
    rows = canvas([X, X], committed=committed)
    assert finish_reasons(rows, torch.tensor([is_cut_short]), is_cancelled=is_cancelled) == [reason]


def test_each_candidate_says_why_it_ended() -> None:
    found = reader().candidates(canvas([X], [OPEN], [X]), [2, 1, 0], ["stop", "length", "length"], 3)
    assert [(each.text, each.finish_reason) for each in found] == [("x", "length"), ("(", "length")]
