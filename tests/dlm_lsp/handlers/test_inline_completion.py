"""Ghost text over the protocol: what is answered, what never is, and how soon the worker is free again."""

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from dlm_model.errors import CheckpointError, RequestError
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI, EditorClient, Payload

EMPTY_BODY = "def area(r):\n    \n"
INVOKED = types.InlineCompletionTriggerKind.Invoked


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("pi = 3\nreturn pi * r", "return 3 * r", "return r")


@pytest.fixture
def slow_engine() -> ScriptedEngine:
    return ScriptedEngine("return r", num_steps=50, is_gated=True)


async def _editor(connect: Connect, engine: ScriptedEngine, text: str = EMPTY_BODY, **start: Payload) -> EditorClient:
    editor = connect(lambda _settings: engine)
    await editor.start(**start)
    editor.open(text)
    return editor


async def _begun(engine: ScriptedEngine) -> None:
    await asyncio.to_thread(engine.wait_for_step)


async def _worker_is_free(editor: EditorClient, engine: ScriptedEngine) -> int:
    """Let the engine go on, wait for another document's fill, and tell how many steps the first one had taken."""
    num_steps = engine.num_steps
    engine.num_steps = 1
    engine.allow(100)
    editor.open("x = \n", uri="file:///other.py")
    await editor.complete(0, 4, uri="file:///other.py")
    engine.num_steps = num_steps
    return engine.num_steps_done - 1


async def test_a_body_is_filled_from_column_0_of_the_cursors_line(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine)
    [item] = await editor.complete(1, 4)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert item.filter_text == item.insert_text
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 4))
    assert engine.requests[0].prefix.endswith("def area(r):\n    ")
    status = await editor.status("normal")
    assert status.message


async def test_the_rest_of_a_line_is_filled_between_what_stands_there(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("nge(3)"), "for i in ra:\n    pass\n")
    [item] = await editor.complete(0, 11)
    assert item.insert_text == "for i in range(3)"
    assert item.range == types.Range(types.Position(0, 0), types.Position(0, 11))


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 14), ("utf-16", 12), ("utf-32", 11)])
async def test_columns_count_in_the_negotiated_encoding(connect: Connect, encoding: str, character: int) -> None:
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind(encoding)])
    )
    editor = connect(lambda _settings: ScriptedEngine("len(s)"))
    result = await editor.start(capabilities)
    assert result.capabilities.position_encoding == encoding
    editor.open('s = "😀"; x=\n')
    [item] = await editor.complete(0, character)
    assert item.insert_text == 's = "😀"; x=len(s)'
    assert item.range == types.Range(types.Position(0, 0), types.Position(0, character))


@pytest.mark.parametrize(("trigger", "expected"), [(INVOKED, 3), (types.InlineCompletionTriggerKind.Automatic, 1)])
async def test_alternatives_are_for_those_who_ask(
    connect: Connect, engine: ScriptedEngine, trigger: types.InlineCompletionTriggerKind, expected: int
) -> None:
    editor = await _editor(connect, engine)
    assert len(await editor.complete(1, 4, trigger=trigger)) == expected
    assert engine.options[0].num_candidates == expected


async def test_fewer_alternatives_by_setting(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine, options={"candidates": 2})
    assert len(await editor.complete(1, 4, trigger=INVOKED)) == 2


@pytest.mark.parametrize(
    ("text", "position"),
    [("def f():\n    pass\n", (1, 8)), ("def f():\n    pass\n\n", (2, 0))],
    ids=["placeholder", "several lines"],
)
async def test_a_hole_that_ghost_text_cannot_replace_is_offered_as_an_edit(
    connect: Connect, engine: ScriptedEngine, text: str, position: tuple[int, int]
) -> None:
    editor = await _editor(connect, engine, text)
    assert await editor.complete(*position) == []
    status = await editor.status("inactive")
    assert "ghost text" in status.message
    assert status.command.command == "dlmLsp.infillRange"
    assert status.command.arguments[0] == URI
    assert engine.requests == [], "the model ran for nothing"


async def test_an_entry_selected_in_the_completion_list_is_extended(connect: Connect) -> None:
    engine = ScriptedEngine("(r)")
    editor = await _editor(connect, engine, "x = pri\n")
    where = types.Range(types.Position(0, 4), types.Position(0, 7))
    [item] = await editor.complete(0, 7, selected=types.SelectedCompletionInfo(where, "print"))
    assert (item.insert_text, item.range) == ("print(r)", where)
    assert engine.requests[0].prefix == "x = print"


async def test_an_entry_that_cannot_be_extended_gets_nothing(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine, "def f():\n    pas\n")
    where = types.Range(types.Position(1, 4), types.Position(1, 7))
    assert await editor.complete(1, 7, selected=types.SelectedCompletionInfo(where, "pass")) == []


@pytest.mark.parametrize("position", [(1, 400), (99, 0), (99, 99)])
async def test_a_cursor_past_the_end_is_clamped(
    connect: Connect, engine: ScriptedEngine, position: tuple[int, int]
) -> None:
    editor = await _editor(connect, engine, "def area(r):\n    ")
    [item] = await editor.complete(*position)
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 4))


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
    editor = await _editor(connect, engine, EMPTY_BODY, options={"maxDocumentChars": 10})
    assert await editor.complete(1, 4) == []
    settings = {"dlm-lsp": {"maxDocumentChars": 100}}
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    assert len(await editor.complete(1, 4)) == 1


async def test_an_untitled_document_of_a_known_language_is_filled(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start()
    editor.open(EMPTY_BODY, uri="untitled:Untitled-1")
    assert len(await editor.complete(1, 4, uri="untitled:Untitled-1")) == 1


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
    editor = await _editor(connect, ScriptedEngine(*middles))
    assert await editor.complete(1, 4) == []
    assert (await editor.status("normal")).message == "the model has nothing for this hole"


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
async def test_by_itself_nothing_comes_that_does_not_parse_and_whoever_asks_may_have_it(
    connect: Connect, required: bool | None, expected: list[bool]
) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return ("))
    await editor.start(options={"requireValid": required, "debounceMs": 0})
    editor.open(EMPTY_BODY)
    kinds = types.InlineCompletionTriggerKind
    asked = (kinds.Automatic, kinds.Invoked, kinds.Automatic)  # what was remembered for one is not for the other
    shown = [bool(await editor.complete(1, 4, trigger=kind)) for kind in asked]
    assert shown == [*expected, expected[0]]


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (RequestError("the prompt has 9000 tokens, the model takes 2048"), "warning", "the prompt has 9000 tokens"),
        (RuntimeError("CUDA out of memory"), "error", "internal error: CUDA out of memory"),
    ],
)
async def test_an_engine_that_fails_is_a_status_and_an_empty_answer(
    connect: Connect, engine: ScriptedEngine, error: Exception, state: str, message: str
) -> None:
    engine.error = error
    editor = await _editor(connect, engine)
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


async def test_of_racing_requests_the_last_one_is_answered(connect: Connect, slow_engine: ScriptedEngine) -> None:
    slow_engine.num_steps = 2
    editor = await _editor(connect, slow_engine)
    racing = [asyncio.ensure_future(editor.complete(1, 4)) for _ in range(3)]
    await _begun(slow_engine)
    slow_engine.allow(100)
    *superseded, last = await asyncio.gather(*racing, return_exceptions=True)
    assert all(isinstance(each, JsonRpcRequestCancelled) for each in superseded)
    assert not isinstance(last, BaseException)
    assert len(last) == 1


@pytest.mark.parametrize("how", ["$/cancelRequest", "superseded", "didChange", "didClose", "shutdown"])
async def test_what_is_no_longer_wanted_frees_the_worker_within_one_step(
    connect: Connect, slow_engine: ScriptedEngine, how: str
) -> None:
    editor = await _editor(connect, slow_engine, EMPTY_BODY + "\ndef later():\n    pass\n")
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await _begun(slow_engine)
    if how == "$/cancelRequest":
        editor.cancel_request("mine")
    elif how == "superseded":
        assert await editor.complete(4, 8) == [], "a placeholder, which asks nothing of the engine"
    elif how == "didChange":
        editor.change(types.TextDocumentContentChangeWholeDocument("x = 1\n"))
    elif how == "didClose":
        editor.close()
    else:
        await editor.shutdown_async(None)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    if how == "shutdown":
        slow_engine.allow(100)
    else:
        assert await _worker_is_free(editor, slow_engine) <= 1
    assert slow_engine.num_steps_done <= 2


async def test_a_cancelled_request_leaves_no_busy_status(connect: Connect, slow_engine: ScriptedEngine) -> None:
    editor = await _editor(connect, slow_engine)
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await _begun(slow_engine)
    await editor.status("busy")
    editor.cancel_request("mine")
    await editor.status("normal")
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    slow_engine.allow(1)


async def test_nothing_is_made_of_a_draft_that_nobody_waits_for(
    connect: Connect, slow_engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[object] = []
    monkeypatch.setattr("dlm_lsp.handlers.filling.finish", lambda *draft: finished.append(draft) or ())
    editor = await _editor(connect, slow_engine)
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await _begun(slow_engine)
    editor.cancel_request("mine")
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    await _worker_is_free(editor, slow_engine)
    assert len(finished) == 1, "the other document's"


async def test_a_client_that_does_not_know_inline_completion_is_served(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await _editor(connect, engine, capabilities=types.ClientCapabilities())
    assert len(await editor.complete(1, 4)) == 1


async def test_parameters_that_cannot_be_read_are_answered_with_an_error(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await _editor(connect, engine)
    garbage = types.Position(1, 4)
    object.__setattr__(garbage, "line", "here")
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(INVOKED), types.TextDocumentIdentifier(URI), garbage
    )
    with pytest.raises(JsonRpcInvalidParams):
        await editor.text_document_inline_completion_async(params)
    assert len(await editor.complete(1, 4)) == 1
    assert editor.popups == []
