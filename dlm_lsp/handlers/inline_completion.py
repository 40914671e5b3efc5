"""textDocument/inlineCompletion: ghost text at the cursor.

Nothing to show is an empty list, never null (which Neovim takes for "keep the old text") and never an error; why is in
the status. A superseded request ends cancelled, which editors keep quiet about.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from lsprotocol import types

from dlm_lsp.documents import Snapshot
from dlm_lsp.errors import DlmLspError, NothingToShowError
from dlm_lsp.ghost_text import ghost_item, ghost_item_for_selection, is_on_cursor_line
from dlm_lsp.handlers.filling import Filled, FillOrder, cancel_fills, fill, open_snapshot, state_of, summary
from dlm_lsp.holes import Hole, find_hole
from dlm_lsp.messages import INFILL_RANGE
from dlm_lsp.options import Settings
from dlm_lsp.session import DlmLanguageServer
from dlm_model.errors import ModelError
from dlm_model.request import DecodeOptions

logger = logging.getLogger(__name__)


class _NotGhostTextError(DlmLspError):
    """The hole can be filled, but only by an edit."""


class _Spot(NamedTuple):
    """Where ghost text was asked for.

    Attributes:
        snapshot: The document, with the entry selected in the client's completion list put in.
        cursor: Offset in the snapshot, behind that entry.
        hole: Around the cursor.
        selected: That entry, if one is selected.
    """

    snapshot: Snapshot
    cursor: int
    hole: Hole
    selected: types.SelectedCompletionInfo | None


async def inline_completion(
    server: DlmLanguageServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Fill the hole at the cursor, if it can be shown as ghost text."""
    uri = params.text_document.uri
    cancel_fills(server, uri, ("ghost text",))
    try:
        items = await _complete(server, params)
    except asyncio.CancelledError:
        server.show_idle()
        raise
    except _NotGhostTextError as error:
        arguments = [uri, types.Range(params.position, params.position)]
        server.show_status("inactive", str(error), types.Command("Fill it", INFILL_RANGE, arguments=arguments))
    except (DlmLspError, ModelError) as error:
        server.show_status(state_of(error), str(error))
    except Exception as error:
        logger.exception("filling a hole of %s failed", uri)
        server.show_status("error", f"internal error: {error}")
    else:
        return types.InlineCompletionList(items)
    return types.InlineCompletionList([])


async def _complete(
    server: DlmLanguageServer, params: types.InlineCompletionParams
) -> list[types.InlineCompletionItem]:
    spot = _locate(server, params)
    options = _decode_options(server.settings, params.context.trigger_kind)
    is_hypothetical = spot.selected is not None
    filled = await fill(server, FillOrder("ghost text", spot.snapshot, spot.hole, options, is_hypothetical))
    items = list(_items(server, spot, filled))
    if not items:
        raise _NotGhostTextError("the fill would change what is typed, which ghost text cannot show")
    server.show_status("normal", summary(filled.draft))
    return items[: options.num_candidates]


def _locate(server: DlmLanguageServer, params: types.InlineCompletionParams) -> _Spot:
    snapshot = open_snapshot(server, params.text_document.uri)
    selected = params.context.selected_completion_info
    if selected:
        start, end = (_offset(server, snapshot, each) for each in (selected.range.start, selected.range.end))
        if start > end:
            raise NothingToShowError("the selected completion has no range")
        snapshot = snapshot.replaced(start, end, selected.text, snapshot.version)
        cursor = start + len(selected.text)
    else:
        cursor = _offset(server, snapshot, params.position)
    hole = find_hole(snapshot, cursor)
    _require_ghost_text(snapshot, cursor, hole)
    return _Spot(snapshot, cursor, hole, selected)


def _require_ghost_text(snapshot: Snapshot, cursor: int, hole: Hole) -> None:
    """Refuse holes that ghost text could never show before any model runs for them."""
    if not is_on_cursor_line(snapshot, cursor, hole.start, hole.end):
        raise _NotGhostTextError("this hole spans several lines, which ghost text cannot replace")
    if hole.kind != "line" and snapshot.text[hole.start : hole.end].strip():
        raise _NotGhostTextError("this hole holds a placeholder, which ghost text cannot replace")


def _items(server: DlmLanguageServer, spot: _Spot, filled: Filled) -> Iterator[types.InlineCompletionItem]:
    for ranked in filled.fills:
        if spot.selected:
            item = ghost_item_for_selection(ranked.fill, spot.selected, spot.cursor)
        else:
            item = ghost_item(spot.snapshot, spot.cursor, ranked.fill, server.position_encoding)
        if item:
            yield item


def _decode_options(settings: Settings, trigger: types.InlineCompletionTriggerKind) -> DecodeOptions:
    """Alternatives are worth their time only to somebody who asked."""
    is_invoked = trigger == types.InlineCompletionTriggerKind.Invoked
    return replace(settings.decode, num_candidates=settings.candidates if is_invoked else 1)


def _offset(server: DlmLanguageServer, snapshot: Snapshot, position: types.Position) -> int:
    return snapshot.lines.offset(position.line, position.character, server.position_encoding)
