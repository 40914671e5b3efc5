"""Line and column arithmetic: LSP positions in any of the three encodings ↔ character offsets of a Python string.

Knows LSP's three line breaks and its column units; knows nothing about documents, languages or the server.
"""

import re
from bisect import bisect_right
from typing import Literal

PositionEncoding = Literal["utf-8", "utf-16", "utf-32"]
LineEnding = Literal["\n", "\r\n", "\r"]

_LINE_BREAK = re.compile(r"\r\n?|\n")
r"""str.splitlines() also breaks at \x0b, \x0c, \x1c-\x1e, \x85, \u2028 and \u2029: ordinary characters to LSP."""

_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


class LineIndex:
    r"""Where the lines of one text begin, and how columns count in it.

    Lines break at `\n`, `\r\n` and `\r` only; a byte-order mark is an ordinary first character. Lone surrogates, which
    a client's broken UTF-16 can carry, count as one unit in UTF-16 and three in UTF-8.

    One line, three columns for the offset just before `b` (the emoji is one code point):

        text      a 😀 b
        utf-32    0 1  2      code points
        utf-16    0 1  3      the emoji is a surrogate pair
        utf-8     0 1  5      the emoji is four bytes
    """

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str, starts: list[int] | None = None) -> None:
        """Scan the text once; every look-up afterwards is a bisection plus the length of one line.

        Args:
            text: The text.
            starts: Where its lines begin, if that is known.
        """
        self._text = text
        self._starts = starts if starts is not None else [0, *_breaks(text, 0, len(text))]

    def replaced(self, start: int, end: int, new_text: str) -> "LineIndex":
        """The index after `[start, end)` became `new_text`; only the lines that the edit touches are scanned."""
        text = self._text[:start] + new_text + self._text[end:]
        growth = len(text) - len(self._text)
        # One character on each side may be half of a "\r\n" that the edit makes or breaks.
        first = self.line_of(max(start - 1, 0))
        after = self.line_of(end + 1) + 1
        scan_end = self._starts[after] + growth if after < self.num_lines else len(text)
        below = self._starts[after + 1 :]
        starts = [*self._starts[: first + 1], *_breaks(text, self._starts[first], scan_end)]
        return LineIndex(text, [*starts, *(below if not growth else [start + growth for start in below])])

    @property
    def num_lines(self) -> int:
        """Lines of the text; a final line break opens one more, empty line."""
        return len(self._starts)

    def line_start(self, line: int) -> int:
        """Offset of the first character of a line."""
        return self._starts[line]

    def line_end(self, line: int) -> int:
        """Offset just before the line break, or the end of the text on the last line."""
        if line + 1 == len(self._starts):
            return len(self._text)
        end = self._starts[line + 1]
        return end - (2 if self._text.startswith("\r\n", end - 2) else 1)

    def line_text(self, line: int) -> str:
        """The line without its break."""
        return self._text[self.line_start(line) : self.line_end(line)]

    def line_of(self, offset: int) -> int:
        """The line an offset lies on; an offset inside or before a line break belongs to the line it ends."""
        return bisect_right(self._starts, offset) - 1

    def offset(self, line: int, character: int, encoding: PositionEncoding) -> int:
        """The offset of an LSP position.

        Clamped, as LSP asks: a character past the end of its line is the end of that line, a line past the end of the
        text is the end of the text, and a column inside a character is the start of it.
        """
        if line >= self.num_lines:
            return len(self._text)
        start = self.line_start(max(line, 0))
        return start + _code_points(self._text[start : self.line_end(max(line, 0))], max(character, 0), encoding)

    def position(self, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
        r"""Line and character of an offset, both from 0; between `\r` and `\n` it is the end of the line."""
        line = self.line_of(offset)
        return line, _units(self._text[self.line_start(line) : min(offset, self.line_end(line))], encoding)


def _breaks(text: str, start: int, end: int) -> list[int]:
    """Where lines begin after the line breaks in `[start, end)`."""
    return [match.end() for match in _LINE_BREAK.finditer(text, start, end)]


def line_ending(text: str) -> LineEnding:
    r"""The line break a text uses most; `\n` where it has none, and where two are equally common."""
    if "\r" not in text:
        return "\n"
    windows = text.count("\r\n")
    counts: dict[LineEnding, int] = {
        "\n": text.count("\n") - windows,
        "\r\n": windows,
        "\r": text.count("\r") - windows,
    }
    return max(counts, key=lambda ending: counts[ending])


def with_line_feeds(text: str) -> str:
    r"""The text with every line break as `\n`, the only one that models and engines know."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def well_formed(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and a tokenizer cannot, replaced one for one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _units(line: str, encoding: PositionEncoding) -> int:
    """How many column units a piece of a line takes."""
    if encoding == "utf-32" or line.isascii():
        return len(line)
    if encoding == "utf-16":
        return len(line) + len(_ASTRAL.findall(line))
    return len(line.encode("utf-8", "surrogatepass"))


def _code_points(line: str, units: int, encoding: PositionEncoding) -> int:
    """How many whole characters of a line fit into so many column units."""
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    if encoding == "utf-16":
        return _code_points_utf16(line, units)
    encoded = line.encode("utf-8", "surrogatepass")
    while 0 < units < len(encoded) and encoded[units] & 0xC0 == 0x80:
        units -= 1
    return len(encoded[:units].decode("utf-8", "surrogatepass"))


def _code_points_utf16(line: str, units: int) -> int:
    """As `_code_points`, for UTF-16: a character takes one unit, an astral one two."""
    extra = 0
    for match in _ASTRAL.finditer(line):
        if match.start() + extra + 2 > units:
            return min(units - extra, match.start())
        extra += 1
    return min(units - extra, len(line))
