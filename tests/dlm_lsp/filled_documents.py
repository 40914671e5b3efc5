"""Documents with the model's text in them."""

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fills import Fill
from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.snapshots import snapshot_of


def fill_at_cursor(language_id: str, text: str, middle: str) -> tuple[str, Fill]:
    """The document after a fill by the model's text at the cursor │, and that fill."""
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    fill = present(find_hole(snapshot, len(before)), middle)
    return applied(snapshot, fill), fill


def applied(snapshot: Snapshot, fill: Fill) -> str:
    """The document after a fill."""
    return snapshot.text[: fill.start] + fill.text + snapshot.text[fill.end :]
