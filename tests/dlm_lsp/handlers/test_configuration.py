"""The sources of settings, their precedence, and how mistakes in them are reported."""

import asyncio
import weakref
from pathlib import Path

import pytest
from lsprotocol import types

from dlm_lsp.options import Settings
from dlm_lsp.worker import Worker
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient, Payload

EMPTY_BODY = "def f():\n    \n"
PULLS = types.ClientCapabilities(workspace=types.WorkspaceClientCapabilities(configuration=True))
REGISTERS = types.ClientCapabilities(
    workspace=types.WorkspaceClientCapabilities(
        did_change_configuration=types.DidChangeConfigurationClientCapabilities(dynamic_registration=True)
    )
)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("return 1")


async def _num_steps(editor: EditorClient, engine: ScriptedEngine) -> int:
    await editor.complete(1, 4)
    return engine.options[-1].num_steps


def _push(editor: EditorClient, settings: Payload) -> None:
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))


async def test_each_source_overrules_the_one_before(
    connect: Connect, engine: ScriptedEngine, user_config_folder: Path
) -> None:
    user_config_folder.mkdir(parents=True)
    (user_config_folder / "config.toml").write_text("num_steps = 2\nseed = 2\ntop_p = 0.2\ntemperature = 2\n")
    editor = connect(lambda _settings: engine)
    editor.configuration = {"numSteps": 5, "seed": 5}
    await editor.start(PULLS, options={"numSteps": 4, "seed": 4, "topP": 0.4})
    await editor.until(lambda: editor.num_configuration_requests == 1)
    editor.open(EMPTY_BODY)
    assert await _num_steps(editor, engine) == 5
    options = engine.options[-1]
    assert (options.seed, options.top_p, options.temperature) == (5, 0.4, 2)


async def test_an_unused_model_is_unloaded_and_loaded_at_the_next_request(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Worker.unload_after
    # One minute of the settings is a twentieth of a second here.
    monkeypatch.setattr(Worker, "unload_after", lambda worker, seconds: keep(worker, seconds and seconds / 1200))
    engines: list[weakref.ref[ScriptedEngine]] = []

    def load(_settings: Settings) -> ScriptedEngine:
        engine = ScriptedEngine("return 1")
        engines.append(weakref.ref(engine))
        return engine

    editor = connect(load)
    await editor.start(options={"idleUnloadMinutes": 1, "debounceMs": 0})
    editor.open("def f():\n    \n")
    for num_loaded in (1, 2):
        assert len(await editor.complete(1, 4, trigger=types.InlineCompletionTriggerKind.Invoked)) == 1
        assert len(engines) == num_loaded
        async with asyncio.timeout(10):
            while engines[-1]():
                await asyncio.sleep(0.01)
        editor.change(types.TextDocumentContentChangeWholeDocument("def g():\n    \n"))


@pytest.mark.parametrize("has_folders", [True, False])
async def test_a_project_may_switch_itself_off_but_not_name_a_model(
    connect: Connect, engine: ScriptedEngine, tmp_path: Path, has_folders: bool
) -> None:
    loads: list[Settings] = []
    (tmp_path / "pyproject.toml").write_text(
        "[tool.dlm-lsp]\nexclude = ['gen/*']\nmodel = '/tmp/evil'\nnum_steps = 9\n"
    )
    editor = connect(lambda settings: loads.append(settings) or engine)
    where: dict[str, Payload] = (
        {"workspace_folders": [types.WorkspaceFolder(tmp_path.as_uri(), "project")]}
        if has_folders
        else {"root_uri": tmp_path.as_uri()}
    )
    await editor.start(**where)
    editor.open(EMPTY_BODY)
    generated = (tmp_path / "gen" / "a.py").as_uri()
    editor.open(EMPTY_BODY, uri=generated)
    assert await editor.complete(1, 4, uri=generated) == []
    assert await _num_steps(editor, engine) == Settings().decode.num_steps
    assert loads[0].model is None
    [message] = editor.log_messages
    assert "pyproject.toml:3: model cannot be set here" in message
    assert "pyproject.toml:4: num_steps cannot be set here" in message


async def test_pushed_settings_are_live(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(options={"numSteps": 4})
    editor.open(EMPTY_BODY)
    assert await _num_steps(editor, engine) == 4
    _push(editor, {"dlm-lsp": {"numSteps": 9}})
    assert await _num_steps(editor, engine) == 9
    _push(editor, {"dlm-lsp": {}})
    assert await _num_steps(editor, engine) == 4


async def test_a_change_without_settings_makes_the_server_ask(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    editor.configuration = {"numSteps": 4}
    await editor.start(PULLS)
    await editor.until(lambda: editor.num_configuration_requests == 1)
    editor.open(EMPTY_BODY)
    assert await _num_steps(editor, engine) == 4
    editor.configuration = {"enabled": False}
    _push(editor, None)
    await editor.until(lambda: editor.num_configuration_requests == 2)
    assert await editor.complete(1, 4) == []
    assert "enabled" in (await editor.status("inactive")).message


@pytest.mark.parametrize("settings", [None, {}, [], "x", {"other": {}}, {"dlm-lsp": None}])
async def test_whatever_a_client_sends_as_settings_is_survived(
    connect: Connect, engine: ScriptedEngine, settings: Payload
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(options={"numSteps": 4})
    editor.open(EMPTY_BODY)
    _push(editor, settings)
    assert await _num_steps(editor, engine) == 4
    assert editor.popups == []


@pytest.mark.parametrize(
    "garbage",
    [{"numSteps": "many", "candidates": 9, "warp": True}, ["numSteps"], "fast"],
    ids=["values", "list", "text"],
)
async def test_mistakes_are_reported_in_one_message_and_defaulted(
    connect: Connect, engine: ScriptedEngine, garbage: Payload
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(options=garbage)
    status = await editor.status("warning")
    editor.open(EMPTY_BODY)
    assert await _num_steps(editor, engine) == Settings().decode.num_steps
    assert editor.log_messages == [status.message]
    assert status.message.startswith("options ignored: ")
    if isinstance(garbage, dict):
        assert all(name in status.message for name in ("numSteps", "candidates", "warp"))


@pytest.mark.parametrize("trace", [{"trace": {"server": "verbose"}}, {"trace.server": "off"}])
async def test_what_the_clients_library_keeps_among_our_options_is_no_mistake(
    connect: Connect, engine: ScriptedEngine, trace: Payload
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start()
    editor.open(EMPTY_BODY)
    _push(editor, {"dlm-lsp": {"numSteps": 4, **trace}})
    assert await _num_steps(editor, engine) == 4
    assert editor.log_messages == []


async def test_another_model_is_loaded_at_the_next_need(connect: Connect, engine: ScriptedEngine) -> None:
    loads: list[str | None] = []

    def load(settings: Settings) -> ScriptedEngine:
        loads.append(settings.model)
        if settings.model == "/models/broken":
            raise CheckpointError("/models/broken holds no config.json")
        return engine

    editor = connect(load)
    await editor.start(options={"model": "/models/broken"})
    editor.open(EMPTY_BODY)
    assert await editor.complete(1, 4) == []
    _push(editor, {"dlm-lsp": {"model": "/models/good"}})
    assert len(await editor.complete(1, 4)) == 1
    _push(editor, {"dlm-lsp": {"model": "/models/good", "numSteps": 3}})
    assert len(await editor.complete(1, 4)) == 1
    assert loads == ["/models/broken", "/models/good"]


async def test_another_precision_is_another_engine(connect: Connect, engine: ScriptedEngine) -> None:
    loads: list[str] = []

    def load(settings: Settings) -> ScriptedEngine:
        loads.append(settings.precision)
        return engine

    editor = connect(load)
    await editor.start(options={"precision": "int8"})
    editor.open(EMPTY_BODY)
    await editor.complete(1, 4)
    _push(editor, {"dlm-lsp": {"precision": "bf16"}})
    await editor.complete(1, 4)
    assert loads == ["int8", "bf16"]


@pytest.mark.parametrize(("capabilities", "expected"), [(REGISTERS, 1), (types.ClientCapabilities(), 0)])
async def test_registration_is_for_clients_that_allow_it(
    connect: Connect, engine: ScriptedEngine, capabilities: types.ClientCapabilities, expected: int
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(capabilities)
    editor.open(EMPTY_BODY)
    await editor.complete(1, 4)
    methods = [registration.method for registration in editor.registrations]
    assert methods == [types.WORKSPACE_DID_CHANGE_CONFIGURATION] * expected


async def test_settings_that_never_came_are_no_error_at_the_end(
    connect: Connect, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    editor = connect(lambda _settings: engine)
    is_asked, is_over = asyncio.Event(), asyncio.Event()
    del editor.protocol.fm.features[types.WORKSPACE_CONFIGURATION]

    @editor.feature(types.WORKSPACE_CONFIGURATION)
    async def configure(_params: types.ConfigurationParams) -> list[Payload]:
        is_asked.set()
        await is_over.wait()
        return [None]

    await editor.start(PULLS)
    await is_asked.wait()
    await editor.shutdown_async(None)
    is_over.set()
    assert "Traceback" not in caplog.text
