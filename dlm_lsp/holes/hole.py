"""What a fill replaces: a place in one version of a document.

`cursor_holes` finds the one at a cursor, `named_holes` the one that somebody names. Knows the lines around it, and
nothing of syntax, models or LSP.
"""

from dataclasses import dataclass, field
from typing import Literal

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.excerpts import Edit
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
        """All that stands before the hole, line breaks as they are in the document."""
        return self.snapshot.text[: self.start]

    @property
    def replaced(self) -> str:
        """What stands in the hole."""
        return self.snapshot.text[self.start : self.end]

    @property
    def suffix(self) -> str:
        """All that stands after the hole."""
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
        """What stands before the hole on its first line."""
        return self.snapshot.text[self.snapshot.lines.line_start(self.first_line) : self.start]

    @property
    def right(self) -> str:
        """What stands after the hole on its last line, without the line break."""
        return self.snapshot.text[self.end : self.snapshot.lines.line_end(self.last_line)]

    @property
    def is_inline(self) -> bool:
        """Whether a fill continues a line rather than standing on its own."""
        return self.kind == "line" or (self.kind == "range" and bool(self.left.strip()))

    def edit(self, text: str) -> Edit:
        """The edit that puts a text into the hole."""
        return Edit(self.start, self.end, text)
