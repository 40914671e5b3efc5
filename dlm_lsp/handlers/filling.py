"""From a hole to its fills by way of the worker, with drafts and status on the way.

Shared by the handlers that fill holes. Knows nothing of what they do with the fills.
"""

import asyncio
from collections.abc import Callable

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_store import path_of
from dlm_lsp.errors import (
    ModelUnavailableError,
    NothingToShowError,
    UnreadableDocumentError,
    UnsupportedLanguageError,
    UsageError,
)
from dlm_lsp.fills import Filled
from dlm_lsp.handlers.draft import draft_feed
from dlm_lsp.keystrokes.fill_run import FillOrder, FillRun
from dlm_lsp.languages.cells import foreign_magic
from dlm_lsp.messages import StatusState
from dlm_lsp.prompt.related import RelatedFiles
from dlm_lsp.session import DlmLanguageServer
from dlm_lsp.worker import Task
from dlm_model.errors import DeviceLostError, ModelError
from dlm_model.request import CancelToken, Draft, InfillEngine


def open_snapshot(server: DlmLanguageServer, uri: str) -> Snapshot:
    """The document, if it may be read into a prompt.

    Raises:
        DocumentNotOpenError: it is not open.
        UnsupportedLanguageError: there is no grammar for it, or it is a cell that a magic makes something else.
        UnreadableDocumentError: it is excluded, too large, switched off, or left alone by its project.
    """
    snapshot = server.documents.snapshot(uri)
    reason = server.policy.reason(path_of(snapshot.home), snapshot.language.id, len(snapshot.text), server.settings)
    server.report_problems()
    if reason:
        raise UnreadableDocumentError(reason)
    if magic := foreign_magic(snapshot.language, snapshot.text):
        raise UnsupportedLanguageError(f"a cell that begins with {magic} is not filled")
    return snapshot


async def fill(server: DlmLanguageServer, order: FillOrder) -> Filled:
    """Let the worker fill a hole; an earlier fill for the same document and purpose is superseded.

    Raises:
        asyncio.CancelledError: superseded, or cancelled by the client; the worker is free within one step.
        NothingToShowError: the model has nothing.
        ModelUnavailableError: there is no model.
        ModelError: the model cannot serve this request.
    """
    return await outcome(server, begin(server, order), order.hole.snapshot)


def begin(server: DlmLanguageServer, order: FillOrder) -> FillRun:
    """Submit an order to the worker."""
    loop = asyncio.get_running_loop()

    def offer(draft: Draft) -> None:  # by the event loop, and so not before the run is there
        if run.take(draft) and feed:
            feed.offer(draft)

    def end(_: Filled | None) -> None:
        if feed:
            feed.close()
        server.show_idle()

    task = _task(server, order, lambda draft: loop.call_soon_threadsafe(offer, draft))
    key = (order.purpose, order.hole.snapshot.uri)
    future = server.desk.submit(key, task, gives_way=order.purpose == "ghost text")
    run = FillRun(order, future, server.protocol.msg_id)
    feed = draft_feed(server, run)
    run.on_end(end)
    server.show_status("busy", "denoising")
    return run


async def outcome(server: DlmLanguageServer, run: FillRun, snapshot: Snapshot) -> Filled:
    """Wait for a run on behalf of the request that is being handled, which is about this snapshot.

    Raises:
        ContradictedError: what was typed since the run began is not what it fills in.
        asyncio.CancelledError: as `fill`.
    """
    filled = await run.wait(server.protocol.msg_id)
    if not server.documents.is_current(snapshot):
        # An edit that was handled between the job's end and here found nothing left to cancel.
        raise asyncio.CancelledError
    return filled


def _task(server: DlmLanguageServer, order: FillOrder, offer: Callable[[Draft], object]) -> Task[Filled]:
    """What the worker does for an order; drafts are offered from its thread."""
    settings = server.settings
    cells = server.notebooks.around(order.hole.snapshot)
    files = RelatedFiles(server.roots, server.documents.snapshots(), settings, server.related_policy)

    def task(engine: InfillEngine, cancel: CancelToken) -> Filled:
        from dlm_lsp.infilling import HoleRequest, fill_hole  # noqa: PLC0415 - `initialize` is answered before

        related = files.comments(order.hole.snapshot, cells) if settings.context_files else ()
        request = HoleRequest(
            order.hole,
            settings.max_prompt_tokens,
            anchors=order.anchors,
            related=related,
            earlier=order.earlier,
            cells=cells,
        )
        return fill_hole(engine, request, order.options, cancel, offer, require_valid=order.require_valid)

    return task


def stop_fills(server: DlmLanguageServer, uri: str) -> None:
    """Stop what runs or waits for a document, within one step."""
    if document := server.opened.get(uri):
        document.drop_fills()
    for purpose in ("ghost text", "edit"):
        server.desk.cancel((purpose, uri))


def state_of(error: Exception) -> StatusState:
    """The status that goes with an error on purpose."""
    if isinstance(error, (ModelUnavailableError, DeviceLostError)):
        return "error"
    if isinstance(error, (ModelError, UsageError)):
        return "warning"
    return "normal" if isinstance(error, NothingToShowError) else "inactive"


def summary(draft: Draft) -> str:
    """Tokens, steps and time of a draft, for the status."""
    return f"{draft.num_tokens} tokens in {draft.step} steps, {draft.elapsed_ms:.0f} ms"
