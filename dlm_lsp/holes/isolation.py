"""A hole's surroundings without the broken code beside them: the headers it stands under, and its own block.

If a bracket is still open, the parser reads on past it and misparses the code that follows. The errors that a fill adds
to such a tree say nothing about the fill. So the depth of a line decides here whether it belongs to the hole, as it
does for a reader:

    def broken(:        left out
        ...
    class A:            kept: headers that the hole stands under
        def f(self):
            a = 1       kept: the hole's own block
            ▢

The hole's own lines are also tried without that block. The statement above comes along if the hole may be a clause of
it. This is skipped if the line above is an unfinished expression, or the hole is inside a string or comment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.excerpts import Container, Excerpt
from dlm_lsp.holes.indentation import IndentStyle, indent_style, line_above
from dlm_lsp.holes.statements import first_word
from dlm_lsp.languages.brackets import growth

MAX_LINES = 400
"""Lines above, and below, the hole that are searched for its headers and block. They take 1 ms; ten times as many take
8 ms.
"""

_CLOSERS = re.compile(r"[ \t]*[)\]}]+[;,]*")
_GOES_ON = re.compile(r"[,\\+*/=.&|(\[]\s*$|\b(?:and|or|not|in)\s*$")


@dataclass(frozen=True)
class Isolation:
    """The lines of one hole, and those around them by depth.

    Attributes:
        snapshot: The document.
        first: The hole's first line.
        last: The hole's last line.
        indent: The indentation of the fill.
        is_within_line: Whether text stands beside the hole on its line, so that its statement may go on below.
    """

    snapshot: Snapshot
    first: int
    last: int
    indent: str
    is_within_line: bool

    def excerpts(self) -> Iterator[Excerpt]:
        """The block that the hole stands in, under its headers; then the hole's own lines, without that block.

        The own lines come first with the statement above, if the hole may hold a clause of it.
        """
        headers = self._headers
        if headers:
            opener, footer = headers[-1], self._closing_lines[-1]
            yield self._excerpt(headers[:-1], opener.start, max(footer, self.last))
        if self._continues:
            return
        if (claused := self._claused_above) is not None:
            yield self._excerpt(headers, claused, self._own_end)
        yield self._excerpt(headers, self.first, self._own_end)

    @cached_property
    def _style(self) -> IndentStyle:
        return indent_style(self.snapshot, self.first)

    @property
    def _highest(self) -> int:
        """The first line that is searched."""
        return max(self.first - MAX_LINES, 0)

    @cached_property
    def _headers(self) -> list[range]:
        """The lines of each header that the hole stands under, outermost first."""
        headers: list[range] = []
        depth, number = self._style.columns(self.indent), self.first - 1
        while depth and number >= self._highest:
            if self._is_text(number) and self._depth(number) < depth:
                depth, end = self._depth(number), number + 1
                while number > self._highest and not self._begins(number, depth):
                    number -= 1
                headers.insert(0, range(number, end))
            number -= 1
        return headers

    @cached_property
    def _closing_lines(self) -> list[int]:
        """For each header, the line that closes it, or else the last that is deeper."""
        return [self._end_of(self._depth(header.start)) for header in self._headers]

    def _end_of(self, depth: int) -> int:
        """The line below the hole up to which all belongs to what begins at a depth."""
        end = self.last
        for number in range(self.last + 1, min(self.last + MAX_LINES, self.snapshot.lines.num_lines)):
            if not self._is_text(number):
                continue
            if self._depth(number) <= depth:
                return number if self._depth(number) == depth and self._num_closing(number) else end
            end = number
        return end

    @property
    def _own_end(self) -> int:
        """The last line of what the hole is part of."""
        return self._end_of(self._style.columns(self.indent)) if self.is_within_line else self.last

    @property
    def _claused_above(self) -> int | None:
        """The first line of the statement above at the hole's depth, if it is one that may go on with a clause."""
        depth, highest = self._style.columns(self.indent), self._headers[-1].stop if self._headers else self._highest
        above = (number for number in range(self.first - 1, highest - 1, -1) if self._begins(number, depth))
        number = next(above, None)
        is_claused = number is not None and first_word(self._line(number)) in self.snapshot.language.claused
        return number if is_claused else None

    @property
    def _continues(self) -> bool:
        """Whether the line above is an expression that goes on in the hole, which means nothing without all of it."""
        above = line_above(self.snapshot, self.first)
        if above is None or (self._headers and above == self._headers[-1][-1]):
            return False
        code = self.snapshot.language.code_only(self._line(above))
        return bool(_GOES_ON.search(code)) or growth(code, "([") > 0

    def _excerpt(self, headers: list[range], first: int, last: int) -> Excerpt:
        lines = self.snapshot.lines
        closing = self._closing_lines[: len(headers)]
        containers = tuple(self._container(*pair) for pair in zip(headers, closing, strict=True))
        end = lines.line_end(last)
        if last > self.last and (num_closing := self._num_closing(last)):
            end = lines.line_start(last) + num_closing
        return Excerpt(self.snapshot, containers, lines.line_start(first), end)

    def _container(self, header: range, closing: int) -> Container:
        lines, to_byte = self.snapshot.lines, self.snapshot.to_byte
        start, opened = lines.line_start(header.start), lines.line_end(header[-1])
        num_closing = self._num_closing(closing) if closing > self.last else 0
        is_closed = bool(num_closing) and self._depth(closing) == self._depth(header.start)
        closed = lines.line_start(closing) if is_closed else lines.line_end(closing)
        end = closed + num_closing if is_closed else closed
        return Container(to_byte(start), to_byte(opened), to_byte(closed), to_byte(end), [])

    def _begins(self, number: int, depth: int) -> bool:
        """Whether a line is the beginning of a statement at a depth, and no clause or end of one."""
        line = self._line(number)
        is_beside = self._is_text(number) and self._depth(number) == depth
        language = self.snapshot.language
        return is_beside and first_word(line) not in language.clauses and not language.closes(line)

    def _num_closing(self, number: int) -> int:
        """Characters at the beginning of a line that close blocks."""
        closers = _CLOSERS.match(self._line(number))
        words = self.snapshot.language.words
        return closers.end() if closers else words.num_closing(self._line(number)) if words else 0

    def _is_text(self, number: int) -> bool:
        return bool(self._line(number).strip())

    def _depth(self, number: int) -> int:
        return self._style.depth(self._line(number))

    def _line(self, number: int) -> str:
        return self.snapshot.lines.line_text(number)
