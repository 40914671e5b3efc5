"""textDocument/inlineCompletion: ghost text at the cursor.

If there is nothing to show, the answer is an empty list, and the status says why. It is never null (which Neovim takes
for "keep the old text") and never an error. A superseded request ends cancelled, which editors do not report. Typing
what an earlier fill says costs nothing. A fill under way goes on as long as it agrees with the typed text.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import NamedTuple

from lsprotocol import types

from dlm_lsp.acceptance import Offer
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import DlmLspError, NothingToShowError
from dlm_lsp.fill_run import ContradictedError, FillRun
from dlm_lsp.fills import Fill, Filled
from dlm_lsp.ghost_text import drawable_hole, ghost_item, ghost_item_for_selection, is_on_cursor_line
from dlm_lsp.handlers.filling import open_snapshot, start_fill, state_of, summary, wait_for_fill
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.keystrokes.triggers import silence_reason
from dlm_lsp.keystrokes.type_through import Answer
from dlm_lsp.messages import DID_ACCEPT, INFILL_RANGE
from dlm_lsp.options import Settings
from dlm_lsp.session import DlmLanguageServer, OpenDocument
from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import ModelError

logger = logging.getLogger(__name__)


class _NotGhostTextError(DlmLspError):
    """The hole can be filled, but only by an edit."""


class _Spot(NamedTuple):
    """Where ghost text was asked for, and of what kind.

    Attributes:
        document: What goes on in the document.
        snapshot: Its text, with the entry selected in the client's completion list put in.
        cursor: Offset in the snapshot, after that entry.
        selected: That entry, if one is selected.
        is_invoked: The user asked for it.
        require_valid: Show nothing rather than a fill that adds syntax errors.
    """

    document: OpenDocument
    snapshot: Snapshot
    cursor: int
    selected: types.SelectedCompletionInfo | None
    is_invoked: bool
    require_valid: bool


async def inline_completion(
    server: DlmLanguageServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Fill the hole at the cursor, if it can be shown as ghost text; ends an older request for the document."""
    uri = params.text_document.uri
    document = server.opened.get(uri) or OpenDocument()  # nothing is remembered of one that is not open
    with _superseding(document):
        try:
            return types.InlineCompletionList(await _complete(server, document, params))
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
        return types.InlineCompletionList([])


@contextmanager
def _superseding(document: OpenDocument) -> Iterator[None]:
    """Cancel the document's older request, and be the one that the next request or edit cancels."""
    task = asyncio.current_task()
    assert task, "handlers run as tasks"
    document.drop_request()
    document.request = task
    try:
        yield
    finally:
        if document.request is task:
            document.request = None


async def _complete(
    server: DlmLanguageServer, document: OpenDocument, params: types.InlineCompletionParams
) -> list[types.InlineCompletionItem]:
    spot = _locate(server, document, params)
    options = _decode_options(server.settings, spot.is_invoked)
    items = _typed_along(server, spot, options)
    if not items and (run := _run_here(spot, options)):
        with suppress(ContradictedError):
            items = await _follow(server, spot, run)
    if items:
        return items
    if not spot.is_invoked:
        await _wait_for_pause(server, spot)
    return await _fill(server, spot, options)


def _typed_along(server: DlmLanguageServer, spot: _Spot, options: DecodeOptions) -> list[types.InlineCompletionItem]:
    """The rest of earlier fills here, if they agree with what was typed since."""
    served = None if spot.selected else server.recent_answers.find(spot.snapshot, spot.cursor, options)
    items = list(_items(server, spot, served.answer, served.fills)) if served else []
    if items:
        server.show_status("normal", "answered from memory, because you are typing an earlier fill")
    return items


def _run_here(spot: _Spot, options: DecodeOptions) -> FillRun | None:
    """The run that fills this hole already, in the way that is asked for."""
    run = None if spot.selected else spot.document.run
    is_served = run and run.serves(spot.snapshot, spot.cursor, options, require_valid=spot.require_valid)
    return run if is_served else None


async def _follow(server: DlmLanguageServer, spot: _Spot, run: FillRun) -> list[types.InlineCompletionItem]:
    """The rest of a run that began before the last keystrokes.

    Raises:
        ContradictedError: nothing, after all.
    """
    run.place(spot.cursor)
    filled = await wait_for_fill(server, run, spot.snapshot)
    answer = _answer(run, filled)
    items = list(_items(server, spot, answer, answer.rest_at(spot.snapshot, spot.cursor)))
    if items:
        server.show_status("normal", summary(filled.draft))
    return items


async def _wait_for_pause(server: DlmLanguageServer, spot: _Spot) -> None:
    """Wait until the typist may have paused; a newer request or an edit ends the wait, and the request with it.

    Raises:
        NothingToShowError: a completion by itself would be in the way here.
    """
    text, lines = spot.snapshot.text, spot.snapshot.lines
    automatic = server.settings.automatic
    if reason := silence_reason(spot.snapshot, spot.cursor, spot.document.last_edit, automatic=automatic):
        raise NothingToShowError(reason)
    left = text[lines.line_start(lines.line_of(spot.cursor)) : spot.cursor]
    fixed = server.settings.debounce_ms
    delay = server.typing_pace.delay(left, text[spot.cursor :]) if fixed is None else fixed / 1000
    if time_left := server.typing_pace.time_left(delay, asyncio.get_running_loop().time()):
        await asyncio.sleep(time_left)


async def _fill(server: DlmLanguageServer, spot: _Spot, options: DecodeOptions) -> list[types.InlineCompletionItem]:
    """Ask the model."""
    hole = drawable_hole(find_hole(spot.snapshot, spot.cursor), spot.cursor)
    _require_ghost_text(hole, spot.cursor)
    last = spot.document.last_run
    request = HoleRequest(
        hole,
        options,
        max_prompt_tokens=server.settings.max_prompt_tokens,
        require_valid=spot.require_valid,
        is_typed=True,
        earlier=last.newest_draft if last else None,
        cells=server.notebooks.around(spot.snapshot),
    )
    if spot.is_invoked:
        server.desk.retry()
    run = start_fill(server, request, "ghost text", is_hypothetical=spot.selected is not None)
    if not spot.selected:
        _remember(server, spot.document, run)
    filled = await wait_for_fill(server, run, spot.snapshot)
    server.typing_pace.on_answer(filled.draft.elapsed_ms / 1000)
    if server.settings.stats:
        server.acceptance.stats.time("latency", run.seconds)
        server.acceptance.stats.time("first_draft", run.seconds_to_first_draft or run.seconds)
    items = list(_items(server, spot, _answer(run, filled), [ranked.fill for ranked in filled.fills]))
    if not items:
        raise _NotGhostTextError("the fill would change what is typed, which ghost text cannot show")
    server.show_status("normal", summary(filled.draft))
    return items[: options.num_candidates]


def _remember(server: DlmLanguageServer, document: OpenDocument, run: FillRun) -> None:
    """Let the document's edits find the run, and its later requests what came of it."""
    document.run = run
    if run.hole_request.options.warm_start is not None:
        document.last_run = run

    def end(filled: Filled | None) -> None:
        if document.run is run:  # and not dropped in the moment after its last step
            document.run = None
            if filled:
                server.recent_answers.put(_answer(run, filled))

    run.on_end(end)


def _answer(run: FillRun, filled: Filled) -> Answer:
    request = run.hole_request
    return Answer.of(request.hole.snapshot, tuple(ranked.fill for ranked in filled.fills), request.options, run.id)


def _locate(server: DlmLanguageServer, document: OpenDocument, params: types.InlineCompletionParams) -> _Spot:
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
    is_invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    require_valid = server.settings.requires_valid(by_default=not is_invoked)
    return _Spot(document, snapshot, cursor, selected, is_invoked, require_valid)


def _require_ghost_text(hole: Hole, cursor: int) -> None:
    """Refuse holes that ghost text could never show before any model runs for them."""
    if not is_on_cursor_line(hole.snapshot, cursor, hole.start, hole.end):
        raise _NotGhostTextError("this hole spans several lines, which ghost text cannot replace")
    if hole.kind != "line" and hole.replaced.strip():
        raise _NotGhostTextError("this hole holds a placeholder, which ghost text cannot replace")


def _items(
    server: DlmLanguageServer, spot: _Spot, answer: Answer, fills: Iterable[Fill]
) -> Iterator[types.InlineCompletionItem]:
    for fill in fills:
        if spot.require_valid and not fill.parse_valid:
            continue
        if spot.selected:
            item = ghost_item_for_selection(spot.snapshot, fill, spot.selected, spot.cursor)
        else:
            item = ghost_item(spot.snapshot, spot.cursor, fill, server.position_encoding)
        if item:
            if server.settings.stats:
                server.acceptance.offer(answer.id, Offer(answer.uri, spot.snapshot.language.id, answer.texts))
                item.command = types.Command("Accepted", DID_ACCEPT, arguments=[answer.id])
            yield item


def _decode_options(settings: Settings, is_invoked: bool) -> DecodeOptions:
    """How many alternatives: they are worth their time only to a user who asked for a completion."""
    return replace(settings.decode, num_candidates=settings.candidates if is_invoked else 1)


def _offset(server: DlmLanguageServer, snapshot: Snapshot, position: types.Position) -> int:
    return snapshot.lines.offset(position.line, position.character, server.position_encoding)
