"""`dlm-lsp methods`: the table of decoding methods, for people or as JSON."""

import json

from rich.table import Table

from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.commands.tables import bare_table, print_table
from dlm_model.methods import METHODS, Method


def run_methods(*, as_json: bool) -> None:
    """Print one row, or one object, per method."""
    if not as_json:
        print_table(_table())
        return
    with writing_stdout() as stdout:
        stdout.write(json.dumps([_as_object(method) for method in METHODS], ensure_ascii=False) + "\n")


def _as_object(method: Method) -> dict[str, object]:
    return {
        "name": method.name,
        "kind": method.kind,
        "line": method.line,
        "source": method.source,
        "options": dict(method.options),
    }


def _table() -> Table:
    table = bare_table("--method", "kind", "what it does", "source")
    for method in METHODS:
        table.add_row(method.name, method.kind, method.line, method.source)
    return table
