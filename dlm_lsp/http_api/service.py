"""Requests in line for the one engine: first come, first served, up to a bound. Lives on the event loop.

Clients are strangers to each other, and none cancels another's request; only an editor knows which of its own are
superseded. Knows nothing of HTTP.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import perf_counter
from typing import Literal

from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.engine_room import Desk, EngineRoom
from dlm_lsp.http_api.api_error import ApiError, shutting_down
from dlm_lsp.http_api.completion import Completion, complete
from dlm_lsp.http_api.fim_request import FimRequest
from dlm_lsp.options import Settings
from dlm_lsp.worker import Loaded, LoadEvent, LoadFailed, Loading, Unloaded
from dlm_model.request import CancelToken, InfillEngine

logger = logging.getLogger(__name__)

MAX_REQUESTS = 16
"""Requests that run and wait, at most; minuet asks for three alternatives with three requests at once."""

RETRY_AFTER_SECONDS = 1


class PendingCompletion:
    """The answer to a request that waits or runs."""

    def __init__(self, texts: "asyncio.Queue[str | None]", future: "asyncio.Future[Completion]") -> None:
        """Follow a job.

        Args:
            texts: What a stream sends; None when it has ended.
            future: Its outcome.
        """
        self._texts = texts
        self._future = future

    async def texts(self) -> AsyncIterator[str]:
        """What a stream sends before the end, until the request has ended."""
        while (text := await self._texts.get()) is not None:
            yield text

    async def result(self) -> Completion:
        """The outcome.

        Raises:
            ApiError: the server shuts down.
            Exception: whatever the job raised.
        """
        try:
            return await self._future
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise shutting_down() from None

    def cancel(self) -> None:
        """Nobody waits any more: free the engine within one step."""
        self._future.cancel()


class FimService:
    """The way from requests to the worker, and what is known of its engine."""

    def __init__(self, room: EngineRoom, settings: Settings, on_failure: Callable[[str], None]) -> None:
        """Take a worker; nothing is loaded yet.

        Args:
            room: The workers of this process.
            settings: In force for every request.
            on_failure: Called with the reason when the model cannot be loaded, unless it once could.
        """
        self.settings = settings
        self.engine: EngineFacts | None = None
        self.state: Literal["loading", "ok", "unloaded", "failed"] = "loading"
        self._on_failure = on_failure
        self._is_closed = False
        self._desk = Desk(room, self._on_load_event)
        self._desk.take(settings)

    @property
    def num_requests(self) -> int:
        """How many run or wait."""
        return self._desk.num_jobs

    def start(self) -> None:
        """Load the model now, so that the first request need not wait for it."""
        self._desk.unload_after(self.settings.idle_unload_minutes * 60 or None)
        self._desk.load()

    def submit(self, request: FimRequest) -> PendingCompletion:
        """Put a request in line.

        Raises:
            ApiError: the line is full, or the server shuts down.
        """
        if self._is_closed:
            raise shutting_down()
        if self.num_requests >= MAX_REQUESTS:
            message = f"{MAX_REQUESTS} requests are running or waiting already."
            raise ApiError(429, message, "rate_limit_error", code="queue_full", retry_after=RETRY_AFTER_SECONDS)
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        loop, settings = asyncio.get_running_loop(), self.settings

        def task(engine: InfillEngine, cancel: CancelToken) -> Completion:
            return complete(
                engine, request, settings, cancel, lambda text: loop.call_soon_threadsafe(texts.put_nowait, text)
            )

        self._desk.retry()
        future = self._desk.submit(object(), task, gives_way=False)
        future.add_done_callback(partial(_report, perf_counter()))
        future.add_done_callback(lambda _: texts.put_nowait(None))
        return PendingCompletion(texts, future)

    def close(self) -> None:
        """Cancel what runs and waits, and accept nothing more."""
        self._is_closed = True
        self._desk.close()

    def _on_load_event(self, event: LoadEvent) -> None:
        match event:
            case Loading():
                self.state = "loading"
                logger.info("loading the model")
            case Loaded(engine):
                self.state = "ok"
                self.engine = EngineFacts.of(engine)
                logger.info("%s on %s", engine.model_name, engine.device)
            case LoadFailed(reason):
                self.state = "failed"
                # A model that never was there ends the server; one that was is tried again by the next request.
                if self.engine is None:
                    self._on_failure(reason)
                else:
                    logger.error("%s", reason)
            case Unloaded():
                self.state = "unloaded"
                logger.info("the model was unloaded after a while without use")


def _report(begin: float, future: "asyncio.Future[Completion]") -> None:
    """One line in the log: numbers alone."""
    milliseconds = (perf_counter() - begin) * 1000
    if future.cancelled():
        logger.info("cancelled after %.0f ms", milliseconds)
    elif future.exception() is None:
        done = future.result()
        counts = (done.prompt_tokens, done.completion_tokens, done.num_steps, milliseconds)
        logger.info("%d tokens read, %d written in %d steps, %.0f ms", *counts)
