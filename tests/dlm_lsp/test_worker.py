"""The thread that owns the engine: jobs wait their turn, cancelling takes one step, loading happens once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from dlm_lsp.errors import ModelUnavailableError
from dlm_lsp.worker import MAX_LIVE_JOBS, Loaded, LoadEvent, LoadFailed, Loading, Unloaded, Worker
from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import CheckpointError, DeviceError
from dlm_model.request import CancelToken, InfillEngine, InfillRequest
from tests.dlm_lsp.scripted_engine import ScriptedEngine

MakeWorker = Callable[[Callable[[], InfillEngine]], Worker]


class _Listener:
    def __init__(self) -> None:
        self.events: list[str] = []

    def hear(self, event: LoadEvent) -> None:
        match event:
            case Loading():
                self.events.append("loading")
            case Loaded(engine):
                self.events.append(f"loaded {engine.model_name}")
            case LoadFailed(reason):
                self.events.append(f"failed: {reason}")
            case Unloaded():
                self.events.append("unloaded")


@pytest.fixture
def listener() -> _Listener:
    return _Listener()


@pytest_asyncio.fixture
async def make_worker(listener: _Listener) -> AsyncIterator[MakeWorker]:
    workers: list[Worker] = []

    def make(load_engine: Callable[[], InfillEngine]) -> Worker:
        workers.append(Worker(load_engine, listener.hear))
        return workers[-1]

    yield make
    for worker in workers:
        worker.stop()
        assert await asyncio.to_thread(worker.join, 10)


def _denoise(engine: InfillEngine, cancel: CancelToken) -> str:
    text = ""
    for draft in engine.infill(InfillRequest("", ""), DecodeOptions(), cancel):
        text = draft.text
    return text


async def _begun(engine: ScriptedEngine) -> None:
    await asyncio.to_thread(engine.wait_for_step)


async def test_a_job_runs_on_another_thread_and_answers_on_the_loop(make_worker: MakeWorker) -> None:
    worker = make_worker(lambda: ScriptedEngine("x = 1"))
    assert await worker.submit(_denoise) == "x = 1"


async def test_what_an_engine_is_told_comes_after_its_jobs_and_loads_none(make_worker: MakeWorker) -> None:
    engine = ScriptedEngine("1")
    worker = make_worker(lambda: engine)
    worker.tell(lambda loaded: loaded.forget("a"))
    assert await worker.submit(_denoise) == "1"
    assert engine.forgotten == []
    worker.tell(lambda loaded: loaded.forget("b"))
    assert await worker.submit(_denoise) == "1"
    assert engine.forgotten == ["b"]


@pytest.mark.parametrize("how", ["cancelled", "all"])
async def test_a_running_job_stops_within_one_step(make_worker: MakeWorker, how: str) -> None:
    engine = ScriptedEngine("x = 1", num_steps=50, is_gated=True)
    worker = make_worker(lambda: engine)
    first = worker.submit(_denoise)
    await _begun(engine)
    if how == "cancelled":
        first.cancel()
    else:
        worker.cancel_all()
    with pytest.raises(asyncio.CancelledError):
        await first
    engine.allow(50)
    assert await worker.submit(lambda engine, _cancel: engine.model_name) == "scripted"
    assert engine.num_steps_done == 1


async def test_jobs_wait_their_turn(make_worker: MakeWorker) -> None:
    engine = ScriptedEngine("x = 1", num_steps=2, is_gated=True)
    worker = make_worker(lambda: engine)
    first, second = worker.submit(_denoise), worker.submit(_denoise)
    engine.allow(4)
    assert await asyncio.gather(first, second) == ["x = 1", "x = 1"]
    assert engine.num_steps_done == 4


async def test_the_queue_stays_short(make_worker: MakeWorker) -> None:
    engine = ScriptedEngine("x = 1", is_gated=True)
    worker = make_worker(lambda: engine)
    jobs = [worker.submit(_denoise) for _ in range(MAX_LIVE_JOBS + 1)]
    engine.allow(10)
    assert await jobs[-1] == "x = 1"
    assert [job.cancelled() for job in jobs] == [True] + [False] * MAX_LIVE_JOBS


async def test_a_job_that_does_not_give_way_outlives_those_that_do(make_worker: MakeWorker) -> None:
    engine = ScriptedEngine("x = 1", is_gated=True)
    worker = make_worker(lambda: engine)
    kept = worker.submit(_denoise, gives_way=False)
    jobs = [worker.submit(_denoise) for _ in range(MAX_LIVE_JOBS)]
    engine.allow(10)
    assert await kept == "x = 1"
    assert await jobs[-1] == "x = 1"
    assert [job.cancelled() for job in jobs] == [True] + [False] * (MAX_LIVE_JOBS - 1)


async def test_what_a_job_raises_reaches_its_future_and_spares_the_next(make_worker: MakeWorker) -> None:
    def fail(_engine: InfillEngine, _cancel: CancelToken) -> str:
        raise ZeroDivisionError

    worker = make_worker(lambda: ScriptedEngine("x = 1"))
    with pytest.raises(ZeroDivisionError):
        await worker.submit(fail)
    assert await worker.submit(_denoise) == "x = 1"


async def test_the_engine_is_loaded_once_at_the_first_need(make_worker: MakeWorker, listener: _Listener) -> None:
    loads: list[ScriptedEngine] = []

    def load() -> InfillEngine:
        loads.append(ScriptedEngine("x = 1"))
        return loads[-1]

    worker = make_worker(load)
    assert loads == []
    await worker.submit(_denoise)
    await worker.submit(_denoise)
    assert len(loads) == 1
    assert listener.events == ["loading", "loaded scripted"]


async def test_preloading_needs_no_job(make_worker: MakeWorker, listener: _Listener) -> None:
    worker = make_worker(ScriptedEngine)
    worker.load()
    await worker.submit(lambda _engine, _cancel: None)
    assert listener.events == ["loading", "loaded scripted"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CheckpointError("weights.safetensors is truncated"), "weights.safetensors is truncated"),
        (RuntimeError("no kernel"), "the model could not be loaded: no kernel"),
    ],
)
async def test_a_failed_load_is_not_repeated_at_once(
    make_worker: MakeWorker, listener: _Listener, error: Exception, reason: str
) -> None:
    def fail() -> InfillEngine:
        raise error

    worker = make_worker(fail)
    worker.load()
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match=reason):
            await worker.submit(_denoise)
    assert listener.events == ["loading", f"failed: {reason}"]
    worker.reload(lambda: ScriptedEngine("x = 1"))
    assert await worker.submit(_denoise) == "x = 1"


@pytest.mark.parametrize("how", ["after a while", "asked to"])
async def test_a_failed_load_is_retried(
    make_worker: MakeWorker, listener: _Listener, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    is_free = False

    def load() -> InfillEngine:
        if is_free:
            return ScriptedEngine("x = 1")
        raise DeviceError("no memory")

    worker = make_worker(load)
    with pytest.raises(ModelUnavailableError, match="no memory"):
        await worker.submit(_denoise)
    if how == "asked to":
        # All of them ask before the first attempt, which is made for all.
        jobs = []
        for _ in range(3):
            worker.retry()
            jobs.append(worker.submit(_denoise))
        assert all(
            isinstance(each, ModelUnavailableError) for each in await asyncio.gather(*jobs, return_exceptions=True)
        )
        assert listener.events == ["loading", "failed: no memory"] * 2
        worker.retry()
    else:
        monkeypatch.setattr("dlm_lsp.worker.RETRY_SECONDS", 0.0)
    is_free = True
    assert await worker.submit(_denoise) == "x = 1"
    assert listener.events[-2:] == ["loading", "loaded scripted"]


async def test_a_job_cancelled_while_the_engine_loads_never_begins(make_worker: MakeWorker) -> None:
    loading, may_load = threading.Event(), threading.Event()
    engine = ScriptedEngine("x = 1")

    def load() -> InfillEngine:
        loading.set()
        assert may_load.wait(10)
        return engine

    worker = make_worker(load)
    job = worker.submit(_denoise)
    assert await asyncio.to_thread(loading.wait, 10)
    job.cancel()
    may_load.set()
    await worker.submit(lambda _engine, _cancel: None)
    assert engine.requests == []


async def test_an_unused_engine_is_closed_and_loaded_again(make_worker: MakeWorker, listener: _Listener) -> None:
    engines: list[ScriptedEngine] = []

    def load() -> InfillEngine:
        engines.append(ScriptedEngine("x = 1"))
        return engines[-1]

    worker = make_worker(load)
    worker.unload_after(0.05)
    assert await worker.submit(_denoise) == "x = 1"
    async with asyncio.timeout(10):
        while "unloaded" not in listener.events:
            await asyncio.sleep(0.01)
    assert engines[0].is_closed
    worker.unload_after(None)
    assert await worker.submit(_denoise) == "x = 1"
    await asyncio.sleep(0.1)
    assert not engines[1].is_closed
    assert listener.events == ["loading", "loaded scripted", "unloaded", "loading", "loaded scripted"]


@pytest.mark.parametrize("how", ["stopped", "reloaded"])
async def test_an_engine_that_is_given_up_is_closed(make_worker: MakeWorker, how: str) -> None:
    first, second = ScriptedEngine("x = 1"), ScriptedEngine("x = 2")
    worker = make_worker(lambda: first)
    await worker.submit(_denoise)
    if how == "stopped":
        worker.stop()
        assert await asyncio.to_thread(worker.join, 10)
    else:
        worker.reload(lambda: second)
        assert await worker.submit(_denoise) == "x = 2"
    assert (first.is_closed, second.is_closed) == (True, False)


class _Stuck(ScriptedEngine):
    """On a device that was reset."""

    def close(self) -> None:
        super().close()
        raise RuntimeError("CUDA error: unspecified launch failure")


@pytest.mark.parametrize("how", ["unloaded", "reloaded", "told"])
async def test_whatever_an_order_raises_later_jobs_are_served(
    make_worker: MakeWorker, listener: _Listener, how: str
) -> None:
    engines = [_Stuck("x = 1"), ScriptedEngine("x = 2")]
    worker = make_worker(lambda: engines.pop(0))
    assert await worker.submit(_denoise) == "x = 1"
    if how == "unloaded":
        worker.unload_after(0.01)
        async with asyncio.timeout(10):
            while "unloaded" not in listener.events:
                await asyncio.sleep(0.01)
    elif how == "reloaded":
        worker.reload(lambda: engines.pop(0))
    else:
        worker.tell(lambda engine: engine.close())
    async with asyncio.timeout(10):
        assert await worker.submit(_denoise) == ("x = 1" if how == "told" else "x = 2")


async def test_an_engine_in_use_is_not_closed(make_worker: MakeWorker, listener: _Listener) -> None:
    engine = ScriptedEngine("x = 1", num_steps=2, is_gated=True)
    worker = make_worker(lambda: engine)
    worker.unload_after(0.02)
    job = worker.submit(_denoise)
    await _begun(engine)
    await asyncio.sleep(0.1)
    engine.allow(2)
    assert await job == "x = 1"
    assert "unloaded" not in listener.events
