import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.commands.targets import MARKER, Point, cut_marker, offset_of, parse_range, parse_target
from dlm_lsp.documents.positions import LineIndex
from dlm_lsp.errors import UsageError


@pytest.mark.parametrize(
    ("written", "path", "point"),
    [
        ("a.py:3:7", "a.py", Point(3, 7)),
        (r"C:\code\a.py:3:7", r"C:\code\a.py", Point(3, 7)),
        ("odd:name.py:3:7", "odd:name.py", Point(3, 7)),
        ("10:20:a.py:3:7", "10:20:a.py", Point(3, 7)),
        ("-:3:7", "-", Point(3, 7)),
        ("a.py:3:7:", "a.py", Point(3, 7)),
    ],
)
def test_the_last_two_numbers_are_line_and_column(written: str, path: str, point: Point) -> None:
    target = parse_target(written)
    assert (target.path, target.point) == (path, point)


@pytest.mark.parametrize(("written", "path"), [("a.py:3", "a.py"), ("a.py:3:", "a.py"), ("10:20:a.py:3", "10:20:a.py")])
def test_a_line_without_a_column_is_its_end(written: str, path: str) -> None:
    target = parse_target(written)
    assert (target.path, target.point) == (path, Point(3, None))
    assert offset_of(LineIndex("a\r\nb\r\nc = 1\r\nd"), Point(3, None), "a.py") == len("a\r\nb\r\nc = 1")


def test_a_file_may_be_called_like_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py:3").touch()
    assert parse_target("a.py:3", function="f").path == "a.py:3"


@pytest.mark.parametrize(
    ("written", "other"), [("a.py:3:x", "3:x"), ("a.py:-1:2", "-1:2"), ("a.py:2:def f():", "2:def f():")]
)
def test_what_is_no_position_is_named(written: str, other: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{other} is not a line and column")):
        parse_target(written)


@pytest.mark.parametrize("written", ["a.py", "odd:name.py", r"C:\code\a.py", "a.b:c/d.py", "-"])
def test_without_a_place_there_has_to_be_a_marker(written: str) -> None:
    target = parse_target(written)
    assert (target.path, target.needs_marker) == (written, True)


@pytest.mark.parametrize("written", ["a.py:0:1", "a.py:1:0", "a.py:0"])
def test_positions_count_from_one(written: str) -> None:
    with pytest.raises(UsageError, match="count from 1"):
        parse_target(written)


@pytest.mark.parametrize(
    ("written", "function", "span"),
    [
        ("a.py:1:1", "f", None),
        ("a.py:1", "f", None),
        ("a.py:1:", None, "1:1-1:2"),
        ("a.py:1:1", None, "1:1-1:2"),
        ("a.py", "f", "1:1-1:2"),
    ],
)
def test_two_ways_of_naming_a_hole_are_refused(written: str, function: str | None, span: str | None) -> None:
    with pytest.raises(UsageError, match="Use only one of"):
        parse_target(written, function=function, span=span)


def test_a_range_may_be_empty_but_not_backward() -> None:
    assert parse_range("2:3-2:3") == (Point(2, 3), Point(2, 3))
    with pytest.raises(UsageError, match="ends before it starts"):
        parse_range("2:3-2:2")


@pytest.mark.parametrize("written", ["", "1:1", "1:1-2", "1:1-2:2:3", "a:1-2:2"])
def test_a_malformed_range_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="takes L1:C1-L2:C2"):
        parse_range(written)


def test_the_place_after_the_last_character_is_inside() -> None:
    lines = LineIndex("ab\r\n\r\ncd")
    assert [offset_of(lines, Point(*place), "a.py") for place in [(1, 3), (2, 1), (3, 1), (3, 3)]] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (Point(1, 4), "Line 1 of a.py has 2 characters, so 1:4 is outside."),
        (Point(4, 1), "a.py has 3 lines, so 4:1 is outside."),
    ],
)
def test_a_position_outside_says_what_is_there(point: Point, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        offset_of(LineIndex("ab\r\n\r\ncd"), point, "a.py")
    assert str(caught.value) == message


# Hypothesis also draws constants from the code, such as the marker itself.
SIDES = st.text().filter(lambda text: MARKER not in text)


@given(before=SIDES, after=SIDES)
def test_cutting_the_marker_gives_both_sides_back(before: str, after: str) -> None:
    assert cut_marker(before + MARKER + after, None) == (before + after, len(before))


@pytest.mark.parametrize(("text", "message"), [("", "no <FILL> marker"), ("<FILL> <FILL>", "2 <FILL> markers")])
def test_one_marker_exactly(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cut_marker(text, None)
