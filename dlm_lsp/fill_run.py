"""A fill under way, and the typing that it outlives: text that its draft says already need not stop the worker.

Copilot's asynchronous completions and Continue's generator reuse do so for text from left to right; here the draft is
known to its end from the first step on, and sharpens while the user types into it.
"""

import asyncio
import uuid
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, NamedTuple

from dlm_lsp.documents import Snapshot
from dlm_lsp.holes import Hole
from dlm_lsp.infilling import RankedFill
from dlm_lsp.positions import with_line_feeds
from dlm_model.request import DecodeOptions, Draft

Purpose = Literal["ghost text", "edit"]

PATIENCE_SECONDS = 1.0
"""How long a run goes on for text that agrees with it, while the client has not asked again."""


class ContradictedError(Exception):
    """A later draft says something else than what was typed meanwhile; never leaves the handlers."""


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


class Anchor(NamedTuple):
    """Where the rest of a draft stands.

    Attributes:
        snapshot: The document now.
        start: Offset behind what was typed of the draft.
        end: Offset where the hole ends now.
        typed: What was typed of it, with line breaks as `\\n`.
    """

    snapshot: Snapshot
    start: int
    end: int
    typed: str


class FillRun:
    """One order on the worker, followed through the edits that agree with it. Lives on the event loop."""

    def __init__(self, order: FillOrder, request_id: int | str | None) -> None:
        """Describe a run; `future` is set by whoever submits it."""
        self.order = order
        self.anchor = Anchor(order.snapshot, order.hole.start, order.hole.end, "")
        self.request_id = request_id
        self.future: asyncio.Future[Filled]
        self.id = str(uuid.uuid4())
        self._begin = perf_counter()
        self.seconds_to_first_draft: float | None = None
        self._draft: Draft | None = None
        self._owner: asyncio.Task[object] | None = None
        self._is_contradicted = False

    def serves(self, snapshot: Snapshot, options: DecodeOptions) -> bool:
        """Whether the document as it stands is still the one that is being filled, in the way that is asked for."""
        return not self.future.cancelled() and self.anchor.snapshot is snapshot and self.order.options == options

    def follow(self, snapshot: Snapshot) -> bool:
        """Go on for an edited document, if what was typed into the hole is what the draft says there."""
        hole, before, after = self.order.hole, self.order.snapshot.text, snapshot.text
        end = len(after) - (len(before) - hole.end)
        is_in_hole = end >= hole.start and after[: hole.start] == before[: hole.start]
        if self._draft is None or not is_in_hole or after[end:] != before[hole.end :]:
            return False
        content = after[hole.start : end]
        for typed in (content, content.rstrip(" \t")):
            if self._draft.text.startswith(with_line_feeds(typed)):
                self.anchor = Anchor(snapshot, hole.start + len(typed), end, with_line_feeds(typed))
                return True
        return False

    def take(self, draft: Draft) -> bool:
        """Take the newest draft; False, and the end of the run, where it takes back what was typed."""
        self._draft = draft
        if self.seconds_to_first_draft is None:
            self.seconds_to_first_draft = perf_counter() - self._begin
        self._is_contradicted = not draft.text.startswith(self.anchor.typed)
        if self._is_contradicted:
            self.cancel()
        return not self._is_contradicted

    async def wait(self, request_id: int | str | None) -> Filled:
        """The outcome, for the request that is being handled; an earlier one that waits must have been cancelled.

        Raises:
            ContradictedError: typed text and draft have come apart; whoever asks last asks anew.
            asyncio.CancelledError: the request was cancelled, or the run was.
        """
        task = self._owner = asyncio.current_task()
        self.request_id = request_id
        try:
            return await asyncio.shield(self.future)
        except asyncio.CancelledError:
            if self._is_contradicted and task and not task.cancelling():
                raise ContradictedError from None
            if self._owner is task:
                self._release()
            raise

    @property
    def seconds(self) -> float:
        """Since it was ordered."""
        return perf_counter() - self._begin

    def cancel(self) -> None:
        """Stop within one step."""
        self.future.cancel()

    def _release(self) -> None:
        """The request has gone: the run goes too, unless the client is about to ask again for what it typed."""
        self._owner = None
        if self.anchor.snapshot is self.order.snapshot:
            self.cancel()
        else:
            asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._stop_if_unwanted)

    def _stop_if_unwanted(self) -> None:
        if self._owner is None:
            self.cancel()
