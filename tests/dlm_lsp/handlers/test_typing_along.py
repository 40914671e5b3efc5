"""Typing while the daemon fills: what is known costs no forward, what agrees goes on, what disagrees stops at once."""

import asyncio
from time import perf_counter

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient, Payload

EMPTY_BODY = "def area(r):\n    \n"
BODY = "pi = 3\nreturn pi * r"
INVOKED = types.InlineCompletionTriggerKind.Invoked
IMMEDIATE = {"debounceMs": 0, "drafts": True, "draftIntervalMs": 0}


async def _editor(
    connect: Connect, engine: ScriptedEngine, text: str = EMPTY_BODY, options: Payload = IMMEDIATE
) -> EditorClient:
    editor = connect(lambda _settings: engine)
    await editor.start(options=options)
    editor.open(text)
    return editor


def _type(editor: EditorClient, line: int, character: int, text: str, version: int) -> None:
    at = types.Position(line, character)
    editor.change(types.TextDocumentContentChangePartial(types.Range(at, at), text), version=version)


def _delete(editor: EditorClient, line: int, start: int, end: int, version: int) -> None:
    where = types.Range(types.Position(line, start), types.Position(line, end))
    editor.change(types.TextDocumentContentChangePartial(where, ""), version=version)


async def _running(
    connect: Connect, num_steps_done: int, num_steps: int = 10, text: str = BODY
) -> tuple[EditorClient, ScriptedEngine, "asyncio.Future[Payload]"]:
    """A fill of `EMPTY_BODY` that waits in a step, after some drafts that the editor has seen."""
    engine = ScriptedEngine(text, num_steps=num_steps, is_gated=True)
    editor = await _editor(connect, engine)
    request = asyncio.ensure_future(editor.complete(1, 4))
    engine.allow(num_steps_done)
    await editor.until(lambda: bool(editor.drafts) and editor.drafts[-1].step == num_steps_done)
    return editor, engine, request


async def test_typing_what_was_filled_is_answered_without_a_forward(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine)
    await editor.complete(1, 4)
    for index, letter in enumerate("pi = 3"):
        _type(editor, 1, 4 + index, letter, 2 + index)
        [item] = await editor.complete(1, 5 + index)
        assert item.insert_text == "    pi = 3\n    return pi * r"
        assert item.range == types.Range(types.Position(1, 0), types.Position(1, 5 + index))
    assert len(engine.requests) == 1
    assert "typed along" in (await editor.status("normal")).message


async def test_deleting_back_is_answered_without_a_forward(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine)
    await editor.complete(1, 4)
    _type(editor, 1, 4, "pi =", 2)
    _delete(editor, 1, 5, 8, 3)
    [item] = await editor.complete(1, 5)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
async def test_after_an_accepted_word_and_line_the_rest_is_served(connect: Connect, line_break: str) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine, EMPTY_BODY.replace("\n", line_break))
    await editor.complete(1, 4)
    _type(editor, 1, 4, "pi", 2)
    [item] = await editor.complete(1, 6)
    assert item.insert_text == f"    pi = 3{line_break}    return pi * r"
    _type(editor, 1, 6, f" = 3{line_break}    ", 3)
    [item] = await editor.complete(2, 4)
    assert (item.insert_text, item.range.start) == ("    return pi * r", types.Position(2, 0))
    assert len(engine.requests) == 1


async def test_closers_that_the_editor_puts_in_are_typed_along_with(connect: Connect) -> None:
    engine = ScriptedEngine("size(self)[0]\nreturn 1")
    editor = await _editor(connect, engine)
    await editor.complete(1, 4)
    _type(editor, 1, 4, "size", 2)
    _type(editor, 1, 8, "()", 3)
    [item] = await editor.complete(1, 9)
    assert item.insert_text == "    size(self)[0]\n    return 1"
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 10))
    _type(editor, 1, 9, "self", 4)
    [item] = await editor.complete(1, 13)
    assert item.range.end == types.Position(1, 14)
    _type(editor, 1, 14, "[]", 5)
    [item] = await editor.complete(1, 15)
    assert (item.insert_text, item.range.end) == ("    size(self)[0]\n    return 1", types.Position(1, 16))
    assert len(engine.requests) == 1


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
async def test_a_block_that_the_editor_closes_below_is_served_up_to_there(connect: Connect, line_break: str) -> None:
    engine = ScriptedEngine("x = {\n    1: 2,\n}\nreturn x")
    editor = await _editor(connect, engine, EMPTY_BODY.replace("\n", line_break))
    await editor.complete(1, 4)
    _type(editor, 1, 4, "x = {}", 2)
    _type(editor, 1, 9, f"{line_break}        {line_break}    ", 3)
    [item] = await editor.complete(2, 8)
    where = types.Range(types.Position(2, 0), types.Position(2, 8))
    assert (item.insert_text, item.range) == ("        1: 2,", where)
    _type(editor, 2, 8, "1: 2,", 4)
    [item] = await editor.complete(3, 5)
    assert item.insert_text == f"    }}{line_break}    return x"
    assert len(engine.requests) == 1


async def test_typing_something_else_asks_anew(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine)
    await editor.complete(1, 4)
    _type(editor, 1, 4, "q", 2)
    await editor.complete(1, 5)
    assert len(engine.requests) == 2


async def test_a_closed_document_is_forgotten(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine)
    for _ in range(2):
        await editor.complete(1, 4)
        editor.close()
        editor.open(EMPTY_BODY)
    assert len(engine.requests) == 2


async def test_asking_by_hand_after_an_automatic_answer_brings_alternatives(connect: Connect) -> None:
    engine = ScriptedEngine("return 1", "return 1", "return (", "return 2")
    editor = await _editor(connect, engine, options={"debounceMs": 0, "candidates": 3})
    assert len(await editor.complete(1, 4)) == 1
    items = await editor.complete(1, 4, trigger=INVOKED)
    assert [item.insert_text.strip() for item in items] == ["return 1", "return ("], "no doubles, parse-valid first"
    assert await editor.complete(1, 4, trigger=INVOKED) == items
    assert len(engine.requests) == 2


async def test_a_run_goes_on_while_its_draft_is_typed(connect: Connect) -> None:
    editor, engine, request = await _running(connect, num_steps_done=5)
    _type(editor, 1, 4, "pi", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 6, request_id="second"))
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 6)
    draft = editor.drafts[-1]
    assert (draft.version, draft.step) == (2, 6)
    assert (draft.range.start.line, draft.range.start.character) == (1, 6)
    assert draft.text == BODY[: len(BODY) * 6 // 10].removeprefix("pi")
    assert draft.stableRanges == [[0, len(draft.text)]]
    engine.allow(4)
    [item] = await next_request
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 6))
    assert (len(engine.requests), engine.num_steps_done) == (1, 10)
    assert editor.drafts[-1].requestId == "second"


async def test_a_run_goes_on_while_the_editor_closes_what_its_draft_opens(connect: Connect) -> None:
    editor, engine, request = await _running(connect, 10, num_steps=20, text="size(self)[0]  ")
    _type(editor, 1, 4, "size()", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 9, request_id="second"))
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 11)
    draft = editor.drafts[-1]
    assert [draft.range.start.character, draft.range.end.character] == [9, 10]
    assert draft.text == "sel"
    engine.allow(9)
    [item] = await next_request
    assert (item.insert_text, item.range.end) == ("    size(self)[0]", types.Position(1, 10))
    assert len(engine.requests) == 1


@pytest.mark.parametrize("closer", ["", ")"], ids=["to be typed", "typed"])
async def test_a_run_goes_on_while_a_closing_line_is_typed_at_another_depth(connect: Connect, closer: str) -> None:
    head, tail = "f(\n        1,\n", "    ) + 2  "
    known = len(f"{head}    )")
    editor, engine, request = await _running(connect, known, num_steps=len(head + tail), text=head + tail)
    _type(editor, 1, 4, f"{head}      {closer}", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    cursor = types.Position(3, len(f"      {closer}"))
    next_request = asyncio.ensure_future(editor.complete(cursor.line, cursor.character))
    await asyncio.sleep(0.05)  # for the server to be asked before the next step
    engine.allow(2)
    await editor.until(lambda: editor.drafts[-1].step == known + 2)
    draft = editor.drafts[-1]
    assert [draft.range.start.line, draft.range.start.character] == [cursor.line, cursor.character]
    assert draft.text == ") +".removeprefix(closer)
    assert draft.stableRanges == [[0, len(draft.text)]]
    engine.allow(len(tail))
    [item] = await next_request
    assert item.insert_text == "      ) + 2"
    assert len(engine.requests) == 1


async def test_drafts_begin_at_the_cursor_even_in_front_of_what_they_say(connect: Connect) -> None:
    editor, engine, request = await _running(connect, 10, num_steps=20, text="f()(1) + 2  ")
    _type(editor, 1, 4, "f()", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    next_request = asyncio.ensure_future(editor.complete(1, 6))
    await asyncio.sleep(0.05)  # for the server to be asked before the next step
    engine.allow(1)
    await editor.until(lambda: editor.drafts[-1].step == 11)
    assert editor.drafts[-1].range.start.character == 6
    assert editor.drafts[-1].text.startswith(")(1)")
    engine.allow(9)
    [item] = await next_request
    assert (item.insert_text, item.range.end) == ("    f()(1) + 2", types.Position(1, 7))


async def test_a_run_that_ends_between_two_requests_is_not_lost(connect: Connect) -> None:
    editor, engine, request = await _running(connect, num_steps_done=5)
    _type(editor, 1, 4, "p", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.allow(5)
    await editor.until(lambda: editor.drafts[-1].finishReason == "stop")
    [item] = await editor.complete(1, 5)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("text", ["x", "pi = 4", BODY], ids=["otherwise", "in the end", "beyond what is known"])
async def test_typing_against_the_draft_stops_the_run_within_one_step(connect: Connect, text: str) -> None:
    editor, engine, request = await _running(connect, num_steps_done=5)
    _type(editor, 1, 4, text, 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.num_steps = 1
    engine.allow(50)
    assert len(await editor.complete(0, 12)) <= 1
    assert engine.num_steps_done <= 5 + 1 + 1
    assert len(engine.requests) == 2


async def test_a_draft_that_takes_back_what_was_typed_is_replaced_by_a_new_run(connect: Connect) -> None:
    editor, engine, request = await _running(connect, num_steps_done=5)
    _type(editor, 1, 4, "pi", 2)
    next_request = asyncio.ensure_future(editor.complete(1, 6))
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    engine.middles = (" = 4",)
    engine.num_steps = 1
    engine.allow(50)
    [item] = await next_request
    assert item.insert_text == "    pi = 4"
    assert len(engine.requests) == 2


async def test_a_run_that_agrees_stops_when_nobody_asks_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.fill_run.PATIENCE_SECONDS", 0.05)
    editor, engine, request = await _running(connect, num_steps_done=5)
    _type(editor, 1, 4, "pi", 2)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    await editor.status("normal")
    engine.allow(50)
    editor.open("x = \n", uri="file:///other.py")
    engine.num_steps = 1
    await editor.complete(0, 4, uri="file:///other.py")
    assert engine.num_steps_done <= 5 + 1 + 1


async def test_of_requests_racing_with_typing_the_last_is_answered(connect: Connect) -> None:
    editor, engine, first = await _running(connect, num_steps_done=5)
    requests = [first]
    for index, letter in enumerate("pi "):
        _type(editor, 1, 4 + index, letter, 2 + index)
        requests.append(asyncio.ensure_future(editor.complete(1, 5 + index)))
        await asyncio.sleep(0)  # for the request to be sent before the next edit
    engine.allow(5)
    *superseded, last = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(each, JsonRpcRequestCancelled) for each in superseded)
    assert [item.insert_text for item in last] == ["    pi = 3\n    return pi * r"]
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [("x = foobar\n", (0, 7), "middle of a word"), ("x = foo \n", (0, 8), "after a deletion")],
)
async def test_an_automatic_request_that_would_be_in_the_way_says_why(
    connect: Connect, text: str, position: tuple[int, int], reason: str
) -> None:
    engine = ScriptedEngine("(1)")
    editor = await _editor(connect, engine, text)
    if "deletion" in reason:
        _delete(editor, 0, 8, 9, 2)
    assert await editor.complete(*position) == []
    assert reason in (await editor.status("normal")).message
    assert engine.requests == []
    await editor.complete(*position, trigger=INVOKED)
    assert len(engine.requests) == 1


async def test_several_cursors_get_nothing_by_themselves(connect: Connect) -> None:
    engine = ScriptedEngine("1")
    editor = await _editor(connect, engine, "a = \nb = \n")
    places = [types.Range(types.Position(line, 4), types.Position(line, 4)) for line in (1, 0)]
    editor.change(*(types.TextDocumentContentChangePartial(place, "x") for place in places))
    assert await editor.complete(0, 5) == []
    assert "several cursors" in (await editor.status("normal")).message
    assert engine.requests == []


async def test_a_pause_in_typing_is_waited_for_and_an_invocation_is_not(connect: Connect) -> None:
    engine = ScriptedEngine("return 1")
    editor = await _editor(connect, engine, options={"debounceMs": 300})
    _type(editor, 1, 4, "x", 2)
    begin = perf_counter()
    await editor.complete(1, 5, trigger=INVOKED)
    assert perf_counter() - begin < 0.3
    _type(editor, 1, 5, "y", 3)
    begin = perf_counter()
    await editor.complete(1, 6)
    assert perf_counter() - begin > 0.29


@pytest.mark.parametrize("how", ["request", "edit"])
async def test_the_wait_ends_with_a_newer_request_or_edit(connect: Connect, how: str) -> None:
    engine = ScriptedEngine("return 1")
    editor = await _editor(connect, engine, options={"debounceMs": 10_000})
    _type(editor, 1, 4, "x", 2)
    waiting = asyncio.ensure_future(editor.complete(1, 5))
    await asyncio.sleep(0.05)  # for the server to begin its wait
    if how == "request":
        assert len(await editor.complete(1, 5, trigger=INVOKED)) == 1
    else:
        _type(editor, 1, 5, "y", 3)
    with pytest.raises(JsonRpcRequestCancelled):
        await waiting
    assert len(engine.requests) == (how == "request")


async def _typed_otherwise(connect: Connect, options: Payload) -> ScriptedEngine:
    """A fill of `EMPTY_BODY`, and then another one, for a document that has another name in its place."""
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine, options=IMMEDIATE | options)
    await editor.complete(1, 4)
    _type(editor, 1, 4, "pi = 3\n    return tau *", 2)
    await editor.complete(2, 16)
    assert len(engine.requests) == 2
    return engine


async def test_a_draft_that_is_almost_typed_goes_along_with_the_next_request(connect: Connect) -> None:
    engine = await _typed_otherwise(connect, {"warmStart": 0.5})
    first, second = engine.requests
    assert first.prior == ()
    assert "".join(piece.text for piece in second.prior) == " r"
    assert engine.options[1].warm_start == 0.5


async def test_without_a_warm_start_every_request_begins_anew(connect: Connect) -> None:
    engine = await _typed_otherwise(connect, {})
    assert engine.requests[1].prior == ()


async def test_nothing_is_kept_of_a_document_that_was_closed(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await _editor(connect, engine, options=IMMEDIATE | {"warmStart": 0.5})
    await editor.complete(1, 4)
    editor.close()
    editor.open("def area(r):\n    pi = 3\n    return tau *\n")
    await editor.complete(2, 16)
    assert engine.requests[-1].prior == ()
