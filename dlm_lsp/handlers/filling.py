"""From a hole in a snapshot to its fills by way of the worker, with drafts and status on the way.

Shared by the handlers that fill holes. Knows nothing of what they make of the fills.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dlm_lsp.document_store import path_of
from dlm_lsp.documents import Snapshot
from dlm_lsp.drafts import DraftFeed
from dlm_lsp.errors import ModelUnavailableError, NothingToShowError, UnreadableDocumentError, UsageError
from dlm_lsp.exclusions import exclusion_reason
from dlm_lsp.handlers.draft import draft_feed
from dlm_lsp.holes import Hole
from dlm_lsp.infilling import RankedFill, finish, infill, nothing_reason, valid_only
from dlm_lsp.messages import StatusState
from dlm_lsp.options import Settings
from dlm_lsp.session import DlmLanguageServer
from dlm_lsp.worker import Task
from dlm_model.errors import ModelError
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillEngine

Purpose = Literal["ghost text", "edit"]
_PURPOSES: tuple[Purpose, ...] = ("ghost text", "edit")


@dataclass(frozen=True, slots=True)
class FillOrder:
    """One hole to be filled.

    Attributes:
        purpose: Ghost text never supersedes an edit that the user asked for.
        snapshot: The document as it stands.
        hole: In the snapshot.
        options: How to denoise.
        is_hypothetical: The snapshot holds what the document does not, so that no draft has a place in it.
    """

    purpose: Purpose
    snapshot: Snapshot
    hole: Hole
    options: DecodeOptions
    is_hypothetical: bool = False


class Filled(NamedTuple):
    """A finished draft and what it comes to: never empty, best first."""

    draft: Draft
    fills: tuple[RankedFill, ...]


def open_snapshot(server: DlmLanguageServer, uri: str) -> Snapshot:
    """The document, if it may be read into a prompt.

    Raises:
        DocumentNotOpenError: it is not open.
        UnsupportedLanguageError: there is no grammar for it.
        UnreadableDocumentError: it is excluded, too large, or switched off.
    """
    snapshot = server.documents.snapshot(uri)
    reason = exclusion_reason(path_of(uri), snapshot.language.id, len(snapshot.text), server.settings)
    if reason:
        raise UnreadableDocumentError(reason)
    return snapshot


async def fill(server: DlmLanguageServer, order: FillOrder) -> Filled:
    """Have the worker fill a hole; what it was filling before for the same document and purpose is superseded.

    Raises:
        asyncio.CancelledError: superseded, or cancelled by the client; the worker is free within one step.
        NothingToShowError: the model has nothing.
        ModelUnavailableError: there is no model.
        ModelError: the model cannot serve this request.
    """
    feed = None if order.is_hypothetical else draft_feed(server, order.snapshot, order.hole)
    task = _task(order, feed, server.settings)
    future = server.worker.submit((order.purpose, order.snapshot.uri), task, gives_way=order.purpose == "ghost text")
    server.show_status("busy", "denoising")
    try:
        filled = await future
    finally:
        if feed:
            feed.close()
    if not server.documents.is_current(order.snapshot):
        # An edit that was handled between the job's end and here found nothing left to cancel.
        raise asyncio.CancelledError
    return filled


def _task(order: FillOrder, feed: DraftFeed | None, settings: Settings) -> Task[Filled]:
    """What the worker does for an order; drafts come back to the loop that this is called on."""
    loop = asyncio.get_running_loop()

    def task(engine: InfillEngine, cancel: CancelToken) -> Filled:
        draft = None
        budget = settings.max_prompt_tokens
        drafts = infill(engine, order.snapshot, order.hole, order.options, cancel, max_prompt_tokens=budget)
        for draft in drafts:
            if cancel.is_cancelled:
                break
            if feed:
                loop.call_soon_threadsafe(feed.offer, draft)
        found = finish(order.snapshot, order.hole, draft) if draft and not cancel.is_cancelled else ()
        fills = valid_only(found) if settings.require_valid else found
        if not draft or not fills:
            raise NothingToShowError(f"the model has {nothing_reason(found)} for this hole")
        return Filled(draft, fills)

    return task


def cancel_fills(server: DlmLanguageServer, uri: str, purposes: tuple[Purpose, ...] = _PURPOSES) -> None:
    """Stop what runs or waits for a document, within one step."""
    for purpose in purposes:
        server.worker.cancel((purpose, uri))


def state_of(error: Exception) -> StatusState:
    """The status that goes with an error on purpose."""
    if isinstance(error, ModelUnavailableError):
        return "error"
    if isinstance(error, (ModelError, UsageError)):
        return "warning"
    return "normal" if isinstance(error, NothingToShowError) else "inactive"


def summary(draft: Draft) -> str:
    """What it took, for the status."""
    return f"{draft.num_tokens} tokens in {draft.step} steps, {draft.elapsed_ms:.0f} ms"
