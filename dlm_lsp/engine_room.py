"""One worker for each model, device and precision, whichever session asks: a daemon pays for a model once.

    session ── Desk ──┐
                      ├── Worker (model, device, precision) ── engine
    session ── Desk ──┘

Lives on the event loop. Knows nothing of LSP.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from dlm_lsp.options import Settings
from dlm_lsp.worker import LoadListener, Result, Task, Worker
from dlm_model.request import InfillEngine

LoadEngine = Callable[[Settings], InfillEngine]
_Key = tuple[str | None, str, str]


class _Audience:
    """Everybody who hears about one worker's loading."""

    def __init__(self) -> None:
        self.listeners: list[LoadListener] = []

    def on_loading(self) -> None:
        for listener in self.listeners:
            listener.on_loading()

    def on_loaded(self, engine: InfillEngine) -> None:
        for listener in self.listeners:
            listener.on_loaded(engine)

    def on_load_failed(self, reason: str) -> None:
        for listener in self.listeners:
            listener.on_load_failed(reason)

    def on_unloaded(self) -> None:
        for listener in self.listeners:
            listener.on_unloaded()


class _Engine:
    """A worker and its users."""

    def __init__(self, load_engine: Callable[[], InfillEngine]) -> None:
        self.audience = _Audience()
        self.worker = Worker(load_engine, self.audience)


class EngineRoom:
    """The workers of this process."""

    def __init__(self, load_engine: LoadEngine) -> None:
        """Load nothing yet.

        Args:
            load_engine: Called on a worker's thread at the first need of its model, device and precision.
        """
        self._load_engine = load_engine
        self._engines: dict[_Key, _Engine] = {}
        self._stopped: list[Worker] = []

    def enter(self, settings: Settings, listener: LoadListener) -> Worker:
        """The worker for these settings; the listener hears about its loading until it leaves.

        If the model could not be loaded for others, it is tried again.
        """
        key = _key(settings)
        if key not in self._engines:
            self._engines[key] = _Engine(partial(self._load_engine, settings))
        engine = self._engines[key]
        engine.audience.listeners.append(listener)
        engine.worker.retry()
        return engine.worker

    def move(self, worker: Worker, settings: Settings, listener: LoadListener) -> Worker:
        """The worker for other settings.

        The present worker takes the other model, if it has no other user and there is no worker for that model.
        Otherwise the listener leaves it, and enters the other worker.
        """
        key, engine = self._find(worker)
        if engine.audience.listeners != [listener] or _key(settings) in self._engines:
            self.leave(worker, listener)
            return self.enter(settings, listener)
        self._engines[_key(settings)] = self._engines.pop(key)
        worker.reload(partial(self._load_engine, settings))
        return worker

    def leave(self, worker: Worker, listener: LoadListener) -> None:
        """Stop a worker, and free its model, with the last one that uses it."""
        key, engine = self._find(worker)
        engine.audience.listeners.remove(listener)
        if not engine.audience.listeners:
            worker.stop()
            self._stopped.append(self._engines.pop(key).worker)

    def join(self, timeout: float) -> bool:
        """Wait for the threads of stopped workers; False when one has not ended within `timeout` seconds each."""
        return all(worker.join(timeout) for worker in self._stopped)

    def _find(self, worker: Worker) -> tuple[_Key, _Engine]:
        return next(item for item in self._engines.items() if item[1].worker is worker)


class Desk:
    """One session's way to the workers: its keys are its own, and it cancels nobody else's jobs."""

    def __init__(self, room: EngineRoom, listener: LoadListener) -> None:
        """Take no worker yet: the listener hears nothing before `take`."""
        self._room = room
        self._listener = listener
        self._key: _Key | None = None
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
        """As `Worker.submit`; without a worker, as after `close`, it returns a cancelled future."""
        if self._worker is None:
            future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            future.cancel()
            return future
        future = self._worker.submit((id(self), key), task, gives_way=gives_way)
        self._live[key] = future
        future.add_done_callback(partial(self._retire, key))
        return future

    def cancel(self, key: object) -> None:
        """As `Worker.cancel`."""
        if future := self._live.pop(key, None):
            future.cancel()

    def cancel_all(self) -> None:
        """Stop every job of this session within one step."""
        for key in tuple(self._live):
            self.cancel(key)

    def retry(self) -> None:
        """As `Worker.retry`."""
        if self._worker:
            self._worker.retry()

    def load(self) -> None:
        """As `Worker.load`."""
        if self._worker:
            self._worker.load()

    def tell(self, order: Callable[[InfillEngine], None]) -> None:
        """As `Worker.tell`."""
        if self._worker:
            self._worker.tell(order)

    def unload_after(self, seconds: float | None) -> None:
        """As `Worker.unload_after`; of several sessions, the last call counts."""
        if self._worker:
            self._worker.unload_after(seconds)

    def take(self, settings: Settings) -> None:
        """Take the worker for these settings: the first, or another if they ask for another engine."""
        if _key(settings) == self._key:
            return
        self._key = _key(settings)
        self.cancel_all()
        if self._worker:
            self._worker = self._room.move(self._worker, settings, self._listener)
        else:
            self._worker = self._room.enter(settings, self._listener)

    def close(self) -> None:
        """Stop every job of this session, and its worker where nobody else uses it; closing twice is no error."""
        self.cancel_all()
        if self._worker:
            self._room.leave(self._worker, self._listener)
            self._worker = None

    def _retire(self, key: object, future: "asyncio.Future[Any]") -> None:
        if self._live.get(key) is future:
            del self._live[key]


def _key(settings: Settings) -> _Key:
    return settings.model, settings.device, settings.precision
