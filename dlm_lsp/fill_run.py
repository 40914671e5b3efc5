"""A fill under way. It goes on while the user types what its draft says.

Copilot's asynchronous completions and Continue's generator reuse do this for text written from left to right. Here the
whole draft exists from the first step on, and sharpens while the user types into it.
"""

import asyncio
import uuid
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import with_line_feeds
from dlm_lsp.fills import Filled
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.keystrokes.goal import agreed_part, is_on_the_way, rest_of
from dlm_lsp.keystrokes.warm_start import EarlierDraft
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import Draft

PATIENCE_SECONDS = 1.0
"""How long a run goes on for typed text that agrees with it, until the client asks again."""


class ContradictedError(Exception):
    """A later draft contradicts what was typed in the meantime; never leaves the handlers."""


class DraftSite(NamedTuple):
    """Where in the document a draft goes on, after the part that was typed.

    Attributes:
        snapshot: The document now.
        start: Offset after the typed part.
        end: Offset where the hole ends now, or the line on which the rest begins.
        typed: The typed part, with line breaks as `\\n`.
    """

    snapshot: Snapshot
    start: int
    end: int
    typed: str


class FillRun:
    """One hole that the worker fills, followed through the edits that agree with it. Lives on the event loop."""

    def __init__(
        self, hole_request: HoleRequest, future: "asyncio.Future[Filled]", request_id: int | str | None
    ) -> None:
        """Follow a job of the worker.

        Args:
            hole_request: What it fills, in the document as it stands.
            future: The job's; cancelling it stops the job.
            request_id: Of the client's request that asked first.
        """
        self.hole_request = hole_request
        hole = hole_request.hole
        self.site = DraftSite(hole.snapshot, hole.start, hole.end, "")
        self.request_id = request_id
        self._future = future
        self.id = str(uuid.uuid4())
        self._begin = perf_counter()
        self.seconds_to_first_draft: float | None = None
        self._draft: Draft | None = None
        self._owner: asyncio.Task[object] | None = None
        self._is_contradicted = False

    def serves(self, snapshot: Snapshot, cursor: int, options: DecodeOptions, *, require_valid: bool) -> bool:
        """Whether this run fills the hole at this place of the present document, in the requested way."""
        if self.is_cancelled or self.site.snapshot is not snapshot or self.hole_request.options != options:
            return False
        is_stricter = self.hole_request.require_valid and not require_valid
        return self.hole_request.hole.start <= cursor <= self._hole_end(snapshot) and not is_stricter

    def place(self, cursor: int) -> None:
        """Let drafts begin at the cursor that a request names; `follow` takes all to be typed that could be."""
        snapshot, start = self.site.snapshot, self.hole_request.hole.start
        typed, following = snapshot.text[start:cursor], snapshot.text[cursor : self._hole_end(snapshot)]
        if is_on_the_way(self._goal_in(snapshot), typed, following):
            self._move_site_behind(typed, snapshot)

    def follow(self, snapshot: Snapshot) -> bool:
        """Go on for an edited document, if the text typed into the hole is what the draft says there."""
        hole, after, end = self.hole_request.hole, snapshot.text, self._hole_end(snapshot)
        is_in_hole = end >= hole.start and after[: hole.start] == hole.prefix
        if self._draft is None or not is_in_hole or after[end:] != hole.suffix:
            return False
        typed = agreed_part(self._goal_in(snapshot), after[hole.start : end])
        if typed is not None:
            self._move_site_behind(typed, snapshot)
        return typed is not None

    def _goal_in(self, snapshot: Snapshot) -> str:
        """What the hole is filled with, as far as the draft knows it, with the document's line endings."""
        return self._draft.text.replace("\n", snapshot.line_ending) if self._draft else ""

    def _hole_end(self, snapshot: Snapshot) -> int:
        return len(snapshot.text) - len(self.hole_request.hole.suffix)

    def _move_site_behind(self, typed: str, snapshot: Snapshot) -> None:
        """Let drafts replace the hole's text on the line where they begin; the lines below stay."""
        start = self.hole_request.hole.start + len(typed)
        line_end = snapshot.lines.line_end(snapshot.lines.line_of(start))
        end = max(start, min(self._hole_end(snapshot), line_end))
        self.site = DraftSite(snapshot, start, end, with_line_feeds(typed))

    def take(self, draft: Draft) -> bool:
        """Take the newest draft. If it contradicts typed text, end the run and return False."""
        self._draft = draft
        if self.seconds_to_first_draft is None:
            self.seconds_to_first_draft = perf_counter() - self._begin
        self._is_contradicted = rest_of(draft.text, self.site.typed) is None
        if self._is_contradicted:
            self.cancel()
        return not self._is_contradicted

    async def wait(self, request_id: int | str | None) -> Filled:
        """The outcome, for the present request; an earlier request that waits must have been cancelled.

        Raises:
            ContradictedError: typed text and draft no longer agree; the latest request has to ask again.
            asyncio.CancelledError: the request was cancelled, or the run was.
        """
        task = self._owner = asyncio.current_task()
        self.request_id = request_id
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            if self._is_contradicted and task and not task.cancelling():
                raise ContradictedError from None
            if self._owner is task:
                self._release()
            raise

    @property
    def newest_draft(self) -> EarlierDraft | None:
        """The run's latest draft, finished or not; before its first, the earlier draft that it began with."""
        draft = self._draft
        return EarlierDraft(self.hole_request.hole, draft) if draft else self.hole_request.earlier

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return perf_counter() - self._begin

    @property
    def is_cancelled(self) -> bool:
        """Whether it was stopped before it had an outcome."""
        return self._future.cancelled()

    def cancel(self) -> None:
        """Stop within one step."""
        self._future.cancel()

    def on_end(self, callback: Callable[[Filled | None], None]) -> None:
        """Call back with the outcome, if there is one, as soon as the run is over; on the event loop."""

        def end(future: "asyncio.Future[Filled]") -> None:
            callback(None if future.cancelled() or future.exception() else future.result())

        self._future.add_done_callback(end)

    def _release(self) -> None:
        """The request is gone, and so is the run, unless the client is about to ask again for what was typed."""
        self._owner = None
        if self.site.snapshot is self.hole_request.hole.snapshot:
            self.cancel()
        else:
            asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._stop_if_unwanted)

    def _stop_if_unwanted(self) -> None:
        if self._owner is None:
            self.cancel()
