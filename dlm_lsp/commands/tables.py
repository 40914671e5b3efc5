"""Tables on standard output, for people to read and for pipes to search."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dlm_lsp.commands.sources import writing_stdout

_LEAST_WIDTH = 100

_INDENT = 4

_PIPE_WIDTH = 10_000
"""For a pipe, which has no width of its own: wider than any row, so that each row is one line, and searchable."""


def bare_table(*headers: str) -> Table:
    """A table without rules; text that is too wide for its column wraps, and nothing is cut off."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def block(heading: Text, lines: Iterable[str]) -> Iterator[RenderableType]:
    """A row in a narrow terminal: a heading, and indented lines below it."""
    yield heading
    for line in lines:
        yield Padding(Text(line), (0, 0, 0, _INDENT), expand=False)


def shows_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody objects to them (no-color.org)."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_plain


def is_narrow() -> bool:
    """Whether standard output is a terminal in which columns of prose would be a few words wide."""
    return sys.stdout.isatty() and Console().width < _LEAST_WIDTH


def print_table(table: RenderableType) -> None:
    """Print a table, or what stands in for one, no wider than the terminal; into a pipe, each row on one line.

    Raises:
        UsageError: standard output cannot be written.
    """
    with writing_stdout() as stdout:
        width = None if stdout.isatty() else _PIPE_WIDTH
        Console(file=stdout, width=width, markup=False, emoji=False).print(table)  # a folder may be named [so] or :so:
