"""Edits over the protocol: the engine gets the text that the editor shows."""

import asyncio
import gc
import weakref

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.messages import INFILL_RANGE
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI, EditorClient


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("1")


async def _editor(connect: Connect, engine: ScriptedEngine) -> EditorClient:
    editor = connect(lambda _settings: engine)
    await editor.start()
    return editor


def _insertion(line: int, character: int, text: str) -> types.TextDocumentContentChangePartial:
    at = types.Position(line, character)
    return types.TextDocumentContentChangePartial(types.Range(at, at), text)


async def test_typing_after_an_emoji_in_a_crlf_file(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine)
    editor.open("a = '😀'\r\nb = '\u2028😀'; c\r\n")
    for version, typed in enumerate(" = ", start=2):
        editor.change(_insertion(1, 10 + version, typed), version=version)
    await editor.complete(1, 15)
    assert engine.requests[0].prefix == "a = '😀'\nb = '\u2028😀'; c = "
    assert engine.requests[0].suffix == "\n"


async def test_opening_again_replaces_the_text_and_stops_what_ran_for_it(connect: Connect) -> None:
    engine = ScriptedEngine("1", num_steps=50, is_gated=True)
    editor = await _editor(connect, engine)
    editor.open("a = \n")
    request = asyncio.ensure_future(editor.complete(0, 4))
    await asyncio.to_thread(engine.wait_for_step)
    editor.open("bc = \n", version=1)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.allow(100)
    await editor.complete(0, 5)
    assert engine.requests[1].prefix == "bc = "


async def test_the_engine_forgets_a_document_that_is_closed_even_while_it_fills_it(connect: Connect) -> None:
    engine = ScriptedEngine("1", num_steps=50, is_gated=True)
    editor = await _editor(connect, engine)
    editor.open("a = \n")
    request = asyncio.ensure_future(editor.complete(0, 4))
    await asyncio.to_thread(engine.wait_for_step)
    editor.close()
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    assert engine.forgotten == [], "not before the step is over, which reads it"
    engine.allow(100)
    editor.open("b = \n")
    await editor.complete(0, 4)
    assert engine.forgotten == [URI]
    assert [each.document for each in engine.requests] == [URI, URI]
    assert engine.num_steps_done < 100, "the step that was under way, and the fill of the other text"


async def test_nothing_keeps_the_text_of_a_document_that_is_closed(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine)
    editor.open("a = \n")
    await editor.complete(0, 4)
    ending = engine.requests.pop().ending
    assert isinstance(ending, HoleEnding)
    snapshot = weakref.ref(ending.hole.snapshot)
    del ending
    assert snapshot() is not None
    editor.close()
    async with asyncio.timeout(10):
        while snapshot() is not None:
            await asyncio.sleep(0.01)
            gc.collect()


async def test_a_version_that_does_not_grow_is_logged_and_applied(
    connect: Connect, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    editor = await _editor(connect, engine)
    editor.open("a\n", version=5)
    editor.change(_insertion(0, 1, " = "), version=5)
    await editor.complete(0, 4)
    assert engine.requests[0].prefix == "a = "
    assert "version 5 came after 5" in caplog.text


async def test_a_request_is_about_the_text_that_was_there_when_it_came(
    connect: Connect, engine: ScriptedEngine
) -> None:
    """Request and edit come in one packet: looked up in the text after the edit, the range would be filled."""
    editor = await _editor(connect, engine)
    editor.open("a = 1\nbc = 3\n")
    where = {"start": {"line": 1, "character": 5}, "end": {"line": 1, "character": 6}}
    request = editor.workspace_execute_command(types.ExecuteCommandParams(INFILL_RANGE, [URI, where]))
    editor.change(_insertion(0, 0, "\n"), version=2)
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wrap_future(request)


async def test_a_version_without_edits_is_the_documents_all_the_same(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine)
    editor.open("a = \n")
    editor.change(version=2)
    where = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 4}}
    assert (await editor.execute(URI, where))["version"] == 2


async def test_changing_or_closing_what_is_not_open_is_no_error(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await _editor(connect, engine)
    editor.change(_insertion(0, 0, "x"))
    editor.close()
    assert await editor.complete(0, 0) == []
    assert all(status.state != "warning" for status in editor.statuses)
