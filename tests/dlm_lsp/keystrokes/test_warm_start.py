"""The rest of an earlier draft after some of it was typed, and in holes that an edit has moved."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.keystrokes.warm_start import SEAM_TOKENS, EarlierDraft, remaining_pieces
from dlm_lsp.languages import language_for
from dlm_model.request import Draft, Piece

PIECES = tuple(Piece(text, "committed", 0.5, 1) for text in ("    ", "return", " self", ".", "width", " *", " 2"))
IN_BODY = PIECES[1:]
SEAM = Piece("", "masked", 0.0, SEAM_TOKENS)
TEXT = "import os\n\n\ndef area(self):\n    \n\n\ndef other():\n    return 1\n"
CURSOR = TEXT.index("    \n") + 4


def snapshot(text: str) -> Snapshot:
    return Snapshot.parse("untitled:a.py", language_for("a.py", "python"), text)


def earlier() -> EarlierDraft:
    return EarlierDraft(
        find_hole(snapshot(TEXT), CURSOR),
        Draft(pieces=IN_BODY, step=1, num_steps=4, num_forwards=1, elapsed_ms=1.0, num_final=len(IN_BODY)),
    )


def rest(text: str, cursor: int) -> str:
    now = snapshot(text)
    return "".join(piece.text for piece in earlier().rest_at(find_hole(now, cursor)))


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("", "    return self.width * 2"),
        ("    ret", "urn self.width * 2"),
        ("    return self.", "width * 2"),
        ("    return self.height *", " 2"),  # another word
        ("    return not self.w", "idth * 2"),  # a word more, and the space before it
        ("    returm", ""),  # too little to tell
        ("    if x:", ""),
        ("    return self.width * 2", ""),  # nothing is left
    ],
)
def test_the_rest_begins_after_the_words_that_agree(typed: str, left: str) -> None:
    assert "".join(piece.text for piece in remaining_pieces(PIECES, typed)) == left


def test_a_new_word_may_go_on() -> None:
    assert remaining_pieces(PIECES, "    return self.he") == (SEAM, *PIECES[5:])


def test_each_piece_keeps_its_certainty() -> None:
    pieces = (Piece("return", "committed", 0.9, 1), Piece(" x", "guessed", 0.2, 1), Piece("", "masked", 0.0, 1))
    assert remaining_pieces(pieces, "ret") == (Piece("urn", "committed", 0.9, 1), *pieces[1:])


def test_masks_that_were_typed_over_are_gone() -> None:
    pieces = (Piece("", "masked", 0.0, 1), Piece("a b", "committed", 0.9, 1), Piece("", "masked", 0.0, 1))
    assert remaining_pieces(pieces, "a") == (Piece(" b", "committed", 0.9, 1), pieces[2])


def test_typing_in_the_hole_leaves_the_rest() -> None:
    assert rest(TEXT[:CURSOR] + "ret" + TEXT[CURSOR:], CURSOR + 3) == "urn self.width * 2"


@pytest.mark.parametrize("line", ["# here\n", "\n"])
def test_an_edit_before_the_hole_moves_it(line: str) -> None:
    assert rest(line + TEXT, CURSOR + len(line)) == "return self.width * 2"


def committed(text: str) -> Draft:
    """An unfinished draft of one piece that stays."""
    pieces = (Piece(text, "committed", 0.5, 4),)
    return Draft(pieces=pieces, step=1, num_steps=4, num_forwards=1, elapsed_ms=1.0, num_final=1)


@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
@pytest.mark.parametrize(("typed", "left"), [("\n    ", "return a"), ("\n    ret", "urn a"), ("\n", "    return a")])
def test_typed_text_may_begin_like_what_follows_the_hole(end_of_line: str, typed: str, left: str) -> None:
    text, typed = "def f(a):" + end_of_line, typed.replace("\n", end_of_line)
    before, cursor = snapshot(text), len("def f(a):")
    draft = committed("\n    return a")
    now = snapshot(text[:cursor] + typed + text[cursor:])
    found = EarlierDraft(find_hole(before, cursor), draft).rest_at(find_hole(now, cursor + len(typed)))
    assert "".join(piece.text for piece in found) == left


def test_a_cursor_that_has_only_moved_has_typed_nothing() -> None:
    text = "x = 1\ny = 1\n"
    before, start, end = snapshot(text), len("x = "), len("x = 1\ny = ")
    draft = committed("1\ny = 1 + 2")
    assert EarlierDraft(find_hole(before, start), draft).rest_at(find_hole(before, end)) == ()


def test_an_edit_after_the_hole_changes_nothing() -> None:
    assert rest(TEXT.replace("return 1", "return 2"), CURSOR) == "return self.width * 2"


def test_another_hole_is_another_hole() -> None:
    elsewhere = TEXT.replace("return 1", "")
    assert rest(elsewhere, elsewhere.index("other():\n    ") + len("other():\n    ")) == ""
    assert rest("# here\n" + TEXT, CURSOR + 7 + TEXT[CURSOR:].index("return 1") + 8) == ""


def test_typing_in_the_hole_and_an_edit_elsewhere_at_once_are_too_much() -> None:
    text = "# here\n" + TEXT[:CURSOR] + "ret" + TEXT[CURSOR:]
    assert rest(text, CURSOR + 10) == ""
