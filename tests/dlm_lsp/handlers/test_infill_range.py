"""`dlmLsp.infillRange`: an edit of the requested version, or the text alone, or the reason why there is none."""

import asyncio

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInternalError, JsonRpcRequestCancelled

from dlm_lsp.messages import DID_ACCEPT, INFILL_RANGE
from dlm_lsp.worker import MAX_LIVE_JOBS
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI, EditorClient, Payload

PLACEHOLDER = "def area(r):\n    pass\n"
APPLIES_EDITS = types.ClientCapabilities(workspace=types.WorkspaceClientCapabilities(apply_edit=True))
APPLIES_VERSIONED_EDITS = types.ClientCapabilities(
    workspace=types.WorkspaceClientCapabilities(
        apply_edit=True, workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True)
    )
)


def _range(start_line: int, start: int, end_line: int, end: int) -> dict[str, dict[str, int]]:
    return {"start": {"line": start_line, "character": start}, "end": {"line": end_line, "character": end}}


AT_PLACEHOLDER = _range(1, 6, 1, 6)


async def _editor(
    connect: Connect,
    engine: ScriptedEngine,
    capabilities: types.ClientCapabilities = APPLIES_VERSIONED_EDITS,
    text: str = PLACEHOLDER,
) -> EditorClient:
    editor = connect(lambda _settings: engine)
    await editor.start(capabilities)
    editor.open(text, version=7)
    return editor


async def test_the_command_is_advertised_once(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine())
    result = await editor.start()
    provider = result.capabilities.execute_command_provider
    assert provider
    assert list(provider.commands) == [INFILL_RANGE, DID_ACCEPT]


async def test_an_empty_range_fills_the_hole_there_by_one_versioned_edit(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("pi = 3\nreturn pi * r"))
    result = await editor.execute(URI, AT_PLACEHOLDER)
    assert (result["text"], result["applied"], result["parseValid"]) == ("pi = 3\n    return pi * r", True, True)
    [edit] = editor.edits
    [change] = edit.document_changes or []
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document == types.OptionalVersionedTextDocumentIdentifier(URI, 7)
    expected = types.Range(types.Position(1, 4), types.Position(1, 8))
    assert list(change.edits) == [types.TextEdit(expected, "pi = 3\n    return pi * r")]


async def test_a_range_replaces_what_it_covers(connect: Connect) -> None:
    engine = ScriptedEngine("    return 2")
    editor = await _editor(connect, engine, text="def f():\n    x = 1\n    return x\n")
    await editor.execute(URI, _range(1, 0, 2, 12))
    assert engine.requests[0].suffix == "\n"
    assert editor.edits[0].document_changes


async def test_a_client_without_document_changes_gets_plain_changes(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"), APPLIES_EDITS)
    assert (await editor.execute(URI, AT_PLACEHOLDER))["applied"]
    assert list(editor.edits[0].changes or {}) == [URI]


async def test_a_client_that_cannot_apply_edits_gets_the_text(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"), types.ClientCapabilities())
    result = await editor.execute(URI, AT_PLACEHOLDER)
    assert (result["text"], result["applied"]) == ("return r", False)
    assert result["range"]["start"]["character"] == 4
    assert result["finishReason"] == "stop"
    assert editor.edits == []


async def test_of_several_candidates_the_one_that_is_shown_says_why_it_ended(connect: Connect) -> None:
    engine = ScriptedEngine("return r +", "return r")
    engine.finish_reasons = ("length",)
    editor = await _editor(connect, engine)
    result = await editor.execute(URI, AT_PLACEHOLDER, {"n": 2})
    assert (result["text"], result["finishReason"]) == ("return r", "stop")


async def test_an_edit_that_the_client_refuses_is_reported(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    editor.applies_edits = False
    assert not (await editor.execute(URI, AT_PLACEHOLDER))["applied"]


async def test_a_preview_brings_the_text_and_edits_nothing(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    result = await editor.execute(URI, AT_PLACEHOLDER, {"apply": False})
    assert (result["text"], result["applied"], editor.edits) == ("return r", False, [])


async def test_a_fill_holds_what_one_call_wants_kept(connect: Connect) -> None:
    engine = ScriptedEngine("return r")
    editor = await _editor(connect, engine)
    anchors = {"keep": ["r"], "closing": "return r", "apply": False}
    assert (await editor.execute(URI, AT_PLACEHOLDER, anchors))["text"] == "return r"
    assert (engine.requests[0].keep, engine.requests[0].closing) == (("r",), "\n    return r")
    with pytest.raises(JsonRpcException, match="nothing with the texts of `keep` and `closing`"):
        await editor.execute(URI, AT_PLACEHOLDER, {"keep": ["area"]})
    assert editor.edits == []


@pytest.mark.parametrize("options", [{"apply": "no"}, [1], {"keep": "r"}, {"keep": [""]}, {"closing": ["r"]}])
async def test_invalid_options_are_refused(connect: Connect, options: Payload) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    with pytest.raises(JsonRpcException, match="must be"):
        await editor.execute(URI, AT_PLACEHOLDER, options)
    assert editor.edits == []


async def test_options_of_one_call_overrule_the_settings(connect: Connect) -> None:
    engine = ScriptedEngine("return r")
    editor = await _editor(connect, engine)
    await editor.execute(URI, AT_PLACEHOLDER, {"numSteps": 3, "seed": 9})
    assert (engine.options[0].num_steps, engine.options[0].seed) == (3, 9)


@pytest.mark.parametrize("far", [10_000, 2**31, 2**63])
async def test_a_number_beyond_the_end_is_the_end(connect: Connect, far: int) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    rest = {"start": {"line": 1, "character": 0}, "end": {"line": far, "character": far}}
    result = await editor.execute(URI, rest, {"apply": False})
    assert result["range"]["start"]["line"] == 1
    assert result["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "takes"),
        ((URI,), "takes"),
        ((URI, AT_PLACEHOLDER, None, None), "takes"),
        ((3, AT_PLACEHOLDER), "takes"),
        ((URI, "here"), "range must be an object"),
        ((URI, {"start": {"line": 1}}), "range's start must be a position"),
        ((URI, {**AT_PLACEHOLDER, "start": {"line": True, "character": 0}}), "range's start must be a position"),
        ((URI, {**AT_PLACEHOLDER, "end": {"line": -1, "character": 0}}), "range's end must be a position"),
        ((URI, AT_PLACEHOLDER, {"numSteps": 0}), "numSteps must be from 1 to 4096"),
        ((URI, AT_PLACEHOLDER, {"model": "/tmp/x"}), "model cannot be set here"),
    ],
)
async def test_wrong_arguments_are_one_sentence(connect: Connect, arguments: tuple[Payload, ...], message: str) -> None:
    engine = ScriptedEngine("return r")
    editor = await _editor(connect, engine)
    with pytest.raises(JsonRpcException, match=message) as caught:
        await editor.execute(*arguments)
    assert caught.value.code == types.ErrorCodes.InvalidParams
    assert message in (await editor.status("warning")).message
    assert engine.requests == []
    assert editor.popups == []


async def test_a_document_that_is_not_open_is_refused_and_the_status_says_so(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    with pytest.raises(JsonRpcException, match="is not open"):
        await editor.execute("file:///never/opened.py", AT_PLACEHOLDER)
    assert (await editor.status("inactive")).message == "file:///never/opened.py is not open"


async def test_an_unknown_command_is_an_error(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine())
    with pytest.raises(JsonRpcException, match=r"dlmLsp\.delete is not a command"):
        await editor.execute(command="dlmLsp.delete")


async def test_no_model_is_an_error_and_a_status(connect: Connect) -> None:
    def fail(_settings: object) -> ScriptedEngine:
        raise CheckpointError("/models/x holds no config.json")

    editor = connect(fail)
    await editor.start()
    editor.open(PLACEHOLDER)
    with pytest.raises(JsonRpcException, match="holds no config"):
        await editor.execute(URI, AT_PLACEHOLDER)
    assert (await editor.status("error")).message == "/models/x holds no config.json"


async def test_an_engine_that_breaks_is_an_error_and_a_status(connect: Connect) -> None:
    engine = ScriptedEngine("return r")
    engine.error = RuntimeError("CUDA out of memory")
    editor = await _editor(connect, engine)
    with pytest.raises(JsonRpcInternalError):
        await editor.execute(URI, AT_PLACEHOLDER)
    assert "CUDA out of memory" in (await editor.status("error")).message


@pytest.mark.parametrize("how", ["$/cancelRequest", "didChange"])
async def test_cancelling_frees_the_worker_and_changes_nothing(connect: Connect, how: str) -> None:
    engine = ScriptedEngine("return r", num_steps=50, is_gated=True)
    editor = await _editor(connect, engine)
    params = types.ExecuteCommandParams(INFILL_RANGE, [URI, AT_PLACEHOLDER])
    request = editor.protocol.send_request_async(types.WORKSPACE_EXECUTE_COMMAND, params, "mine")
    await asyncio.to_thread(engine.wait_for_step)
    if how == "didChange":
        editor.change(types.TextDocumentContentChangeWholeDocument("x = 1\n"), version=8)
    else:
        editor.cancel_request("mine")
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.allow(100)
    engine.num_steps = 1
    await editor.execute(URI, _range(0, 0, 0, 3))
    assert engine.num_steps_done <= 2
    assert len(editor.edits) == 1


async def test_an_edit_that_is_answered_after_its_request_was_cancelled_is_nobodys_fault(connect: Connect) -> None:
    editor = await _editor(connect, ScriptedEngine("return r"))
    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    del editor.protocol.fm.features[types.WORKSPACE_APPLY_EDIT]

    @editor.feature(types.WORKSPACE_APPLY_EDIT)
    async def apply_late(_params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        is_asked.set()
        await may_answer.wait()
        return types.ApplyWorkspaceEditResult(applied=True)

    params = types.ExecuteCommandParams(INFILL_RANGE, [URI, AT_PLACEHOLDER])
    request = editor.protocol.send_request(types.WORKSPACE_EXECUTE_COMMAND, params, msg_id="mine")
    await is_asked.wait()
    editor.cancel_request("mine")
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wrap_future(request)
    may_answer.set()
    assert (await editor.execute(URI, AT_PLACEHOLDER))["applied"]
    assert all(status.state != "warning" for status in editor.statuses)


async def test_an_edit_that_was_asked_for_does_not_wait_for_ghost_text(connect: Connect) -> None:
    engine = ScriptedEngine("return r", num_steps=10, is_gated=True)
    editor = await _editor(connect, engine, text="def area(r):\n    \n")
    ghost = asyncio.ensure_future(editor.complete(1, 4, trigger=types.InlineCompletionTriggerKind.Invoked))
    await asyncio.to_thread(engine.wait_for_step)
    edit = asyncio.ensure_future(editor.execute(URI, _range(1, 4, 1, 4)))
    with pytest.raises(JsonRpcRequestCancelled):
        await ghost
    engine.allow(50)
    assert (await edit)["text"].strip() == "return r"
    assert engine.num_steps_done <= 1 + 10


async def test_ghost_text_does_not_supersede_an_edit_that_was_asked_for(connect: Connect) -> None:
    engine = ScriptedEngine("return r", is_gated=True)
    editor = await _editor(connect, engine)
    edit = asyncio.ensure_future(editor.execute(URI, AT_PLACEHOLDER))
    await asyncio.to_thread(engine.wait_for_step)
    ghost = asyncio.ensure_future(editor.complete(0, 4))
    engine.allow(2)
    assert (await edit)["applied"]
    await ghost


async def test_many_documents_do_not_crowd_out_an_edit_that_was_asked_for(connect: Connect) -> None:
    engine = ScriptedEngine("return r", is_gated=True)
    editor = await _editor(connect, engine)
    edit = asyncio.ensure_future(editor.execute(URI, AT_PLACEHOLDER))
    await asyncio.to_thread(engine.wait_for_step)
    uris = [f"file:///project/{number}.py" for number in range(MAX_LIVE_JOBS + 1)]
    for uri in uris:
        editor.open("x = \n", uri=uri)
    invoked = types.InlineCompletionTriggerKind.Invoked
    ghosts = [asyncio.ensure_future(editor.complete(0, 4, uri=uri, trigger=invoked)) for uri in uris]
    with pytest.raises(JsonRpcRequestCancelled):
        await ghosts[0]
    engine.allow(10)
    assert (await edit)["applied"]
    assert len(await ghosts[-1]) == 1
    await asyncio.gather(*ghosts, return_exceptions=True)
