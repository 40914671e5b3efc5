"""`dlm-lsp methods`: the decoding methods, or one of them, for people or as JSON."""

import json
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dlm_lsp.commands.settings import find_method
from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.commands.tables import bare_table, block, is_narrow, print_table
from dlm_model.methods import METHODS, Method


def run_methods(name: str | None, *, as_json: bool) -> None:
    """Print one row, or one object, per method; a block for one that is named, and for each in a narrow terminal.

    Raises:
        UsageError: there is no such method.
    """
    methods = METHODS if name is None else (find_method(name),)
    if not as_json:
        print_table(Group(*_blocks(methods)) if name or is_narrow() else _table(methods))
        return
    with writing_stdout() as stdout:
        stdout.write(json.dumps([_as_object(method) for method in methods], ensure_ascii=False) + "\n")


def _as_object(method: Method) -> dict[str, object]:
    return {
        "name": method.name,
        "kind": method.kind,
        "line": method.line,
        "source": method.source,
        "options": dict(method.options),
    }


def _blocks(methods: Sequence[Method]) -> Iterator[RenderableType]:
    for method in methods:
        heading = Text.assemble((method.name, "bold"), f" ({method.kind})")
        switched_on = ", ".join(f"{option}={value}" for option, value in method.options.items())
        yield from block(heading, filter(None, (method.line, method.source, switched_on)))


def _table(methods: Sequence[Method]) -> Table:
    table = bare_table("--method", "kind", "what it does", "source")
    for method in methods:
        table.add_row(method.name, method.kind, method.line, method.source)
    return table
