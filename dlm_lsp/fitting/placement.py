"""How statements are set into a hole: the indentation and line breaks that are still missing around it.

Knows documents, holes and indentation; knows nothing about what the statements are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.cursor_holes import literal_around
from dlm_lsp.holes.excerpts import Edit, Excerpt, ParsedExcerpt
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.indentation import (
    blank_line_indentation,
    block_indentation,
    indentation,
    indentation_after,
    statement_indentation,
)
from dlm_lsp.holes.isolation import Isolation


@dataclass(frozen=True, slots=True)
class Placement:
    r"""What goes before and after statements so that they stand on lines of their own; line breaks are `\n`.

    Attributes:
        indent: Indentation of the statements.
        before: What the first statement needs: the indentation that is not typed yet, or a line break and all of it.
        after: What separates the last statement from text right of the hole, or from a definition on the next line.
    """

    indent: str
    before: str
    after: str

    @property
    def starts_line(self) -> bool:
        """Whether the first statement stands on the hole's first line, rather than below it."""
        return not self.before.startswith("\n")

    def set(self, statements: str) -> str:
        """The text for the hole."""
        return f"{self.before}{statements}{self.after}"


def place(hole: Hole) -> Placement:
    """The placement of statements in a hole."""
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


@lru_cache(maxsize=2)  # one fill asks several times: for its request, and for every candidate
def parse_neutral(hole: Hole) -> ParsedExcerpt:
    """The surroundings of a hole with something harmless in it: what a fill is compared with.

    Where there is broken code beside the hole, they are what is sound of them, if anything is; but a line of a
    string or a comment means nothing without those that open and close it.
    """
    snapshot, first, last = hole.snapshot, hole.first_line, hole.last_line
    excerpt = Excerpt.around(snapshot, snapshot.lines.line_start(first), snapshot.lines.line_end(last))
    neutral = excerpt.best(_neutral_edits(hole))
    if not neutral.num_errors or _is_in_literal(hole):
        return neutral
    indent, is_within_line = place(hole).indent, hole.is_inline
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
        statement = hole.edit(place(hole).set(neutral))
        yield from (statement, nothing) if hole.language.is_indented else (nothing, statement)
