"""The one thread that owns the engine: jobs in from the event loop, results back to it.

Knows nothing of LSP, documents or prompts. A job is a function of the engine, and its future is the only handle:
cancelling the future stops the job within one denoise step.

    event loop                        worker thread
    submit ──── queue ──────────────▶ load the engine (once), run the task, which polls its CancelToken
    future ◀─── call_soon_threadsafe ─┘
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from dlm_lsp.errors import ModelUnavailableError
from dlm_model.errors import ModelError
from dlm_model.request import CancelToken, InfillEngine

logger = logging.getLogger(__name__)

MAX_LIVE_JOBS = 4
"""Upper bound on jobs that run or wait, whoever submitted them. Beyond it, the oldest that may give way is cancelled:
its user has most likely moved on.
"""

RETRY_SECONDS = 30.0
"""After a failed load, a job waits this long before it tries again. `retry()` skips the wait.

The cause may pass: another program held the device's memory, or the model was not there yet.
"""

Result = TypeVar("Result")
Task = Callable[[InfillEngine, CancelToken], Result]
EngineLoader = Callable[[], InfillEngine]


@dataclass(frozen=True, slots=True)
class Loading:
    """The engine is being loaded; either `Loaded` or `LoadFailed` follows."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The engine is ready."""

    engine: InfillEngine


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """There is no engine for now: jobs raise ModelUnavailableError with this sentence until loading is retried."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The engine was freed because nobody used it; the next job loads it again."""


LoadEvent = Loading | Loaded | LoadFailed | Unloaded
LoadListener = Callable[[LoadEvent], None]
"""Called on the event loop."""


class _JobFuture(asyncio.Future[Result]):
    """Sets the job's token at the moment of its cancellation; a callback would do so one turn of the loop later."""

    def __init__(self, cancel_token: CancelToken) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._cancel_token = cancel_token

    def cancel(self, msg: str | None = None) -> bool:
        self._cancel_token.cancel()
        return super().cancel(msg)


class _Job(Generic[Result]):
    def __init__(self, task: Task[Result], *, gives_way: bool) -> None:
        self.task = task
        self.gives_way = gives_way
        self.cancel_token = CancelToken()
        self.future: asyncio.Future[Result] = _JobFuture(self.cancel_token)

    def is_wanted(self) -> bool:
        return not self.cancel_token.is_cancelled


class _LoadFailure(NamedTuple):
    reason: str
    time: float


class Worker:
    """Runs jobs one at a time. Its public methods are for the event loop's thread, `join` for any."""

    def __init__(self, load_engine: EngineLoader, listener: LoadListener) -> None:
        """Start no thread and load nothing yet.

        Args:
            load_engine: Called on the worker thread at the first need.
            listener: Hears about it on the event loop.
        """
        self._load_engine = load_engine
        self._listener = listener
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._live: list[_Job[Any]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: InfillEngine | None = None
        self._load_failure: _LoadFailure | None = None
        self._idle_seconds: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    def submit(self, task: Task[Result], *, gives_way: bool = True) -> "asyncio.Future[Result]":
        """Queue a job. If too many run or wait, jobs that may give way are cancelled, the oldest first.

        Args:
            task: Run on the worker's thread.
            gives_way: Whether the job may be cancelled when too many others come after it.

        Returns:
            A future that is cancelled when the job has given way. It raises the task's exceptions, and
            ModelUnavailableError if there is no engine.
        """
        live = [job for job in self._live if not job.future.done()]
        yielding = [job for job in live if job.gives_way]
        for oldest in yielding[: max(0, len(live) + 1 - MAX_LIVE_JOBS)]:
            oldest.future.cancel()
        job = _Job(task, gives_way=gives_way)
        job.future.add_done_callback(lambda _: self._retire(job))
        self._live.append(job)
        self._watch_idleness()
        self._enqueue(partial(self._run, job))
        return job.future

    def cancel_all(self) -> None:
        """Stop every job within one step."""
        for job in self._live:
            job.future.cancel()

    def load(self) -> None:
        """Load the engine now rather than at the first job."""
        self._enqueue(self._try_to_load)
        self._watch_idleness()

    def retry(self) -> None:
        """If loading the engine has failed, let the next job try again."""
        if failure := self._load_failure:
            self._enqueue(partial(self._forgive, failure))

    def tell(self, action: Callable[[InfillEngine], None]) -> None:
        """Call a function of the engine after the jobs given before; skipped if no engine is loaded by then."""
        if self._thread:
            self._enqueue(partial(self._pass_on, action))

    def unload_after(self, seconds: float | None) -> None:
        """Free the engine whenever nothing has run for so long; None keeps it."""
        self._idle_seconds = seconds
        self._watch_idleness()

    def reload(self, load_engine: EngineLoader) -> None:
        """Drop the engine, and any failure to load it; the next job loads another one."""
        self.cancel_all()
        self._enqueue(partial(self._replace_loader, load_engine))

    def stop(self) -> None:
        """Cancel everything and let the thread end."""
        self.cancel_all()
        self._idle_seconds = None
        self._watch_idleness()
        self._calls.put(None)

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end after `stop`; False when it has not within `timeout` seconds."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _enqueue(self, call: Callable[[], None]) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
            self._thread.start()
        self._calls.put(call)

    def _retire(self, job: _Job[Any]) -> None:
        self._live.remove(job)
        self._watch_idleness()

    def _watch_idleness(self) -> None:
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._idle_seconds and self._loop and not self._live:
            self._idle_timer = self._loop.call_later(self._idle_seconds, self._enqueue, self._unload)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            # Without this thread every later job would wait for ever.
            try:
                call()
            except Exception:
                logger.exception("a call on the engine's thread failed")
        self._free()

    def _free(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            engine.close()
        except Exception:  # as of a device that was reset: the engine is of no use either way
            logger.exception("freeing the model failed")

    def _unload(self) -> None:
        if self._engine is not None:
            self._free()
            self._post(self._listener, Unloaded())

    def _pass_on(self, action: Callable[[InfillEngine], None]) -> None:
        if self._engine is not None:
            action(self._engine)

    def _run(self, job: _Job[Any]) -> None:
        if not job.is_wanted():
            return
        try:
            engine = self._ready_engine()
            if not job.is_wanted():
                return
            result = job.task(engine, job.cancel_token)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job's future carries it to the event loop
            self._post(_settle, job.future, None, error)
        else:
            self._post(_settle, job.future, result, None)

    def _ready_engine(self) -> InfillEngine:
        failure = self._load_failure
        if failure and time.monotonic() < failure.time + RETRY_SECONDS:
            raise ModelUnavailableError(failure.reason)
        if self._engine is None:
            self._engine = self._load()
        return self._engine

    def _load(self) -> InfillEngine:
        self._post(self._listener, Loading())
        try:
            engine = self._load_engine()
        except ModelError as error:
            reason = str(error)
        except Exception as error:
            logger.exception("loading the model failed")
            reason = f"the model could not be loaded: {error}"
        else:
            self._load_failure = None
            self._post(self._listener, Loaded(engine))
            return engine
        self._load_failure = _LoadFailure(reason, time.monotonic())
        self._post(self._listener, LoadFailed(reason))
        raise ModelUnavailableError(reason)

    def _forgive(self, failure: _LoadFailure) -> None:
        if self._load_failure is failure:  # of several who asked, the first makes the attempt for all
            self._load_failure = None

    def _try_to_load(self) -> None:
        with contextlib.suppress(ModelUnavailableError):
            self._ready_engine()

    def _replace_loader(self, load_engine: EngineLoader) -> None:
        self._load_engine = load_engine
        self._free()
        self._load_failure = None

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        assert self._loop, "calls are queued on the loop"
        # The loop is closed if the client left while a step was running: there is nobody to report to.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def _settle(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error:
        future.set_exception(error)
    else:
        future.set_result(result)
