"""Where an automatic completion would be in the way, judged by the last edit and the text at the cursor.

A completion that the user invokes is never refused. Knows documents and LSP's changes; knows nothing about models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lsprotocol import types

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import PositionEncoding


@dataclass(frozen=True, slots=True)
class LastEdit:
    """The last change of a document.

    Attributes:
        kind: Text came, text only went, or the same text came at several places.
        offset: Where it ended, in characters of the document after it.
    """

    kind: Literal["insertion", "deletion", "several cursors"]
    offset: int


def edit_of(
    changes: Sequence[types.TextDocumentContentChangeEvent], after: Snapshot, encoding: PositionEncoding
) -> LastEdit | None:
    """The edit that one notification brought; None where it brought the whole document.

    Args:
        changes: In the order in which they were applied.
        after: The document with all of them.
        encoding: Of the changes' columns.
    """
    partial = [change for change in changes if isinstance(change, types.TextDocumentContentChangePartial)]
    if not partial or len(partial) < len(changes):
        return None
    start = partial[-1].range.start
    offset = after.lines.offset(start.line, start.character, encoding) + len(partial[-1].text)
    texts = {change.text for change in partial}
    if texts == {""}:
        return LastEdit("deletion", offset)
    # Several cursors' changes come from the last place to the first, so that none moves another; a letter typed twice
    # before the editor spoke comes the other way round.
    starts = [(change.range.start.line, change.range.start.character) for change in partial]
    is_everywhere = len(partial) > 1 and len(texts) == 1 and starts == sorted(set(starts), reverse=True)
    return LastEdit("several cursors" if is_everywhere else "insertion", offset)


def silence_reason(
    snapshot: Snapshot, cursor: int, edit: LastEdit | None, *, automatic: bool | None = None
) -> str | None:
    """Why no automatic completion is wanted at this cursor; None if one may be.

    Args:
        snapshot: The document.
        cursor: In the document.
        edit: The last one.
        automatic: The option. Unless it is true, no values are made up unasked.
    """
    if automatic is False or (automatic is None and snapshot.language.is_data):
        where = "" if automatic is False else f" in {snapshot.language.id}"
        return f"no automatic completions{where} (automatic)"
    right = snapshot.text[cursor : cursor + 1]
    if right.isalnum() or right == "_":
        return "no automatic completions in the middle of a word"
    if edit and edit.kind == "several cursors":
        return "no automatic completions with several cursors"
    if edit and edit.kind == "deletion" and edit.offset == cursor:
        return "no automatic completions after a deletion"
    return None
