"""Where there is no ghost text, the answer is empty and a status says why."""

from pathlib import Path

import pytest
from lsprotocol import types

from dlm_model.errors import CheckpointError, DeviceError, DeviceLostError, RequestError
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import EMPTY_BODY, delete_at, editing, type_at
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI


@pytest.mark.parametrize(
    ("text", "position"),
    [("def f():\n    pass\n", (1, 8)), ("def f():\n    pass\n\n", (2, 0))],
    ids=["placeholder", "several lines"],
)
async def test_a_hole_that_ghost_text_cannot_replace_is_offered_as_an_edit(
    connect: Connect, engine: ScriptedEngine, text: str, position: tuple[int, int]
) -> None:
    editor = await editing(connect, engine, text)
    assert await editor.complete(*position) == []
    status = await editor.status("inactive")
    assert "ghost text" in status.message
    assert status.command.command == "dlmLsp.infillRange"
    assert status.command.arguments[0] == URI
    assert engine.requests == [], "the model ran for nothing"


async def test_an_empty_document_gets_nothing(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await editing(connect, engine, "\n")
    assert await editor.complete(0, 0) == []
    await editor.until(lambda: editor.statuses[-1].message.endswith("nothing to go by"))
    assert engine.requests == []


async def test_an_entry_that_cannot_be_extended_gets_nothing(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await editing(connect, engine, "def f():\n    pas\n")
    where = types.Range(types.Position(1, 4), types.Position(1, 7))
    assert await editor.complete(1, 7, selected=types.SelectedCompletionInfo(where, "pass")) == []


@pytest.mark.parametrize(
    ("language_id", "uri", "reason"),
    [
        ("markdown", "file:///a.md", "No grammar for markdown"),
        ("", "untitled:Untitled-1", "No grammar"),
        ("python", "file:///p/.env", "may hold secrets"),
        ("python", "file:///p/gen/a.py", "exclude"),
        ("rust", "file:///p/a.rs", "disabled_languages"),
        ("python", "file:///p/large.py", "more than 100"),
    ],
)
async def test_a_document_that_gets_nothing_says_why(
    connect: Connect, engine: ScriptedEngine, language_id: str, uri: str, reason: str
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(options={"exclude": ["gen/*"], "disabledLanguages": ["rust"], "maxDocumentChars": 100})
    editor.open("x" * 200 if "large" in uri else "x = ", uri=uri, language_id=language_id)
    assert await editor.complete(0, 4, uri=uri) == []
    status = await editor.status("inactive")
    assert reason in status.message
    assert engine.requests == []


async def test_a_document_that_its_project_ignores_says_why(
    connect: Connect, engine: ScriptedEngine, tmp_path: Path
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(root_uri=tmp_path.as_uri())
    (tmp_path / ".gitignore").write_text("local_*\n")
    uri = (tmp_path / "local_settings.py").as_uri()
    editor.open("x = ", uri=uri)
    assert await editor.complete(0, 4, uri=uri) == []
    assert "ignored by" in (await editor.status("inactive")).message
    assert engine.requests == []


async def test_a_document_that_was_too_large_is_filled_once_the_limit_is_raised(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await editing(connect, engine, EMPTY_BODY, options={"maxDocumentChars": 10})
    assert await editor.complete(1, 4) == []
    settings = {"dlm-lsp": {"maxDocumentChars": 100}}
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    assert len(await editor.complete(1, 4)) == 1


async def test_a_document_that_edits_make_small_enough_is_filled_and_one_that_grows_is_not(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await editing(connect, engine, EMPTY_BODY + "x" * 100, options={"maxDocumentChars": 100})
    assert await editor.complete(1, 4) == []
    delete_at(editor, 2, 0, 100, version=2)
    assert len(await editor.complete(1, 4)) == 1
    type_at(editor, 0, 0, "x" * 100, version=3)
    assert await editor.complete(1, 4) == []
    assert "more than 100" in (await editor.status("inactive")).message


async def test_a_document_that_was_never_opened_gets_nothing(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start()
    assert await editor.complete(0, 0) == []
    assert (await editor.status("inactive")).message == f"{URI} is not open"


async def test_switched_off_never_loads_a_model(connect: Connect) -> None:
    loads: list[object] = []
    editor = connect(lambda settings: loads.append(settings) or ScriptedEngine())
    await editor.start(options={"enabled": False, "preload": True})
    editor.open(EMPTY_BODY)
    assert await editor.complete(1, 4) == []
    assert "enabled" in (await editor.status("inactive")).message
    assert loads == []


@pytest.mark.parametrize("middles", [(), ("",), ("   \n",)])
async def test_a_model_with_nothing_to_say_says_so(connect: Connect, middles: tuple[str, ...]) -> None:
    editor = await editing(connect, ScriptedEngine(*middles))
    assert await editor.complete(1, 4) == []
    assert (await editor.status("normal")).message == "the model has nothing for this hole"


async def test_a_deadline_that_leaves_nothing_to_show_is_the_reason(connect: Connect) -> None:
    engine = ScriptedEngine("")
    engine.finish_reasons = ("deadline",)
    editor = connect(lambda _settings: engine)
    await editor.start(options={"deadlineMs": 500})
    editor.open(EMPTY_BODY)
    assert await editor.complete(1, 4) == []
    reason = "the model wrote nothing that could be shown within 500 ms; a longer deadlineMs may help"
    assert (await editor.status("normal")).message == reason


async def test_only_what_parses_is_shown_where_that_is_required(connect: Connect) -> None:
    engine = ScriptedEngine("return (")
    editor = connect(lambda _settings: engine)
    await editor.start(options={"requireValid": True})
    editor.open(EMPTY_BODY)
    assert await editor.complete(1, 4) == []
    message = (await editor.status("normal")).message
    assert message == "the model has nothing but fills that add syntax errors for this hole"
    engine.middles = ("return 1",)
    assert len(await editor.complete(1, 4)) == 1


@pytest.mark.parametrize(
    ("required", "expected"), [(None, [False, True]), (False, [True, True]), (True, [False, False])]
)
async def test_require_valid_decides_which_completions_have_to_parse(
    connect: Connect, required: bool | None, expected: list[bool]
) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return ("))
    await editor.start(options={"requireValid": required, "debounceMs": 0})
    editor.open(EMPTY_BODY)
    kinds = types.InlineCompletionTriggerKind
    asked = (kinds.Automatic, kinds.Invoked, kinds.Automatic)  # a fill kept for one kind is not for the other
    shown = [bool(await editor.complete(1, 4, trigger=kind)) for kind in asked]
    assert shown == [*expected, expected[0]]


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (RequestError("the prompt has 9000 tokens, the model takes 2048"), "warning", "the prompt has 9000 tokens"),
        (RuntimeError("CUDA out of memory"), "error", "internal error: CUDA out of memory"),
        (DeviceLostError("restart the server"), "error", "restart the server"),
    ],
)
async def test_an_engine_that_fails_is_a_status_and_an_empty_answer(
    connect: Connect, engine: ScriptedEngine, error: Exception, state: str, message: str
) -> None:
    engine.error = error
    editor = await editing(connect, engine)
    assert await editor.complete(1, 4) == []
    assert message in (await editor.status(state)).message
    engine.error = None
    assert len(await editor.complete(1, 4)) == 1
    assert editor.popups == []


async def test_a_model_that_cannot_be_loaded_is_a_status_and_no_popup(connect: Connect) -> None:
    def fail(_settings: object) -> ScriptedEngine:
        raise CheckpointError("/models/x holds no config.json")

    editor = connect(fail)
    await editor.start()
    editor.open(EMPTY_BODY)
    for _ in range(2):
        assert await editor.complete(1, 4) == []
    assert (await editor.status("error")).message == "/models/x holds no config.json"
    assert editor.popups == []


@pytest.mark.parametrize("how", ["invoked", "edit"])
async def test_whoever_asks_for_a_fill_has_loading_tried_again(
    connect: Connect, engine: ScriptedEngine, how: str
) -> None:
    is_free = False

    def load(_settings: object) -> ScriptedEngine:
        if is_free:
            return engine
        raise DeviceError("no memory")

    editor = connect(load)
    await editor.start()
    editor.open(EMPTY_BODY)
    assert await editor.complete(1, 4) == []
    assert (await editor.status("error")).message == "no memory"
    is_free = True
    assert await editor.complete(1, 4) == []
    if how == "invoked":
        assert len(await editor.complete(1, 4, trigger=types.InlineCompletionTriggerKind.Invoked)) == 3
    else:
        cursor = {"line": 1, "character": 4}
        result = await editor.execute(URI, {"start": cursor, "end": cursor}, {"apply": False})
        assert result["text"].endswith("return pi * r")
