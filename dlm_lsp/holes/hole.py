"""What a fill replaces: a place in one version of a document, and how statements are set into it.

`cursor_holes` finds the hole at a cursor, `named_holes` the one that somebody names. A hole knows the lines around it
and how they parse; it knows nothing about its fill, models or LSP.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.definitions import ancestors
from dlm_lsp.holes.excerpts import Edit, Excerpt, ParsedExcerpt
from dlm_lsp.holes.indentation import (
    blank_line_indentation,
    block_indentation,
    indentation,
    indentation_after,
    statement_indentation,
)
from dlm_lsp.holes.isolation import Isolation
from dlm_lsp.holes.statements import statements_between
from dlm_lsp.languages import Language

HoleKind = Literal["body", "statement", "statements", "line", "range"]
"""What is asked for:

    body         all that a function does
    statement    the next statement of a block that goes on below, or as many as a range held
    statements   the last statements of a block, or all of one that is empty
    line         what a line lacks at the cursor
    range        the text for a range that somebody named and that is none of these
"""


@dataclass(frozen=True, slots=True)
class Placement:
    r"""What goes before and after statements so that they stand on lines of their own; line breaks are `\n`.

    Attributes:
        indent: Indentation of the statements.
        before: The missing part of the first statement's indentation, or a line break and all of it.
        after: Separates the last statement from text right of the hole, or from a definition on the next line.
    """

    indent: str
    before: str
    after: str

    @property
    def starts_line(self) -> bool:
        """Whether the first statement stands on the hole's first line, and not below it."""
        return not self.before.startswith("\n")

    def set(self, statements: str) -> str:
        """The text for the hole."""
        return f"{self.before}{statements}{self.after}"


@dataclass(frozen=True)
class Hole:
    """What a fill replaces: the characters `[start, end)` of a document, often none.

    Attributes:
        snapshot: The document, which no later edit changes.
        start: Character offset; after the indentation that already stands on the line.
        end: Character offset.
        kind: What is asked for.
        num_statements: The largest number of statements, or items of a list, if the kind is `statement`.
    """

    snapshot: Snapshot = field(repr=False)
    start: int
    end: int
    kind: HoleKind
    num_statements: int = 1

    @property
    def language(self) -> Language:
        """The document's."""
        return self.snapshot.language

    @property
    def prefix(self) -> str:
        """The document before the hole, with its own line breaks."""
        return self.snapshot.text[: self.start]

    @property
    def replaced(self) -> str:
        """The text in the hole now."""
        return self.snapshot.text[self.start : self.end]

    @property
    def suffix(self) -> str:
        """The document after the hole."""
        return self.snapshot.text[self.end :]

    @property
    def first_line(self) -> int:
        """The line that the hole begins on."""
        return self.snapshot.lines.line_of(self.start)

    @property
    def last_line(self) -> int:
        """The line that the hole ends on."""
        return self.snapshot.lines.line_of(self.end)

    @property
    def left(self) -> str:
        """The text before the hole on its first line."""
        return self.snapshot.text[self.snapshot.lines.line_start(self.first_line) : self.start]

    @property
    def right(self) -> str:
        """The text after the hole on its last line, without the line break."""
        return self.snapshot.text[self.end : self.snapshot.lines.line_end(self.last_line)]

    @property
    def is_inline(self) -> bool:
        """Whether a fill continues a line, and does not stand on lines of its own."""
        return self.kind == "line" or (self.kind == "range" and bool(self.left.strip()))

    @property
    def is_at_end_of_whole_line(self) -> bool:
        """Whether whole statements or items stand before the hole on its line, and only blanks in it and after it."""
        left, snapshot = self.left, self.snapshot
        if not left.strip() or (self.replaced + self.right).strip():
            return False
        start, end = self.start - len(left.lstrip()), self.start - len(left) + len(left.rstrip())
        root, first, last = snapshot.tree.root_node, snapshot.to_byte(start), snapshot.to_byte(end)
        found = statements_between(snapshot.language, root, snapshot.encoded, first, last)
        return bool(found) and not any(node.has_error for node in found)

    def edit(self, text: str) -> Edit:
        """The edit that puts a text into the hole."""
        return Edit(self.start, self.end, text)

    @cached_property
    def placement(self) -> Placement:
        """How statements are set into the hole."""
        return _place(self)

    @cached_property
    def neutral(self) -> ParsedExcerpt:
        """The surroundings of the hole with a neutral statement in it; a fill is compared with them.

        If code beside the hole is broken, only the part that parses is used, if any does. A hole inside a string or a
        comment of several lines keeps all its surroundings, because it means nothing without the lines that open and
        close it.
        """
        return _parse_neutral(self)


def _place(hole: Hole) -> Placement:
    snapshot, line, left, right = hole.snapshot, hole.first_line, hole.left, hole.right
    if hole.is_inline:
        return Placement(indentation(left), "", "")
    if left.strip():
        indent = indentation_after(snapshot, line, left)
        closing = f"\n{statement_indentation(snapshot, line, left)}" if right.strip() else ""
        return Placement(indent, f"\n{indent}", closing)
    if hole.replaced.strip():
        indent = left + indentation(hole.replaced)
    elif hole.kind == "body" and not left:
        # A blank line between a docstring and the next definition could belong to either; the hole says it is the body.
        indent = block_indentation(snapshot, line)
    else:
        indent = blank_line_indentation(snapshot, line, left)
    if not indent.startswith(left):
        indent = left
    if hole.kind == "statement" and not right and _is_only_separator(snapshot, line, indent):
        return Placement(indent, indent[len(left) :] if left else f"\n{indent}", "\n")
    is_before_text = bool(right.strip()) and hole.kind != "range"
    return Placement(indent, indent[len(left) :], f"\n{left}" if is_before_text else "")


def _is_only_separator(snapshot: Snapshot, line: int, indent: str) -> bool:
    """Whether a blank line alone keeps two definitions of some depth apart, where indentation makes blocks."""
    lines = snapshot.lines
    if not snapshot.language.is_indented or not 0 < line < lines.num_lines - 1:
        return False
    above, below = lines.line_text(line - 1), lines.line_text(line + 1)
    is_definition = snapshot.language.definition_start.match(below.removeprefix(indent)) is not None
    return is_definition and below.startswith(indent) and len(indentation(above)) > len(indent) and bool(above.strip())


def _parse_neutral(hole: Hole) -> ParsedExcerpt:
    snapshot, first, last = hole.snapshot, hole.first_line, hole.last_line
    excerpt = Excerpt.around(snapshot, snapshot.lines.line_start(first), snapshot.lines.line_end(last))
    neutral = excerpt.best(_neutral_edits(hole))
    if not neutral.num_errors or _is_in_literal(hole):
        return neutral
    indent, is_within_line = hole.placement.indent, hole.is_inline
    isolation = Isolation(snapshot, first, last, indent, is_within_line)
    sound = (isolated.best(_neutral_edits(hole)) for isolated in isolation.excerpts())
    return next((parsed for parsed in sound if not parsed.num_errors), neutral)


def _is_in_literal(hole: Hole) -> bool:
    """Whether a hole lies in a whole string or comment of which a part is on other lines."""
    snapshot = hole.snapshot
    literal = literal_around(snapshot, hole.start, hole.end)
    if literal is None or literal.has_error:
        return False
    outer = [snapshot.lines.line_of(snapshot.to_offset(byte)) for byte in (literal.start_byte, literal.end_byte)]
    return outer != [hole.first_line, hole.last_line]


def _neutral_edits(hole: Hole) -> Iterator[Edit]:
    neutral, nothing = hole.language.neutral_statement, hole.edit("")
    if hole.is_inline:
        yield nothing
        yield hole.edit("x")
        yield Edit(hole.start - len(hole.left.lstrip()), hole.end + len(hole.right), neutral)
    else:
        statement = hole.edit(hole.placement.set(neutral))
        yield from (statement, nothing) if hole.language.is_indented else (nothing, statement)


def literal_around(snapshot: Snapshot, start: int, end: int) -> Node | None:
    """The string or comment in which the characters `[start, end)` are, if they do not touch its ends."""
    first, last = snapshot.to_byte(start), snapshot.to_byte(end)
    innermost = snapshot.tree.root_node.descendant_for_byte_range(first, last)
    literal = next(ancestors(innermost, snapshot.language.strings | snapshot.language.comments), None)
    return literal if literal is not None and literal.start_byte < first <= last < literal.end_byte else None
