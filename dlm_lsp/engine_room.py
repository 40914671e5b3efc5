"""One worker for each model, device and precision, whichever session asks: a daemon pays for a model once.

    session ── Desk ──┐
                      ├── Worker (model, device, precision) ── engine
    session ── Desk ──┘

Lives on the event loop. Knows nothing of LSP.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dlm_lsp.options import Settings
from dlm_lsp.worker import LoadEvent, LoadListener, Result, Task, Worker
from dlm_model.errors import CheckpointError
from dlm_model.request import InfillEngine

LoadEngine = Callable[[Settings], InfillEngine]
_Key = tuple[str | None, str, str]

_FIRST_GPU = "cuda:0"


class _Engine:
    """A worker, its users, and the engine that they ask for.

    Attributes:
        settings: Of the engine that is asked for.
        listeners: One for each session that uses it, told of its loading.
        worker: Owns the engine.
        found: The settings of the engine that was loaded last, and its device.
    """

    def __init__(self, load_engine: LoadEngine, settings: Settings) -> None:
        self.settings = settings
        self.listeners: list[LoadListener] = []
        self.found: tuple[Settings, str] | None = None
        self.worker = Worker(partial(self._load, load_engine, settings), self._tell)

    def move(self, load_engine: LoadEngine, settings: Settings) -> None:
        """Have the worker load another engine."""
        self.settings = settings
        self.worker.reload(partial(self._load, load_engine, settings))

    def _tell(self, event: LoadEvent) -> None:
        for listener in self.listeners:
            listener(event)

    def _load(self, load_engine: LoadEngine, settings: Settings) -> InfillEngine:
        """Load an engine, on the worker's thread; by then, other settings may have been asked for."""
        engine = load_engine(settings)
        self.found = settings, engine.device
        return engine


class EngineRoom:
    """The workers of this process.

    Attributes:
        on_use: Called with a session's settings whenever it has an engine work or load.
        last_used: The settings of whichever session did so last; None before.
    """

    def __init__(self, load_engine: LoadEngine) -> None:
        """Load nothing yet.

        Args:
            load_engine: Called on a worker's thread when its model, device and precision are first needed.
        """
        self.on_use: Callable[[Settings], None] = lambda _settings: None
        self.last_used: Settings | None = None
        self._load_engine = load_engine
        self._engines: list[_Engine] = []
        self._stopped: list[Worker] = []

    def is_same(self, left: Settings, right: Settings) -> bool:
        """Whether both settings mean the same engine, however they spell it."""
        return _spelled(left) == _spelled(right) or self._key(left) == self._key(right)

    def use(self, settings: Settings) -> None:
        """Note that a session is about to have its engine work or load."""
        self.last_used = settings
        self.on_use(settings)

    def enter(self, settings: Settings, listener: LoadListener) -> Worker:
        """The worker for these settings; the listener hears about its loading until it leaves."""
        engine = self._engine_for(settings)
        if engine is None:
            engine = _Engine(self._load_engine, settings)
            self._engines.append(engine)
        engine.listeners.append(listener)
        return engine.worker

    def move(self, worker: Worker, settings: Settings, listener: LoadListener) -> Worker:
        """The worker for other settings.

        The present worker takes the other model, if it has no other user and there is no worker for that model.
        Otherwise the listener leaves it, and enters the other worker.
        """
        engine = self._engine_of(worker)
        if engine.listeners != [listener] or self._engine_for(settings):
            self.leave(worker, listener)
            return self.enter(settings, listener)
        engine.move(self._load_engine, settings)
        return worker

    def leave(self, worker: Worker, listener: LoadListener) -> None:
        """Stop a worker, and free its model, with the last one that uses it."""
        engine = self._engine_of(worker)
        engine.listeners.remove(listener)
        if not engine.listeners:
            worker.stop()
            self._engines.remove(engine)
            self._stopped.append(worker)

    def join(self, timeout: float) -> bool:
        """Wait for the threads of stopped workers; False when one has not ended within `timeout` seconds each."""
        return all(worker.join(timeout) for worker in self._stopped)

    def _engine_of(self, worker: Worker) -> _Engine:
        return next(engine for engine in self._engines if engine.worker is worker)

    def _engine_for(self, settings: Settings) -> _Engine | None:
        return next((engine for engine in self._engines if self.is_same(engine.settings, settings)), None)

    def _key(self, settings: Settings) -> _Key:
        """A key of folder, device and precision, the same for all spellings, as far as that is known without torch."""
        device = {"auto": self._auto_device(), "cuda": _FIRST_GPU}.get(settings.device, settings.device)
        return _folder(settings.model), device, {"auto": "bf16"}.get(settings.precision, settings.precision)

    def _auto_device(self) -> str:
        """What the device `auto` has turned out to be."""
        for engine in self._engines:
            settings, device = engine.found or (None, "")
            if settings is engine.settings and (settings.device == "auto" or device == _FIRST_GPU):
                return device
        return "auto"


class Desk:
    """One session's access to the workers; the latest job of each key wins.

    It cancels jobs of this session alone. The worker cancels the oldest of all sessions when too many wait: see
    `Worker.submit`.
    """

    def __init__(self, room: EngineRoom, listener: LoadListener, *, retries: bool = True) -> None:
        """Take no worker yet: the listener hears nothing before `take`.

        Args:
            room: Where the workers are.
            listener: Hears about the loading of the one that is taken.
            retries: Whether taking a worker retries a model that could not be loaded for others.
        """
        self._room = room
        self._listener = listener
        self._retries = retries
        self._settings: Settings | None = None
        self._worker: Worker | None = None
        self._live: dict[object, asyncio.Future[Any]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing of this session runs or waits."""
        return not self._live

    @property
    def num_jobs(self) -> int:
        """Jobs of this session that run or wait."""
        return len(self._live)

    def submit(self, key: object, task: Task[Result], *, gives_way: bool = True) -> "asyncio.Future[Result]":
        """Give the worker a job; an unfinished one of the same key is cancelled at once.

        Args:
            key: What the job is about, in this session.
            task: Run on the worker's thread.
            gives_way: Whether the job may be cancelled when too many others come after it.

        Returns:
            A future. It is cancelled when the job is superseded or has given way, and at once if there is no worker, as
            after `close`. It raises the task's exceptions, and ModelUnavailableError if there is no engine.
        """
        if self._worker is None or self._settings is None:
            future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            future.cancel()
            return future
        self._room.use(self._settings)
        self.cancel(key)
        future = self._worker.submit(task, gives_way=gives_way)
        self._live[key] = future
        future.add_done_callback(partial(self._retire, key))
        return future

    def cancel(self, key: object) -> None:
        """Stop the job of this key within one step, if there is one."""
        if future := self._live.pop(key, None):
            future.cancel()

    def cancel_all(self) -> None:
        """Stop every job of this session within one step."""
        for key in tuple(self._live):
            self.cancel(key)

    def retry(self) -> None:
        """If loading the engine has failed, let the next job try again."""
        if self._worker:
            self._worker.retry()

    def load(self) -> None:
        """Load the engine now rather than at the first job."""
        if self._worker and self._settings:
            self._room.use(self._settings)
            self._worker.load()

    def tell(self, action: Callable[[InfillEngine], None]) -> None:
        """Call a function of the engine after the jobs given before; skipped if no engine is loaded by then."""
        if self._worker:
            self._worker.tell(action)

    def unload_after(self, seconds: float | None) -> None:
        """Free the engine when nothing has run for so long; None keeps it. The last call by any session counts."""
        if self._worker:
            self._worker.unload_after(seconds)

    def take(self, settings: Settings) -> None:
        """Take the worker for these settings: the first, or another if they ask for another engine."""
        if self._settings and self._room.is_same(settings, self._settings):
            return
        self._settings = settings
        self.cancel_all()
        if self._worker:
            self._worker = self._room.move(self._worker, settings, self._listener)
        else:
            self._worker = self._room.enter(settings, self._listener)
        if self._retries:
            self._worker.retry()

    def take_last_used(self) -> None:
        """Take the worker that any session of this process used last; stay with this session's where none did."""
        if self._room.last_used:
            self.take(self._room.last_used)

    def close(self) -> None:
        """Stop every job of this session, and its worker if nobody else uses it; closing twice is no error."""
        self.cancel_all()
        if self._worker:
            self._room.leave(self._worker, self._listener)
            self._worker = None

    def _retire(self, key: object, future: "asyncio.Future[Any]") -> None:
        if self._live.get(key) is future:
            del self._live[key]


def _spelled(settings: Settings) -> _Key:
    return settings.model, settings.device, settings.precision


def _folder(model: str | None) -> str | None:
    if model is None:
        return None
    # Imported late: few name a model, and a server should answer early.
    from dlm_lsp.models.naming import resolve_model  # noqa: PLC0415

    try:
        folder = resolve_model(model)
        return folder and str(Path(folder).resolve())
    except (CheckpointError, OSError, RuntimeError, ValueError):  # which loading it reports
        return model
