"""From a hole to its fills by way of the worker, with drafts and status on the way.

Shared by the handlers that fill holes. Does not know what they do with the fills.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_store import path_of
from dlm_lsp.errors import (
    ModelUnavailableError,
    NothingToShowError,
    UnreadableDocumentError,
    UnsupportedLanguageError,
    UsageError,
)
from dlm_lsp.fill_run import FillRun
from dlm_lsp.fills import Filled
from dlm_lsp.handlers.draft import draft_feed
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.languages.cells import foreign_magic
from dlm_lsp.messages import StatusState
from dlm_lsp.prompt.related import RelatedFiles
from dlm_lsp.session import DlmLanguageServer
from dlm_lsp.worker import Task
from dlm_model.errors import DeviceLostError, ModelError
from dlm_model.request import CancelToken, Draft, InfillEngine

Purpose = Literal["ghost text", "edit"]
"""Ghost text never supersedes an edit that the user asked for."""


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


def start_fill(
    server: DlmLanguageServer, request: HoleRequest, purpose: Purpose, *, is_hypothetical: bool = False
) -> FillRun:
    """Have the worker fill a hole; an earlier fill for the same document and purpose is superseded.

    Args:
        server: Whose worker.
        request: The hole, without `related` lines: looking for them is left to the worker's thread.
        purpose: What the fill is for.
        is_hypothetical: The hole's snapshot holds text that the document does not, so no draft has a place in it.
    """
    loop = asyncio.get_running_loop()

    def offer(draft: Draft) -> None:  # by the event loop, and so not before the run is there
        if run.take(draft) and feed:
            feed.offer(draft)

    def end(_: Filled | None) -> None:
        if feed:
            feed.close()
        server.show_idle()

    task = _task(server, request, lambda draft: loop.call_soon_threadsafe(offer, draft))
    key = (purpose, request.hole.snapshot.uri)
    future = server.desk.submit(key, task, gives_way=purpose == "ghost text")
    run = FillRun(request, future, server.protocol.msg_id)
    feed = None if is_hypothetical else draft_feed(server, run)
    run.on_end(end)
    server.show_status("busy", "denoising")
    return run


async def wait_for_fill(server: DlmLanguageServer, run: FillRun, snapshot: Snapshot) -> Filled:
    """Wait for a run on behalf of the request that is being handled, which is about this snapshot.

    Raises:
        ContradictedError: what was typed since the run began is not what it fills in.
        asyncio.CancelledError: superseded, or cancelled by the client; the worker is free within one step.
        NothingToShowError: the model has nothing.
        ModelUnavailableError: there is no model.
        ModelError: the model cannot serve this request.
    """
    filled = await run.wait(server.protocol.msg_id)
    if not server.documents.is_current(snapshot):
        # An edit that was handled between the job's end and here found nothing left to cancel.
        raise asyncio.CancelledError
    return filled


def _task(server: DlmLanguageServer, request: HoleRequest, offer: Callable[[Draft], object]) -> Task[Filled]:
    """What the worker does for a request; drafts are offered from its thread."""
    settings = server.settings
    files = RelatedFiles(server.roots, server.documents.snapshots(), settings, server.related_policy)

    def task(engine: InfillEngine, cancel: CancelToken) -> Filled:
        from dlm_lsp.infilling import fill_hole  # noqa: PLC0415 - `initialize` is answered before

        related = files.comments(request.hole.snapshot, request.cells) if settings.context_files else ()
        return fill_hole(engine, replace(request, related=related), cancel, offer)

    return task


def stop_fills(server: DlmLanguageServer, uri: str) -> None:
    """Stop what runs or waits for a document, within one step."""
    if document := server.opened.get(uri):
        document.drop_fills()
    stop_fill(server, uri, "ghost text")
    stop_fill(server, uri, "edit")


def stop_fill(server: DlmLanguageServer, uri: str, purpose: Purpose) -> None:
    """Stop what runs or waits for a document and one purpose, within one step."""
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
