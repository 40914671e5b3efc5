"""Resizing by hand: who goes, who comes, who stays."""

from dataclasses import replace

import pytest
import torch

from dlm_model.canvas import Canvas

MASK, EXPAND, DELETE = 90, 91, 92


def canvas(*rows: list[int]) -> Canvas:
    """A canvas whose rows hold these ids; `MASK` stays masked."""
    opened = Canvas.open([1], [2], [len(row) for row in rows], MASK)
    width = opened.is_valid.shape[1]
    ids = torch.tensor([row + [MASK] * (width - len(row)) for row in rows])
    return opened.guess(ids, torch.full(ids.shape, 0.5)).commit(opened.is_valid & (ids != MASK))


def resized(before: Canvas, *, protected: torch.Tensor | None = None, max_length: int = 20) -> list[list[int]]:
    after = before.resize(
        expand_token_id=EXPAND,
        delete_token_id=DELETE,
        written=before.is_committed & (before.token_ids < MASK),
        protected=torch.zeros_like(before.is_masked) if protected is None else protected,
        max_length=max_length,
    )
    after.check_integrity()
    return [ids[:length].tolist() for ids, length in zip(after.token_ids, after.lengths.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([5, 6, MASK], [5, 6, MASK]),
        ([5, DELETE, MASK, MASK], [5]),
        ([5, MASK, DELETE, 7, MASK], [5, MASK, 7]),
        ([MASK, EXPAND, 7], [MASK, MASK, MASK, 7]),
        ([EXPAND, DELETE, MASK, 8], [MASK, MASK, 8]),
        ([DELETE, MASK], []),
    ],
    ids=["nothing", "broadcast", "left-masks-stay", "expand", "both", "empty"],
)
def test_delete_takes_the_masks_to_its_right_and_expand_splits(row: list[int], expected: list[int]) -> None:
    assert resized(canvas(row)) == [expected]


def test_protected_masks_survive_the_broadcast() -> None:
    before = canvas([5, DELETE, MASK, MASK])
    protected = torch.tensor([[False, False, False, True]])
    assert resized(before, protected=protected) == [[5, MASK]]


def reopened(row: list[int], column: int, token_id: int = MASK) -> Canvas:
    """A row whose token at a column was taken back, and, unless it is the mask, replaced."""
    is_there = torch.arange(len(row))[None] == column
    open_again = canvas(row).reopen(is_there, limit=9)
    filled = open_again.guess(torch.full(is_there.shape, token_id), torch.ones(is_there.shape))
    return filled.commit(is_there) if token_id != MASK else open_again


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        ([5, DELETE, 6, 7, 8, MASK], 3, [5, 6, MASK, 8]),
        ([5, DELETE, 6, 7, MASK], 3, [5, 6, MASK]),
        ([5, DELETE, 7, MASK, 8], 2, [5, MASK, 8]),
        ([5, DELETE, 7, MASK], 2, [5]),
    ],
    ids=["within", "last", "next-to-it", "after-the-end"],
)
def test_a_token_that_was_taken_back_goes_only_with_the_end_of_the_text(
    row: list[int], column: int, expected: list[int]
) -> None:
    assert resized(reopened(row, column)) == [expected]


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [([5, 6, 7, MASK, MASK], 1, [5, 7, MASK, MASK]), ([5, 6, MASK, MASK], 1, [5]), ([5, 6, MASK, 7], 1, [5, MASK, 7])],
    ids=["within", "at-the-end", "masks-within"],
)
def test_a_delete_token_for_one_that_was_taken_back_ends_the_text_only_behind_it(
    row: list[int], column: int, expected: list[int]
) -> None:
    assert resized(reopened(row, column, DELETE)) == [expected]


def test_what_was_taken_back_before_kept_text_goes_with_the_end_of_the_text_there() -> None:
    row = torch.tensor([[5, DELETE, 6, 7, 8, 9]])
    is_back, is_anchored = (torch.isin(row, torch.tensor(each)) for each in ([6, 7], [8]))
    assert resized(replace(canvas(*row.tolist()), is_anchored=is_anchored).reopen(is_back, limit=9)) == [[5, 8, 9]]


def test_expansion_stops_at_the_maximum_but_frees_the_position() -> None:
    assert resized(canvas([EXPAND, EXPAND, EXPAND]), max_length=4) == [[MASK] * 4]


def test_rows_are_resized_on_their_own_and_padded_again() -> None:
    assert resized(canvas([5, DELETE, MASK], [EXPAND, 6, 7], [8])) == [[5], [MASK, MASK, 6, 7], [8]]


def test_a_guess_leaves_committed_positions_alone() -> None:
    before = canvas([5, MASK])
    after = before.guess(torch.tensor([[7, 8]]), torch.tensor([[0.1, 0.9]]))
    assert after.token_ids.tolist() == [[5, MASK]]
    assert after.guessed_ids.tolist() == [[5, 8]]
    assert after.confidence.tolist() == [[0.5, pytest.approx(0.9)]]


def test_only_a_row_that_lacked_room_says_so() -> None:
    after = canvas([5, DELETE, 6], [EXPAND, 6], [EXPAND, 6, 7], [EXPAND, DELETE, 6]).resize(
        expand_token_id=EXPAND,
        delete_token_id=DELETE,
        written=torch.zeros(4, 3, dtype=torch.bool),
        protected=torch.zeros(4, 3, dtype=torch.bool),
        max_length=3,
    )
    assert after.lacked_room.tolist() == [False, False, True, False]
    assert after.lengths.tolist() == [2, 3, 3, 3], "what is deleted makes room"


def test_a_row_that_ends_early_has_forgotten_what_stood_there() -> None:
    before = canvas([5, 6, 7, MASK], [5, 6]).reject(torch.tensor([[False, True, False, False], [False] * 4]), limit=9)
    after = before.end(0, 1, [8, 9], lacked_room=True)
    after.check_integrity()
    assert after.token_ids[0].tolist() == [5, 8, 9]
    assert after.confidence[0].tolist() == [0.5, 1.0, 0.5]
    assert (after.guessed_ids[0, 1:] == MASK).all()
    assert (after.rejected_ids[0, 1:] == MASK).all()
    assert after.was_reopened[0].tolist() == [False, True, False], "revisers know the place, not the token"
    assert (after.lengths.tolist(), after.lacked_room.tolist()) == ([3, 2], [True, False])
