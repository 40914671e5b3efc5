"""workspace/executeCommand, `dlmLsp.infillRange`: fill a hole of any shape by one edit of the document."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import PositionEncoding, with_line_feeds
from dlm_lsp.errors import DlmLspError, UsageError
from dlm_lsp.fills import Anchors
from dlm_lsp.ghost_text import range_of
from dlm_lsp.handlers.filling import open_snapshot, start_fill, state_of, summary, wait_for_fill
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import range_hole
from dlm_lsp.messages import INFILL_RANGE, InfillRangeResult, to_wire
from dlm_lsp.options import DECODE_OPTION_NAMES, parse_options, with_options
from dlm_lsp.session import DlmLanguageServer
from dlm_model.errors import ModelError

logger = logging.getLogger(__name__)


_LARGEST = 2**31 - 1
"""What LSP allows in a position; some clients write more for the end of a line."""

_APPLY = "apply"
"""Option of the command beside the decoder's: false returns the text for a preview, and leaves the document alone."""

_KEEP, _CLOSING = "keep", "closing"
"""Options of the command beside the decoder's: texts that the fill must hold, and the one that it must end with."""


class _Arguments(NamedTuple):
    uri: str
    range: types.Range
    options: Mapping[str, object]
    applies: bool
    anchors: Anchors


async def infill_range(server: DlmLanguageServer, arguments: Sequence[object]) -> dict[str, object]:
    """Fill a hole, and let the client edit the document.

    Raises:
        UsageError: arguments that are not `[uri, range, options?]`.
        DlmLspError: the hole cannot be filled; the status says so too.
    """
    try:
        return to_wire(await _infill_range(server, _parse_arguments(arguments)))
    except asyncio.CancelledError:
        server.show_idle()
        raise
    except (DlmLspError, ModelError) as error:
        server.show_status(state_of(error), str(error))
        raise
    except Exception as error:
        logger.exception("%s failed", INFILL_RANGE)
        server.show_status("error", f"internal error: {error}")
        raise


async def _infill_range(server: DlmLanguageServer, arguments: _Arguments) -> InfillRangeResult:
    encoding = server.position_encoding
    snapshot = open_snapshot(server, arguments.uri)
    parsed = parse_options(arguments.options, allowed=DECODE_OPTION_NAMES)
    if parsed.problems:
        raise UsageError("; ".join(parsed.problems))
    hole = _hole(snapshot, arguments.range, encoding)
    request = HoleRequest(
        hole,
        with_options(server.settings.decode, parsed.options),
        max_prompt_tokens=server.settings.max_prompt_tokens,
        anchors=arguments.anchors,
        require_valid=server.settings.requires_valid(),
        cells=server.notebooks.around(snapshot),
    )
    if document := server.opened.get(arguments.uri):
        document.drop_fills()
    server.desk.retry()
    draft, fills = await wait_for_fill(server, start_fill(server, request, "edit"), snapshot)
    best = fills[0]
    replaced = range_of(snapshot, best.fill.start, best.fill.end, encoding)
    edit = types.TextEdit(replaced, best.fill.text)
    applied = arguments.applies and await _apply(server, snapshot, edit)
    server.show_status("normal", summary(draft))
    return InfillRangeResult(
        uri=snapshot.uri,
        version=snapshot.version,
        range=replaced,
        text=best.fill.text,
        applied=applied,
        parse_valid=best.fill.parse_valid,
        confidence=best.candidate.confidence,
        finish_reason=best.candidate.finish_reason,
    )


def _hole(snapshot: Snapshot, where: types.Range, encoding: PositionEncoding) -> Hole:
    start, end = (snapshot.lines.offset(each.line, each.character, encoding) for each in (where.start, where.end))
    return find_hole(snapshot, start) if start == end else range_hole(snapshot, min(start, end), max(start, end))


async def _apply(server: DlmLanguageServer, snapshot: Snapshot, edit: types.TextEdit) -> bool:
    """Ask the client for one edit of the version that was filled; False where it cannot or will not."""
    workspace = server.client_capabilities.workspace
    if not (workspace and workspace.apply_edit):
        return False
    if workspace.workspace_edit and workspace.workspace_edit.document_changes:
        document = types.OptionalVersionedTextDocumentIdentifier(snapshot.uri, snapshot.version)
        change = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, [edit])])
    else:
        change = types.WorkspaceEdit(changes={snapshot.uri: [edit]})
    try:
        answer = await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(change, label="Infill"))
    except JsonRpcException:
        return False
    return answer.applied


def _parse_arguments(arguments: Sequence[object]) -> _Arguments:
    if not 2 <= len(arguments) <= 3 or not isinstance(arguments[0], str):
        raise UsageError(f"{INFILL_RANGE} takes [uri, range, options?]")
    where = arguments[1]
    if not isinstance(where, Mapping):
        raise UsageError(f"{INFILL_RANGE}: the range must be an object")
    ends = (_parse_position(where.get(name), name) for name in ("start", "end"))
    options = arguments[2] if len(arguments) == 3 else None
    if not isinstance(options, Mapping | None):
        raise UsageError(f"{INFILL_RANGE}: the options must be an object")
    options = dict(options or {})
    applies = options.pop(_APPLY, True)
    if not isinstance(applies, bool):
        raise UsageError(f"{INFILL_RANGE}: {_APPLY} must be true or false, got {applies!r}")
    anchors = _pop_anchors(options)
    return _Arguments(arguments[0], types.Range(*ends), options, applies, anchors)


def _pop_anchors(options: dict[str, object]) -> Anchors:
    keep, closing = options.pop(_KEEP, ()), options.pop(_CLOSING, "")
    if not isinstance(keep, (list, tuple)) or not all(isinstance(text, str) and text for text in keep):
        raise UsageError(f"{INFILL_RANGE}: {_KEEP} must be a list of texts")
    if not isinstance(closing, str):
        raise UsageError(f"{INFILL_RANGE}: {_CLOSING} must be a text")
    return Anchors(tuple(map(with_line_feeds, keep)), with_line_feeds(closing))


def _parse_position(value: object, name: str) -> types.Position:
    line, character = (value.get("line"), value.get("character")) if isinstance(value, Mapping) else (None, None)
    if not (type(line) is type(character) is int and line >= 0 and character >= 0):
        raise UsageError(f"{INFILL_RANGE}: the range's {name} must be a position")
    return types.Position(min(line, _LARGEST), min(character, _LARGEST))
