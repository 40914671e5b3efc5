"""Turns a `Fill` into LSP's InlineCompletionItem, which an editor draws as ghost text on the cursor's line.

The item replaces the line from column 0 and repeats the text typed there, so neither indentation nor the client's
filter can disagree. Editors can only draw insertions, so a fill that removes typed text has no item.
"""

from dataclasses import replace

from lsprotocol import types

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import PositionEncoding
from dlm_lsp.fills import Fill
from dlm_lsp.holes.hole import Hole
from dlm_lsp.keystrokes.goal import is_woven_into


def is_on_cursor_line(snapshot: Snapshot, cursor: int, start: int, end: int) -> bool:
    """Whether [start, end) lies within the line of the cursor, its line break excluded."""
    line = snapshot.lines.line_of(cursor)
    return snapshot.lines.line_start(line) <= start <= end <= snapshot.lines.line_end(line)


def drawable_hole(hole: Hole, cursor: int) -> Hole:
    """The hole that ghost text at the cursor can fill, where blanks that are typed already would be taken away.

    That happens in `{ | }` and `def f(): |`: the block below a header begins with a line break right after the header.
    The blanks stay. If the block is closed on the same line, its statements stay on that line, too.
    """
    is_empty = hole.start < cursor <= hole.end and not hole.replaced.strip()
    if not is_empty or not hole.left.strip() or hole.kind == "line":
        return hole
    return Hole(hole.snapshot, cursor, cursor, "line") if hole.right.strip() else replace(hole, start=cursor)


def ghost_item(
    snapshot: Snapshot, cursor: int, fill: Fill, encoding: PositionEncoding
) -> types.InlineCompletionItem | None:
    """The item that shows a fill at the cursor; None where no editor could draw it."""
    if not is_on_cursor_line(snapshot, cursor, fill.start, fill.end):
        return None
    start = snapshot.lines.line_start(snapshot.lines.line_of(cursor))
    end = max(fill.end, cursor)
    text = snapshot.text
    insert_text = text[start : fill.start] + fill.text + text[fill.end : end]
    before = text[start:cursor]
    if not insert_text.startswith(before):
        return None
    if not is_woven_into(text[cursor:end], insert_text[len(before) :]):
        if text[cursor:end].strip() or not fill.start <= cursor <= fill.end:
            return None
        end = cursor  # blanks that the fill would take away stay behind it
    return _item(insert_text, range_of(snapshot, start, end, encoding))


def ghost_item_for_selection(
    snapshot: Snapshot, fill: Fill, selected: types.SelectedCompletionInfo, selected_end: int
) -> types.InlineCompletionItem | None:
    """The item that extends the entry selected in the client's completion list.

    Args:
        snapshot: The document with the entry put in.
        fill: Of that document.
        selected: As the client sends it; the item must have its range and extend its text.
        selected_end: Offset where the entry ends in that document. Blanks that the fill would take away stay behind it.
    """
    if fill.start != selected_end or snapshot.text[fill.start : fill.end].strip():
        return None
    return _item(selected.text + fill.text, selected.range)


def range_of(snapshot: Snapshot, start: int, end: int, encoding: PositionEncoding) -> types.Range:
    """[start, end) in the client's units."""
    return types.Range(
        types.Position(*snapshot.lines.position(start, encoding)),
        types.Position(*snapshot.lines.position(end, encoding)),
    )


def _item(insert_text: str, where: types.Range) -> types.InlineCompletionItem:
    # VS Code hides an item whose filter text adds nothing to what is typed, now or once more of it is typed.
    return types.InlineCompletionItem(insert_text=insert_text, filter_text=insert_text, range=where)
