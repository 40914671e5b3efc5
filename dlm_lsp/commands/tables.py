"""Tables on standard output, for people to read and for pipes to search."""

from rich.console import Console
from rich.table import Table

from dlm_lsp.commands.sources import writing_stdout

_PIPE_WIDTH = 10_000
"""A pipe has no width of its own; in one that no row fills, each stays a line that can be searched."""


def bare_table(*headers: str) -> Table:
    """A table without lines; what is too wide for its column goes on below, and nothing is cut off."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table no wider than the terminal; into a pipe, each row on one line.

    Raises:
        UsageError: standard output cannot be written.
    """
    with writing_stdout() as stdout:
        width = None if stdout.isatty() else _PIPE_WIDTH
        Console(file=stdout, width=width, markup=False, emoji=False).print(table)  # a folder may be named [so] or :so:
