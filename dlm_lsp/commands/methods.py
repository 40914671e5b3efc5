"""`dlm-lsp methods`: the table of decoding methods, for people or as JSON."""

import json

from rich.console import Console
from rich.table import Table

from dlm_lsp.commands.sources import writing_stdout
from dlm_model.methods import METHODS, Method

_PIPE_WIDTH = 180


def run_methods(*, as_json: bool) -> None:
    """Print one row, or one object, per method."""
    with writing_stdout() as stdout:
        if as_json:
            stdout.write(json.dumps([_as_object(method) for method in METHODS], ensure_ascii=False) + "\n")
        else:
            # A pipe has no width of its own; one line a method can be searched.
            Console(file=stdout, width=None if stdout.isatty() else _PIPE_WIDTH).print(_table())


def _as_object(method: Method) -> dict[str, object]:
    return {
        "name": method.name,
        "kind": method.kind,
        "line": method.line,
        "source": method.source,
        "options": dict(method.options),
    }


def _table() -> Table:
    table = Table("--method", "kind", "what it does", "source", box=None, padding=(0, 2, 0, 0))
    for method in METHODS:
        table.add_row(method.name, method.kind, method.line, method.source)
    return table
