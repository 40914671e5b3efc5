"""What is shown of an unfinished draft: no gibberish of guesses, and nothing that was typed already."""

import pytest

from dlm_lsp.draft_text import UNKNOWN, Stretch, visible_stretches
from dlm_model.request import Draft, FinishReason, Piece

MASK = Piece("", "masked", 0.0, 1)


def committed(text: str) -> Piece:
    return Piece(text, "committed", 0.9, 1)


def guessed(text: str, confidence: float = 0.1) -> Piece:
    return Piece(text, "guessed", confidence, 1)


def shown(
    *pieces: Piece, num_typed: int = 0, num_final: int | None = None, finish_reason: FinishReason | None = None
) -> list[Stretch]:
    draft = Draft(
        pieces=pieces,
        step=1,
        num_steps=2,
        num_forwards=1,
        elapsed_ms=1.0,
        num_final=len(pieces) if num_final is None else num_final,
        finish_reason=finish_reason,
    )
    return list(visible_stretches(draft, num_typed))


def test_each_run_of_what_is_not_known_is_one_ellipsis() -> None:
    repeated = [guessed(" found", 0.2) for _ in range(5)]
    assert shown(committed("for"), guessed(" ="), *repeated, MASK, committed(":"), MASK, guessed("")) == [
        ("for", True),
        (UNKNOWN, False),
        (":", True),
        (UNKNOWN, False),
    ]


def test_what_is_probable_is_shown_beside_it() -> None:
    assert shown(committed("return"), guessed(" self", 0.7), guessed(" =")) == [
        ("return", True),
        (" self", False),
        (UNKNOWN, False),
    ]


def test_a_guess_that_repeats_what_stands_before_it_is_not_known() -> None:
    found = [committed("found"), guessed(" found", 0.6), guessed(" found", 0.6), guessed("()", 0.6)]
    assert shown(*found) == [("found", True), (UNKNOWN, False), ("()", False)]
    assert shown(committed(" "), guessed(" ", 0.6)) == [(" ", True), (" ", False)]


def test_a_bracket_may_repeat() -> None:
    brackets = [guessed(")", 0.9) for _ in range(3)]
    assert shown(committed("f(g(h(x"), *brackets) == [("f(g(h(x", True), (")))", False)]


def test_a_hidden_line_break_stays_before_what_is_committed() -> None:
    before, hidden = committed("x = 1"), guessed("\n    ", 0.4)
    assert shown(before, hidden, committed("return x")) == [
        ("x = 1", True),
        (f"{UNKNOWN}\n    ", False),
        ("return x", True),
    ]
    assert shown(before, hidden) == [("x = 1", True), (UNKNOWN, False)]


def test_a_probable_deletion_does_not_part_what_is_not_known() -> None:
    assert shown(guessed("a"), guessed("", 0.9), MASK) == [(UNKNOWN, False)]


def test_what_a_later_step_may_take_back_is_not_stable() -> None:
    assert shown(committed("a"), committed(" b"), num_final=1) == [("a", True), (" b", False)]


def test_a_finished_draft_is_shown_whole() -> None:
    pieces = committed("a"), guessed(" +"), guessed(" b")
    assert shown(*pieces, finish_reason="deadline") == [("a", True), (" + b", False)]


@pytest.mark.parametrize(
    ("num_typed", "rest"),
    [(0, "total…(…"), (3, "al…(…"), (5, "…(…"), (7, "…(…"), (8, "(…"), (9, "…")],
)
def test_what_is_typed_is_left_out(num_typed: int, rest: str) -> None:
    stretches = shown(committed("total"), guessed("abc"), committed("("), MASK, num_typed=num_typed)
    assert "".join(stretch.text for stretch in stretches) == rest
