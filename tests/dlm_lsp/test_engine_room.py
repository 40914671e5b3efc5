"""Workers that sessions share: who takes which one, and what becomes of those that nobody uses."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from dlm_lsp.engine_room import Desk, EngineRoom
from dlm_lsp.errors import ModelUnavailableError
from dlm_lsp.models.store import PACKAGED, ModelStore, Record
from dlm_lsp.options import Settings
from dlm_lsp.worker import LoadEvent
from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import CheckpointError
from dlm_model.request import CancelToken, InfillEngine, InfillRequest
from tests.dlm_lsp.scripted_engine import ScriptedEngine

OpenRoom = Callable[[Callable[[Settings], InfillEngine]], Callable[[], Desk]]


def _deaf(_event: LoadEvent) -> None:
    """Where nobody asks about loading."""


@pytest_asyncio.fixture
async def open_room() -> AsyncIterator[OpenRoom]:
    """Make a room with this engine loader; returns what makes desks in it."""
    rooms: list[EngineRoom] = []
    desks: list[Desk] = []

    def open_room(load_engine: Callable[[Settings], InfillEngine]) -> Callable[[], Desk]:
        room = EngineRoom(load_engine)
        rooms.append(room)

        def desk() -> Desk:
            desks.append(Desk(room, _deaf))
            return desks[-1]

        return desk

    yield open_room
    for desk in desks:
        desk.close()
    for room in rooms:
        assert await asyncio.to_thread(room.join, 10)


def _name(engine: InfillEngine, _cancel: CancelToken) -> str:
    return engine.model_name


def _denoise(engine: InfillEngine, cancel: CancelToken) -> str:
    text = ""
    for draft in engine.infill(InfillRequest("", ""), DecodeOptions(), cancel):
        text = draft.text
    return text


@pytest.mark.parametrize("how", ["superseded", "by key", "all"])
async def test_a_running_job_stops_within_one_step(open_room: OpenRoom, how: str) -> None:
    engine = ScriptedEngine("x = 1", num_steps=50, is_gated=True)
    desk = open_room(lambda _settings: engine)()
    desk.take(Settings())
    first = desk.submit("a", _denoise)
    await asyncio.to_thread(engine.wait_for_step)
    stop: dict[str, Callable[[], object]] = {
        "superseded": lambda: desk.submit("a", lambda _engine, _cancel: "second"),
        "by key": lambda: desk.cancel("a"),
        "all": desk.cancel_all,
    }
    second = stop[how]()
    with pytest.raises(asyncio.CancelledError):
        await first
    engine.allow(50)
    if isinstance(second, asyncio.Future):
        assert await second == "second"
    assert await desk.submit("b", _name) == "scripted"
    assert engine.num_steps_done == 1


async def test_a_superseded_job_that_waits_never_runs(open_room: OpenRoom) -> None:
    engine = ScriptedEngine("x = 1", is_gated=True)
    desk = open_room(lambda _settings: engine)()
    desk.take(Settings())
    running = desk.submit("a", _denoise)
    waiting = [desk.submit("b", _denoise) for _ in range(5)]
    engine.allow(10)
    assert await running == "x = 1"
    assert await waiting[-1] == "x = 1"
    assert all(job.cancelled() for job in waiting[:-1])
    assert engine.num_steps_done == 2


async def test_a_key_is_each_sessions_own(open_room: OpenRoom) -> None:
    engine = ScriptedEngine("x = 1", is_gated=True)
    new_desk = open_room(lambda _settings: engine)
    desks = [new_desk(), new_desk()]
    for desk in desks:
        desk.take(Settings())
    jobs = [desk.submit("a", _denoise) for desk in desks]
    engine.allow(2)
    assert await asyncio.gather(*jobs) == ["x = 1", "x = 1"]


async def test_a_new_session_has_loading_tried_again(open_room: OpenRoom) -> None:
    is_there = False

    def load(_settings: Settings) -> InfillEngine:
        if is_there:
            return ScriptedEngine()
        raise CheckpointError("no such model")

    new_desk = open_room(load)
    first, second = new_desk(), new_desk()
    first.take(Settings())
    with pytest.raises(ModelUnavailableError):
        await first.submit("a", _name)
    is_there = True
    with pytest.raises(ModelUnavailableError):
        await first.submit("a", _name)
    second.take(Settings())
    assert await second.submit("a", _name) == "scripted"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Settings(model="mine"), Settings(model="./folder")),
        (Settings(), Settings(model=PACKAGED)),
        (Settings(device="auto"), Settings(device="cuda")),
        (Settings(device="cuda:0"), Settings(device="auto")),
        (Settings(precision="auto"), Settings(precision="bf16")),
    ],
)
async def test_one_engine_has_many_names(
    open_room: OpenRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Settings, second: Settings
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    ModelStore().save(Record("mine", str(tmp_path / "folder"), None, None, None, ()))
    loads: list[Settings] = []

    def load(settings: Settings) -> InfillEngine:
        loads.append(settings)
        engine = ScriptedEngine()
        engine.device = "cuda:0"
        return engine

    new_desk = open_room(load)
    desks = [new_desk(), new_desk()]
    for desk, settings in zip(desks, (first, second), strict=True):
        desk.take(settings)
        await desk.submit("a", _name)
    assert loads == [first]
    desks[0].take(second)
    await desks[0].submit("a", _name)
    assert loads == [first]


async def test_other_engines_have_workers_of_their_own(open_room: OpenRoom) -> None:
    loads: list[Settings] = []

    def load(settings: Settings) -> InfillEngine:
        loads.append(settings)
        return ScriptedEngine()

    new_desk = open_room(load)
    wanted = [Settings(), Settings(device="cuda"), Settings(precision="int8"), Settings(model="unheard-of")]
    for settings in wanted:
        desk = new_desk()
        desk.take(settings)
        await desk.submit("a", _name)
    assert loads == wanted


@pytest.mark.parametrize("model", ["~nobody-here/x", "x" * 300, "nul\0"])
async def test_a_model_that_cannot_be_a_folder_is_a_failed_load_and_nothing_else(
    open_room: OpenRoom, model: str
) -> None:
    def load(settings: Settings) -> InfillEngine:
        if settings.model:
            raise CheckpointError("no such model")
        return ScriptedEngine()

    new_desk = open_room(load)
    first, second = new_desk(), new_desk()
    first.take(Settings(model=model))
    with pytest.raises(ModelUnavailableError):
        await first.submit("a", _name)
    for desk in (second, first):
        desk.take(Settings())
        assert await desk.submit("a", _name) == "scripted"


async def test_who_keeps_a_model_tries_nothing_again() -> None:
    num_loads = 0

    def load(_settings: Settings) -> InfillEngine:
        nonlocal num_loads
        num_loads += 1
        raise CheckpointError("no such model")

    room = EngineRoom(load)
    desk, keeper = Desk(room, _deaf), Desk(room, _deaf, retries=False)
    desk.take(Settings())
    for settings in (Settings(), Settings(precision="int8"), Settings()):
        keeper.take(settings)
        with pytest.raises(ModelUnavailableError):
            await desk.submit("a", _name)
    assert num_loads == 1
    for each in (desk, keeper):
        each.close()
    assert await asyncio.to_thread(room.join, 10)


async def test_where_an_engine_is_says_nothing_of_one_that_was_asked_for_since(open_room: OpenRoom) -> None:
    loads: list[Settings] = []
    goes_on = [threading.Event(), threading.Event(), threading.Event()]

    def load(settings: Settings) -> InfillEngine:
        loads.append(settings)
        goes_on[len(loads) - 1].wait(10)
        engine = ScriptedEngine()
        engine.device = "cpu" if settings.device == "cpu" else "cuda:0"
        return engine

    new_desk = open_room(load)
    first, second = new_desk(), new_desk()
    first.take(Settings(device="cpu"))
    first.load()
    while not loads:
        await asyncio.sleep(0.001)
    first.take(Settings(device="auto"))
    first.load()
    goes_on[0].set()
    while len(loads) == 1:
        await asyncio.sleep(0.001)
    second.take(Settings(device="cpu"))
    for each in goes_on:
        each.set()
    assert await second.submit("a", lambda engine, _cancel: engine.device) == "cpu"
    assert await first.submit("a", lambda engine, _cancel: engine.device) == "cuda:0"
