"""Sends drafts to the client: never more often than it can draw them, and never an old one after a new one.

Lives on the event loop. Knows no protocol; it is handed a function that sends.
"""

import asyncio
from collections.abc import Callable

from dlm_model.request import Draft


class DraftFeed:
    """Latest wins: at least `interval` seconds pass between two sends, and drafts overtaken in between are dropped."""

    def __init__(self, send: Callable[[Draft], None], *, interval: float) -> None:
        """Send nothing yet.

        Args:
            send: Called on the event loop.
            interval: In seconds; the finished draft does not wait for it.
        """
        self._send = send
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_send = self._loop.time()
        self._is_closed = False

    def offer(self, draft: Draft) -> None:
        """Send this draft as soon as the interval allows, unless a newer one overtakes it."""
        if self._is_closed:
            return
        self._stop_timer()
        if draft.finish_reason:
            self.close()
            self._send(draft)
        else:
            self._timer = self._loop.call_at(self._next_send, self._send_now, draft)

    def close(self) -> None:
        """Send nothing from now on."""
        self._is_closed = True
        self._stop_timer()

    def _send_now(self, draft: Draft) -> None:
        self._next_send = self._loop.time() + self._interval
        self._send(draft)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
