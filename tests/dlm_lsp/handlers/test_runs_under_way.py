"""Typing while the daemon fills: a run that agrees with what is typed goes on, any other stops at once."""

import asyncio

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dlm_lsp.draft_text import UNKNOWN
from tests.dlm_lsp.handlers.conftest import Connect, JoinedEditor
from tests.dlm_lsp.handlers.keystrokes import BODY, EMPTY_BODY, opened, type_at
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import Payload


async def running(
    connect: Connect, num_steps_done: int, num_steps: int = 10, text: str = BODY
) -> tuple[JoinedEditor, ScriptedEngine, "asyncio.Future[Payload]"]:
    """A fill of `EMPTY_BODY` that waits in a step, after some drafts that the editor has seen."""
    engine = ScriptedEngine(text, num_steps=num_steps, is_gated=True)
    editor = await opened(connect, engine)
    request = asyncio.ensure_future(editor.complete(1, 4))
    engine.allow(num_steps_done)
    await editor.until(lambda: bool(editor.drafts) and editor.drafts[-1].step == num_steps_done)
    return editor, engine, request


async def test_a_run_survives_the_typing_of_its_draft(connect: Connect) -> None:
    editor, engine, request = await running(connect, num_steps_done=5)
    type_at(editor, 1, 4, "pi", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 6, request_id="second"))
    await editor.until_asked()
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 6)
    draft = editor.drafts[-1]
    assert (draft.version, draft.step) == (2, 6)
    assert (draft.range.start.line, draft.range.start.character) == (1, 6)
    assert draft.text == BODY[: len(BODY) * 6 // 10].removeprefix("pi") + UNKNOWN
    assert draft.stableRanges == [[0, len(draft.text) - 1]]
    engine.allow(4)
    [item] = await next_request
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 6))
    assert (len(engine.requests), engine.num_steps_done) == (1, 10)
    assert editor.drafts[-1].requestId == "second"


async def test_a_run_survives_closers_that_the_editor_inserts(connect: Connect) -> None:
    editor, engine, request = await running(connect, 10, num_steps=20, text="size(self)[0]  ")
    type_at(editor, 1, 4, "size()", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 9, request_id="second"))
    await editor.until_asked()
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 11)
    draft = editor.drafts[-1]
    assert [draft.range.start.character, draft.range.end.character] == [9, 10]
    assert draft.text == "sel" + UNKNOWN
    engine.allow(9)
    [item] = await next_request
    assert (item.insert_text, item.range.end) == ("    size(self)[0]", types.Position(1, 10))
    assert len(engine.requests) == 1


@pytest.mark.parametrize("closer", ["", ")"], ids=["to be typed", "typed"])
async def test_a_run_survives_a_closing_line_at_another_depth(connect: Connect, closer: str) -> None:
    head, tail = "f(\n        1,\n", "    ) + 2  "
    known = len(f"{head}    )")
    editor, engine, request = await running(connect, known, num_steps=len(head + tail), text=head + tail)
    type_at(editor, 1, 4, f"{head}      {closer}", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    cursor = types.Position(3, len(f"      {closer}"))
    next_request = asyncio.ensure_future(editor.complete(cursor.line, cursor.character))
    await editor.until_asked()
    engine.allow(2)
    await editor.until(lambda: editor.drafts[-1].step == known + 2)
    draft = editor.drafts[-1]
    assert [draft.range.start.line, draft.range.start.character] == [cursor.line, cursor.character]
    assert draft.text == ") +".removeprefix(closer) + UNKNOWN
    assert draft.stableRanges == [[0, len(draft.text) - 1]]
    engine.allow(len(tail))
    [item] = await next_request
    assert item.insert_text == "      ) + 2"
    assert len(engine.requests) == 1


async def test_drafts_begin_at_the_cursor_even_in_front_of_what_they_say(connect: Connect) -> None:
    editor, engine, request = await running(connect, 10, num_steps=20, text="f()(1) + 2  ")
    type_at(editor, 1, 4, "f()", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 6))
    await editor.until_asked()
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 11)
    assert editor.drafts[-1].range.start.character == 6
    assert editor.drafts[-1].text.startswith(")(1)")
    engine.allow(9)
    [item] = await next_request
    assert (item.insert_text, item.range.end) == ("    f()(1) + 2", types.Position(1, 7))


async def test_a_run_that_ends_between_two_requests_is_not_lost(connect: Connect) -> None:
    editor, engine, request = await running(connect, num_steps_done=5)
    type_at(editor, 1, 4, "p", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.allow(5)
    await editor.until(lambda: editor.drafts[-1].finishReason == "stop")
    [item] = await editor.complete(1, 5)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("text", ["x", "pi = 4", BODY], ids=["otherwise", "in the end", "beyond what is known"])
async def test_typing_against_the_draft_stops_the_run_within_one_step(connect: Connect, text: str) -> None:
    editor, engine, request = await running(connect, num_steps_done=5)
    type_at(editor, 1, 4, text, 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.num_steps = 1
    engine.allow(50)
    assert len(await editor.complete(0, 12)) <= 1
    assert engine.num_steps_done <= 5 + 1 + 1
    assert len(engine.requests) == 2


async def test_a_draft_that_takes_back_what_was_typed_is_replaced_by_a_new_run(connect: Connect) -> None:
    editor, engine, request = await running(connect, num_steps_done=5)
    type_at(editor, 1, 4, "pi", 2)
    next_request = asyncio.ensure_future(editor.complete(1, 6))
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.middles = (" = 4",)
    engine.num_steps = 1
    engine.allow(50)
    [item] = await next_request
    assert item.insert_text == "    pi = 4"
    assert len(engine.requests) == 2


async def test_a_run_that_agrees_stops_without_another_request(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.fill_run.PATIENCE_SECONDS", 0.05)
    editor, engine, request = await running(connect, num_steps_done=5)
    type_at(editor, 1, 4, "pi", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    await editor.status("normal")
    engine.allow(50)
    editor.open("x = \n", uri="file:///other.py")
    engine.num_steps = 1
    await editor.complete(0, 4, uri="file:///other.py")
    assert engine.num_steps_done <= 5 + 1 + 1


async def test_a_request_for_another_place_does_not_wait_for_the_run(connect: Connect) -> None:
    engine = ScriptedEngine(BODY, num_steps=10, is_gated=True)
    editor = await opened(connect, engine, f"{EMPTY_BODY}\n\n{EMPTY_BODY}")
    first = asyncio.ensure_future(editor.complete(1, 4))
    await asyncio.to_thread(engine.wait_for_step)
    second = asyncio.ensure_future(editor.complete(5, 4))
    with pytest.raises(JsonRpcRequestCancelled):
        await first
    engine.allow(50)
    [item] = await second
    assert item.range == types.Range(types.Position(5, 0), types.Position(5, 4))
    assert len(engine.requests) == 2
    assert engine.num_steps_done <= 1 + 10


async def test_a_run_of_settings_that_have_changed_stops_and_leaves_nothing(connect: Connect) -> None:
    editor, engine, request = await running(connect, num_steps_done=5)
    changed = types.DidChangeConfigurationParams({"dlm-lsp": {"maxPromptTokens": 64}})
    editor.workspace_did_change_configuration(changed)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.allow(50)
    assert len(await editor.complete(1, 4)) == 1
    assert len(engine.requests) == 2
    assert engine.num_steps_done <= 5 + 1 + 10


async def test_of_requests_racing_with_typing_the_last_is_answered(connect: Connect) -> None:
    editor, engine, first = await running(connect, num_steps_done=5)
    requests = [first]
    for index, letter in enumerate("pi "):
        type_at(editor, 1, 4 + index, letter, 2 + index)
        requests.append(asyncio.ensure_future(editor.complete(1, 5 + index)))
        await asyncio.sleep(0)  # for the request to be sent before the next edit
    superseded = await asyncio.gather(*requests[:-1], return_exceptions=True)
    engine.allow(5)
    assert all(isinstance(each, JsonRpcRequestCancelled) for each in superseded)
    assert [item.insert_text for item in await requests[-1]] == ["    pi = 3\n    return pi * r"]
    assert len(engine.requests) == 1
