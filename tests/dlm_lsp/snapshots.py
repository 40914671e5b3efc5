"""Documents to test with, and where a hole is in one."""

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.hole import Hole
from dlm_lsp.languages import language_for


def snapshot_of(language_id: str, text: str) -> Snapshot:
    """A document as an editor would open it, parsed."""
    return Snapshot.parse("file:///code", language_for(None, language_id), text)


def marked(hole: Hole) -> str:
    """Its document's text with the hole between ⟦ and ⟧."""
    return f"{hole.prefix}⟦{hole.replaced}⟧{hole.suffix}"
