"""Where the hole is, as people write it: `FILE:LINE[:COL]`, `--function NAME`, `--range L1:C1-L2:C2`, `<FILL>`.

Lines and columns are 1-based and count characters (code points), as compilers print them. A missing column, as in the
output of grep, means the end of the line. Reads no files: it parses words and looks them up in a snapshot.
"""

import os
import re
from dataclasses import dataclass

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import LineIndex
from dlm_lsp.errors import UsageError
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import find_function, find_unwritten_function, range_hole

STDIN = "-"
MARKER = "<FILL>"

_POINT = r"(\d+):(\d+)"

_FILE_AND_POINT = re.compile(rf"(.+):{_POINT}:?", re.DOTALL)
r"""Greedy, so that only the last two numbers count: C:\code\a.py:3:7 and odd:name.py:3:7 keep their colons.

Compilers print a colon after the column, and people paste it.
"""

_FILE_AND_LINE = re.compile(r"(.+):(\d+):?", re.DOTALL)
_FILE_AND_OTHER = re.compile(r".+\.\w+:(?!\d+:?\Z)([^/\\.]+)", re.DOTALL)
"""A suffix, a colon, and what is neither a line nor the rest of a path."""

_RANGE = re.compile(rf"{_POINT}-{_POINT}")


@dataclass(frozen=True, slots=True)
class Point:
    """A place between two characters; line and column count from 1. Without a column, it is the end of the line."""

    line: int
    column: int | None

    def __post_init__(self) -> None:
        """Refuse what no editor shows.

        Raises:
            UsageError: a zero.
        """
        if self.line < 1 or self.column == 0:
            raise UsageError(f"{self} is not a position: lines and columns count from 1.")

    def __str__(self) -> str:
        return str(self.line) if self.column is None else f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Target:
    """Which file, and where in it. At most one of `point`, `function` and `span` is set; none means a marker.

    Attributes:
        path: The file as it was given, or `-`.
        point: The cursor.
        function: A function whose body is the hole; `Class.method` picks a method.
        replaces: The body of the function may be written already.
        span: Two points, the second exclusive.
    """

    path: str
    point: Point | None = None
    function: str | None = None
    replaces: bool = False
    span: tuple[Point, Point] | None = None

    @property
    def is_stdin(self) -> bool:
        """Whether the text comes from standard input."""
        return self.path == STDIN

    @property
    def needs_marker(self) -> bool:
        """Whether only a `<FILL>` in the text says where the hole is."""
        return self.point is None and self.function is None and self.span is None


def parse_target(
    target: str, *, function: str | None = None, replaces: bool = False, span: str | None = None
) -> Target:
    """Read the command line's three ways of naming a hole.

    Args:
        target: `FILE:LINE:COL`, `FILE:LINE`, `FILE`, or `-`. Beside another way, `FILE:LINE` is the name of a file
            if there is one of that name.
        function: Value of `--function`.
        replaces: A body that is written already may be replaced.
        span: Value of `--range`.

    Raises:
        UsageError: malformed, or more than one way.
    """
    is_only_way = function is None and span is None
    path, point = target, None
    if match := _FILE_AND_POINT.fullmatch(target):
        path, point = match[1], Point(int(match[2]), int(match[3]))
    elif is_only_way and (match := _FILE_AND_OTHER.fullmatch(target)):
        raise UsageError(f"{match[1]} is not a line and column: use FILE:LINE:COL, or FILE:LINE for the end of a line.")
    elif (match := _FILE_AND_LINE.fullmatch(target)) and (is_only_way or not _is_file(target)):
        path, point = match[1], Point(int(match[2]), None)
    parsed = Target(path, point, function, replaces, parse_range(span) if span is not None else None)
    if sum(way is not None for way in (point, function, span)) > 1:
        raise UsageError("Use only one of FILE:LINE:COL, --function and --range.")
    return parsed


def parse_range(text: str) -> tuple[Point, Point]:
    """Read `L1:C1-L2:C2`; the second point is exclusive.

    Raises:
        UsageError: malformed, or the end lies before the start.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(f"--range takes L1:C1-L2:C2, got {text!r}.")
    line, column, end_line, end_column = (int(number) for number in match.groups())
    start, end = Point(line, column), Point(end_line, end_column)
    if (end_line, end_column) < (line, column):
        raise UsageError(f"--range {text} ends before it starts.")
    return start, end


def format_range(lines: LineIndex, start: int, end: int) -> str:
    """Two offsets as `parse_range` reads them."""
    return f"{_point_at(lines, start)}-{_point_at(lines, end)}"


def cut_marker(text: str, name: str | None) -> tuple[str, int]:
    """Take the one `<FILL>` out of a text.

    Args:
        text: With the marker.
        name: The file, for the message; None for standard input.

    Returns:
        The text without it, and the offset where it stood.

    Raises:
        UsageError: no marker, or more than one.
    """
    before, marker, after = text.partition(MARKER)
    if not marker and name is not None:
        raise UsageError(
            f"Say where in {name} the hole is: FILE:LINE:COL, --function NAME, --range L1:C1-L2:C2, "
            f"or a {MARKER} in it."
        )
    if not marker:
        raise UsageError(f"Standard input has no {MARKER} marker, which says where the hole is.")
    if MARKER in after:
        where = name or "Standard input"
        raise UsageError(f"{where} has {text.count(MARKER)} {MARKER} markers; only one hole is filled at a time.")
    return before + after, len(before)


def offset_of(lines: LineIndex, point: Point, name: str) -> int:
    """The character offset of a point; the place after a line's last character counts as inside.

    Args:
        lines: Of the text.
        point: Where.
        name: The file, for the message.

    Raises:
        UsageError: outside the text.
    """
    if point.line > lines.num_lines:
        # As people count: the empty line that a final line break opens is a place, but no line of the file.
        num_lines = lines.num_lines - (not lines.line_text(lines.num_lines - 1))
        raise UsageError(f"{name} has {num_lines} line{'s' * (num_lines != 1)}, so {point} is outside.")
    start = lines.line_start(point.line - 1)
    length = lines.line_end(point.line - 1) - start
    if point.column is None:
        return start + length
    if point.column > length + 1:
        raise UsageError(f"Line {point.line} of {name} has {length} characters, so {point} is outside.")
    return start + point.column - 1


def locate(target: Target, snapshot: Snapshot, name: str, marker: int | None) -> Hole:
    """Find the hole that a target names.

    Args:
        target: What was asked for.
        snapshot: The document, without its marker.
        name: The file, for messages.
        marker: Offset where the marker stood, when the target needs one.

    Raises:
        UsageError: a position outside the text, or a function that is not there, or written already.
    """
    if target.function is not None:
        return _body_of(target.function, snapshot, name, replaces=target.replaces)
    if target.span is not None:
        start, end = (offset_of(snapshot.lines, point, name) for point in target.span)
        return range_hole(snapshot, start, end)
    if target.point is not None:
        return find_hole(snapshot, offset_of(snapshot.lines, target.point, name))
    assert marker is not None, "a target without a place needs a marker"
    return find_hole(snapshot, marker)


def _body_of(function: str, snapshot: Snapshot, name: str, *, replaces: bool) -> Hole:
    hole = find_function(snapshot, function) if replaces else find_unwritten_function(snapshot, function)
    if hole is None:
        raise UsageError(
            f"{function} in {name} already has a body; --replace rewrites it, FILE:LINE:COL fills inside it."
        )
    return hole


def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path's fails for a name that is too long, or in a closed folder


def _point_at(lines: LineIndex, offset: int) -> Point:
    line = lines.line_of(offset)
    return Point(line + 1, offset - lines.line_start(line) + 1)
