"""Fills as items that an editor can draw, and fills that none can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dlm_lsp.fills import Fill
from dlm_lsp.ghost_text import drawable_hole, ghost_item, ghost_item_for_selection
from dlm_lsp.holes.hole import Hole, HoleKind
from tests.dlm_lsp.snapshots import snapshot_of

LINES = st.text(alphabet="ab (", max_size=8)


@pytest.mark.parametrize(
    ("text", "fill", "cursor", "insert_text"),
    [
        ("f(\n", Fill("x)", 2, 2, parse_valid=True), 2, "f(x)"),
        ("f()\n", Fill("x)", 2, 3, parse_valid=True), 2, "f(x)"),
        ("    \n", Fill("x = 1\n    y", 4, 4, parse_valid=True), 4, "    x = 1\n    y"),
        ("    \n", Fill("x", 4, 4, parse_valid=True), 0, "    x"),
    ],
    ids=["end of line", "closer kept", "indented block", "cursor before the hole"],
)
def test_the_item_repeats_the_line_around_the_fill(text: str, fill: Fill, cursor: int, insert_text: str) -> None:
    item = ghost_item(snapshot_of("python", text), cursor, fill, "utf-16")
    assert item
    assert item.insert_text == insert_text


@pytest.mark.parametrize(
    ("text", "fill", "cursor"),
    [
        ("    pass\n", Fill("return", 4, 8, parse_valid=True), 8),
        ("    pass\n", Fill("return", 4, 8, parse_valid=True), 4),
        ("ab  \n", Fill("c", 2, 2, parse_valid=True), 4),
        ("a\nb\n", Fill("c", 0, 3, parse_valid=True), 1),
        ("a\nb\n", Fill("c", 2, 3, parse_valid=True), 0),
    ],
    ids=["typed text changed", "text behind changed", "typed spaces moved", "several lines", "another line"],
)
def test_a_fill_that_takes_text_away_has_no_item(text: str, fill: Fill, cursor: int) -> None:
    assert ghost_item(snapshot_of("python", text), cursor, fill, "utf-16") is None


@given(LINES, LINES, LINES, st.data())
def test_an_item_is_always_an_insertion_on_one_line(before: str, after: str, fill: str, data: st.DataObject) -> None:
    line = before + after
    end = data.draw(st.integers(len(before), len(line)))
    item = ghost_item(
        snapshot_of("python", f"x\n{line}\ny"),
        2 + len(before),
        Fill(fill, 2 + len(before), 2 + end, parse_valid=True),
        "utf-32",
    )
    if item is None:
        return
    assert item.range
    assert (item.range.start.line, item.range.start.character) == (1, 0)
    is_woven = item.range.end.character == end
    assert is_woven or (item.range.end.character == len(before) and not line[len(before) : end].strip())
    assert item.insert_text == before + fill
    assert item.filter_text == item.insert_text


def test_a_selected_entry_is_repeated_before_the_fill() -> None:
    where = types.Range(types.Position(0, 4), types.Position(0, 7))
    selected = types.SelectedCompletionInfo(where, "print")
    expected = types.InlineCompletionItem(insert_text="print(x)", filter_text="print(x)", range=where)
    for text, end in (("    print", 9), ("    print  ", 11)):
        fill = Fill("(x)", 9, end, parse_valid=True)
        assert ghost_item_for_selection(snapshot_of("python", text), fill, selected, 9) == expected
    for fill in (Fill("(x)", 9, 11, parse_valid=True), Fill("(x)", 8, 9, parse_valid=True)):
        assert ghost_item_for_selection(snapshot_of("python", "    print()"), fill, selected, 9) is None


@pytest.mark.parametrize(("text", "end"), [("1", 4), ("1 + 2 + 3", 7)])
def test_blanks_that_a_fill_would_take_away_stay_behind_it(text: str, end: int) -> None:
    item = ghost_item(snapshot_of("python", "x =    \n"), 4, Fill(text, 4, 7, parse_valid=True), "utf-16")
    assert item
    assert item.insert_text == f"x = {text}"
    assert item.range == types.Range(types.Position(0, 0), types.Position(0, end))


@pytest.mark.parametrize(
    ("text", "cursor", "hole", "drawable"),
    [
        ("void f() { }\n", 11, (10, 11, "body"), (11, 11, "line")),
        ("void f() { \n}\n", 11, (10, 11, "body"), (11, 11, "body")),
        ("void f() {}\n", 10, (10, 10, "body"), (10, 10, "body")),
        ("void f() { ; }\n", 11, (10, 13, "body"), (10, 13, "body")),
        ("    \n", 4, (0, 4, "statement"), (0, 4, "statement")),
        ("x =  \n", 5, (3, 5, "line"), (3, 5, "line")),
    ],
)
def test_a_hole_leaves_alone_the_blanks_before_the_cursor(
    text: str, cursor: int, hole: tuple[int, int, HoleKind], drawable: tuple[int, int, HoleKind]
) -> None:
    snapshot = snapshot_of("python", text)
    assert drawable_hole(Hole(snapshot, *hole), cursor) == Hole(snapshot, *drawable)
