"""LineIndex against a reference that walks the text one character at a time."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlm_lsp.documents.positions import LineIndex, PositionEncoding, line_ending, with_line_feeds
from tests.dlm_lsp.documents.naive_lines import ENCODINGS, PIECES, naive_lines, naive_offset

texts = st.lists(PIECES | st.characters(exclude_categories=()), max_size=40).map("".join)


@given(texts)
@example("a\r\nb")
@example("a\r")
def test_lines_match_the_reference(text: str) -> None:
    index = LineIndex(text)
    assert [(index.line_start(i), index.line_end(i)) for i in range(index.num_lines)] == naive_lines(text)


@given(texts, st.data(), texts)
def test_an_edit_indexes_like_a_text_from_scratch(text: str, data: st.DataObject, new_text: str) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    _edit_and_compare(text, start, end, new_text)


@pytest.mark.parametrize(
    ("text", "start", "end", "new_text"),
    [("a\r", 2, 2, "\n"), ("\nb", 0, 0, "\r"), ("\rx\n", 1, 2, ""), ("a\r\nb", 2, 2, "x"), ("a\r\n", 1, 2, "")],
    ids=["made at the end", "made at the start", "made by a deletion", "split", "halved"],
)
def test_an_edit_that_makes_or_breaks_a_pair_indexes_like_a_text_from_scratch(
    text: str, start: int, end: int, new_text: str
) -> None:
    _edit_and_compare(text, start, end, new_text)


def _edit_and_compare(text: str, start: int, end: int, new_text: str) -> None:
    index = LineIndex(text).replaced(start, end, new_text)
    expected = naive_lines(text[:start] + new_text + text[end:])
    assert [(index.line_start(i), index.line_end(i)) for i in range(index.num_lines)] == expected


@given(texts, st.integers(0, 8), st.integers(0, 40), st.sampled_from(ENCODINGS))
def test_offset_matches_the_reference(text: str, line: int, character: int, encoding: PositionEncoding) -> None:
    assert LineIndex(text).offset(line, character, encoding) == naive_offset(text, line, character, encoding)


@given(texts, st.data(), st.sampled_from(ENCODINGS))
def test_position_and_offset_are_inverse(text: str, data: st.DataObject, encoding: PositionEncoding) -> None:
    index = LineIndex(text)
    offset = data.draw(st.integers(0, len(text)))
    line, character = index.position(offset, encoding)
    is_inside_crlf = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
    assert index.offset(line, character, encoding) == (offset - 1 if is_inside_crlf else offset)
    assert index.line_of(offset) == line


@pytest.mark.parametrize(("encoding", "column"), [("utf-32", 2), ("utf-16", 3), ("utf-8", 5)])
def test_worked_emoji_example(encoding: PositionEncoding, column: int) -> None:
    index = LineIndex("x\na😀b")
    assert index.position(4, encoding) == (1, column)
    assert index.offset(1, column, encoding) == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_a_column_inside_a_character_is_its_start(encoding: PositionEncoding) -> None:
    assert LineIndex("a😀b").offset(0, 2, encoding) == 1


def test_only_three_line_breaks() -> None:
    assert LineIndex("a\u2028b\x0cc\x0bd\x85e\x1cf").num_lines == 1
    assert LineIndex("a\nb\r\nc\rd").num_lines == 4


def test_a_byte_order_mark_is_one_character() -> None:
    assert LineIndex("\ufeffab").position(2, "utf-8") == (0, 4)


def test_negative_positions_clamp_to_the_start() -> None:
    assert LineIndex("ab\ncd").offset(-1, -1, "utf-16") == 0


@pytest.mark.parametrize(
    ("text", "ending"),
    [("", "\n"), ("a", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb", "\r"), ("a\nb\r\n", "\n")],
)
def test_line_ending_is_the_commonest(text: str, ending: str) -> None:
    assert line_ending(text) == ending


def test_indexing_twenty_thousand_lines_is_quick() -> None:
    text = "    value = compute(first, second)\n" * 20_000
    best = min(_seconds_to_index(text) for _ in range(5))
    assert best < 0.05  # 5 ms here; five times the budget, for slow machines


def _seconds_to_index(text: str) -> float:
    start = time.process_time()
    LineIndex(text)
    return time.process_time() - start


@given(texts)
def test_with_line_feeds_the_same_lines_stand_between_single_breaks(text: str) -> None:
    lines = LineIndex(text)
    assert with_line_feeds(text).split("\n") == [lines.line_text(line) for line in range(lines.num_lines)]
