"""The other cells of a notebook, as the text around the one that is filled. Knows snapshots, and nothing of budgets."""

from dataclasses import dataclass

from dlm_lsp.documents.document import Snapshot

SEPARATOR = "\n\n"
"""What stands between two cells: the line break that a cell's last line lacks, and a blank line."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of code on both sides of one, in the order of the notebook; none of them is blank."""

    before: tuple[Snapshot, ...] = ()
    after: tuple[Snapshot, ...] = ()

    @property
    def text_before(self) -> str:
        """What stands before the cell, down to the blank line between them."""
        return "".join(cell.text + SEPARATOR for cell in self.before)

    @property
    def text_after(self) -> str:
        """What stands after it, from the blank line on."""
        return "".join(SEPARATOR + cell.text for cell in self.after)

    @property
    def num_bytes(self) -> int:
        """Bytes of both texts, in UTF-8."""
        return sum(len(cell.encoded) + len(SEPARATOR) for cell in (*self.before, *self.after))


NO_CELLS = Cells()
