"""Fills that nobody waits for any more are given up, and soon the worker is free again."""

import asyncio

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import EMPTY_BODY, editing
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient


@pytest.fixture
def slow_engine() -> ScriptedEngine:
    return ScriptedEngine("return r", num_steps=50, is_gated=True)


async def begun(engine: ScriptedEngine) -> None:
    await asyncio.to_thread(engine.wait_for_step)


async def _worker_is_free(editor: EditorClient, engine: ScriptedEngine) -> int:
    """Let the engine go on, and wait for another document's fill; returns the steps that the first one had taken."""
    num_steps = engine.num_steps
    engine.num_steps = 1
    engine.allow(100)
    editor.open("x = \n", uri="file:///other.py")
    await editor.complete(0, 4, uri="file:///other.py")
    engine.num_steps = num_steps
    return engine.num_steps_done - 1


async def test_of_racing_requests_the_last_one_is_answered(connect: Connect, slow_engine: ScriptedEngine) -> None:
    slow_engine.num_steps = 2
    editor = await editing(connect, slow_engine)
    *others, last = [asyncio.ensure_future(editor.complete(1, 4)) for _ in range(3)]
    superseded = await asyncio.gather(*others, return_exceptions=True)
    slow_engine.allow(100)
    assert all(isinstance(each, JsonRpcRequestCancelled) for each in superseded)
    assert len(await last) == 1


@pytest.mark.parametrize("how", ["$/cancelRequest", "superseded", "didChange", "didClose", "settings", "shutdown"])
async def test_what_is_no_longer_wanted_frees_the_worker_within_one_step(
    connect: Connect, slow_engine: ScriptedEngine, how: str
) -> None:
    editor = await editing(connect, slow_engine, EMPTY_BODY + "\ndef later():\n    pass\n")
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await begun(slow_engine)
    if how == "$/cancelRequest":
        editor.cancel_request("mine")
    elif how == "superseded":
        assert await editor.complete(4, 8) == [], "a placeholder, which asks nothing of the engine"
    elif how == "didChange":
        editor.change(types.TextDocumentContentChangeWholeDocument("x = 1\n"))
    elif how == "settings":
        excluding = {"dlm-lsp": {"exclude": ["example.py"]}}
        editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(excluding))
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
    editor = await editing(connect, slow_engine)
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await begun(slow_engine)
    await editor.status("busy")
    editor.cancel_request("mine")
    await editor.status("normal")
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    slow_engine.allow(1)


async def test_no_work_is_done_for_a_draft_whose_client_is_gone(
    connect: Connect, slow_engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[object] = []
    monkeypatch.setattr("dlm_lsp.infilling.present_candidates", lambda *draft: finished.append(draft) or ())
    editor = await editing(connect, slow_engine)
    request = asyncio.ensure_future(editor.complete(1, 4, request_id="mine"))
    await begun(slow_engine)
    editor.cancel_request("mine")
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    await _worker_is_free(editor, slow_engine)
    assert len(finished) == 1, "the other document's"
