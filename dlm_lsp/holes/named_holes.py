"""Name → hole: a function, or a range of the document.

Knows syntax trees and nothing of models, budgets or LSP.
"""

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import UsageError
from dlm_lsp.holes.cursor_holes import body_hole, gap_kind, is_placeholder
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.scopes import Function, functions_around, functions_in
from dlm_lsp.holes.statements import end_of, statements_between


def find_function(snapshot: Snapshot, name: str) -> Hole:
    """The whole body of a function, written or not, without its docstring and leading comments.

    Args:
        snapshot: The document.
        name: `name`, or as much of `Outer.Class.name` as makes it unambiguous.

    Raises:
        UsageError: no function has that name, or several do, or the language has none.
    """
    return _whole_body(snapshot, _function_named(snapshot, name))


def find_unwritten_function(snapshot: Snapshot, name: str) -> Hole | None:
    """The body of a function that is still to be written; None where it holds more than placeholders.

    Raises:
        UsageError: no function has that name, or several do, or the language has none.
    """
    function = _function_named(snapshot, name)
    is_unwritten = all(is_placeholder(snapshot, snapshot.text_of(node)) for node in function.statements)
    return _whole_body(snapshot, function) if is_unwritten else None


def _function_named(snapshot: Snapshot, name: str) -> Function:
    if not snapshot.language.functions:
        raise UsageError(f"There are no functions in {snapshot.language.id}; give a position or a range.")
    wanted = tuple(name.split("."))
    functions = functions_in(snapshot.language, snapshot.tree.root_node)
    named = [(function, function.qualified_name(snapshot)) for function in functions]
    exact = [function for function, names in named if names == wanted]
    found = exact if len(exact) == 1 else [function for function, names in named if names[-len(wanted) :] == wanted]
    if not found:
        raise UsageError(f"There is no function {name} in {_file_name(snapshot)}.")
    if len(found) > 1:
        lines = [str(snapshot.lines.line_of(snapshot.to_offset(function.opened)) + 1) for function in found]
        raise UsageError(
            f"{name} is ambiguous in {_file_name(snapshot)}: it is defined at lines {', '.join(lines)}; "
            "give its class too, or a position in it."
        )
    return found[0]


def range_hole(snapshot: Snapshot, start: int, end: int) -> Hole:
    """A range that was named, without the blanks at its ends: whole lines keep their indentation and their line break.

    The range decides what is asked for: at most as many statements, a function's body, a part of a line.

    Raises:
        UsageError: the range is not inside the document.
    """
    if not 0 <= start <= end <= len(snapshot.text):
        raise UsageError(f"The range is not inside {_file_name(snapshot)}.")
    named = snapshot.text[start:end]
    if not named.strip():
        line_end = snapshot.lines.line_end(snapshot.lines.line_of(start))
        end = max(start, min(end, line_end))  # between \r and \n is after the end of a line
        return Hole(snapshot, start, end, "range")
    start += len(named) - len(named.lstrip())
    return _hole_in_place_of(snapshot, start, start + len(named.strip()))


def _hole_in_place_of(snapshot: Snapshot, start: int, end: int) -> Hole:
    """The hole that a text without blank ends leaves."""
    lines, text = snapshot.lines, snapshot.text
    first, last = lines.line_of(start), lines.line_of(end)
    left, right = text[lines.line_start(first) : start], text[end : lines.line_end(last)]
    if left.strip() or right.strip():
        return Hole(snapshot, start, end, "line" if first == last else "range")
    source, first_byte, end_byte = snapshot.encoded, snapshot.to_byte(start), snapshot.to_byte(end)
    statements = statements_between(snapshot.language, snapshot.tree.root_node, source, first_byte, end_byte)
    if not statements:
        return Hole(snapshot, start, end, "range")
    around = functions_around(snapshot.language, snapshot.tree.root_node, first_byte)
    if around and _is_all_of(around[-1], first_byte, end_byte):
        return Hole(snapshot, start, end, "body")
    if all(is_placeholder(snapshot, snapshot.text_of(node)) for node in statements):
        return Hole(snapshot, start, end, gap_kind(snapshot, last, left))
    return Hole(snapshot, start, end, "statement", len(statements))


def _is_all_of(function: Function, first_byte: int, end_byte: int) -> bool:
    """Whether every statement of a function's body, and nothing around the body, lies between two bytes."""
    if not function.statements or not function.opened <= first_byte <= end_byte <= function.closing:
        return False
    return first_byte <= function.statements[0].start_byte and function.statements[-1].end_byte <= end_byte


def _whole_body(snapshot: Snapshot, function: Function) -> Hole:
    opened, closing = snapshot.to_offset(function.opened), snapshot.to_offset(function.closing)
    if function.statements:
        start = snapshot.to_offset(function.statements[0].start_byte)
        end = snapshot.to_offset(end_of(snapshot.encoded, function.items[-1]))
        return body_hole(snapshot, start, end, opened, closing)
    start = snapshot.to_offset(function.notes[-1].end_byte) if function.notes else opened
    return body_hole(snapshot, start, start, opened, closing)


def _file_name(snapshot: Snapshot) -> str:
    return snapshot.uri.rsplit("/", 1)[-1] or "the document"
