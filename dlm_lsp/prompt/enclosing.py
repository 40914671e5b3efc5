"""The definitions around a hole, as the lines that a prompt should keep first: headers, docstrings, comments."""

from dataclasses import dataclass

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.definitions import is_worded, opened_at
from dlm_lsp.holes.excerpts import ParsedExcerpt
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.scopes import Function, definitions_around

MAX_NOTE_LINES = 40
"""Lines of decorators, attributes and comments that count, at most, as part of the definition below them."""


@dataclass(frozen=True, slots=True)
class EnclosingScope:
    """The definitions around a hole; their lines are all above it, those of inner definitions first.

    Attributes:
        first_line: Where the outermost begins; the hole's own line at the top level.
        signature_lines: Lines of function signatures and class headers.
        docstring_lines: The innermost definition's docstring.
        note_lines: Lines of the other docstrings, and of decorators and comments that belong to a definition.
    """

    first_line: int
    signature_lines: tuple[int, ...]
    docstring_lines: tuple[int, ...]
    note_lines: tuple[int, ...]

    def below(self, num_lines: int) -> "EnclosingScope":
        """This scope, where so many lines stand above the document."""
        moved = (
            tuple(num_lines + line for line in lines)
            for lines in (self.signature_lines, self.docstring_lines, self.note_lines)
        )
        return EnclosingScope(num_lines + self.first_line, *moved)


def enclosing_scope(hole: Hole) -> EnclosingScope:
    """The functions, classes and namespaces that a hole lies in."""
    signatures: list[int] = []
    docstrings: list[int] = []
    notes: list[int] = []
    snapshot, parsed = hole.snapshot, hole.neutral
    for index, definition in enumerate(definitions_around(parsed)):
        header, docstring = _function_lines(snapshot, parsed, definition)
        signatures += header
        (notes if index else docstrings).extend(docstring)
        notes += _note_lines_above(snapshot, header.start)
    for container in reversed(parsed.excerpt.containers):
        start, opened = snapshot.to_offset(container.start), snapshot.to_offset(container.opened)
        signatures += line_range(snapshot, start, opened)
    signatures, docstrings, notes = (
        [line for line in lines if line < hole.first_line] for lines in (signatures, docstrings, notes)
    )
    first_line = min([hole.first_line, *signatures, *docstrings, *notes])
    return EnclosingScope(first_line, tuple(signatures), tuple(docstrings), tuple(notes))


def line_range(snapshot: Snapshot, start: int, end: int) -> range:
    """The lines that `[start, end)` touches."""
    return range(snapshot.lines.line_of(start), snapshot.lines.line_of(max(start, end - 1)) + 1)


def _function_lines(snapshot: Snapshot, parsed: ParsedExcerpt, definition: Node) -> tuple[range, range]:
    """Lines of a definition's header, and of its docstring."""
    body = snapshot.language.body_of(definition)
    if body is None and not is_worded(definition):
        start = parsed.to_offset(definition.start_byte)
        return line_range(snapshot, start, start), range(0)
    opened = opened_at(definition, body)
    header = line_range(snapshot, parsed.to_offset(definition.start_byte), parsed.to_offset(opened))
    docstring = Function(snapshot.language, definition, body).docstring
    inside = (
        line_range(snapshot, parsed.to_offset(docstring.start_byte), parsed.to_offset(docstring.end_byte))
        if docstring is not None
        else range(0)
    )
    return header, inside


def _note_lines_above(snapshot: Snapshot, line: int) -> list[int]:
    """Decorators, attributes and comments directly above a definition, top to bottom."""
    first = line
    while first > max(line - MAX_NOTE_LINES, 0):
        text = snapshot.lines.line_text(first - 1).strip()
        if not snapshot.language.comment_start.match(text):
            break
        first -= 1
    return [*range(first, line)]
