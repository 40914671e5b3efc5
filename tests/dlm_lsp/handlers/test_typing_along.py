"""A known fill that the user types costs no forward, and where ghost text would be in the way none is asked for."""

import asyncio
from time import perf_counter

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import BODY, EMPTY_BODY, IMMEDIATE, INVOKED, delete_at, opened, type_at
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import Payload


async def test_typing_what_was_filled_is_answered_without_a_forward(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine)
    await editor.complete(1, 4)
    for index, letter in enumerate("pi = 3"):
        type_at(editor, 1, 4 + index, letter, 2 + index)
        [item] = await editor.complete(1, 5 + index)
        assert item.insert_text == "    pi = 3\n    return pi * r"
        assert item.range == types.Range(types.Position(1, 0), types.Position(1, 5 + index))
    assert len(engine.requests) == 1
    assert "answered from memory" in (await editor.status("normal")).message


async def test_deleting_back_is_answered_without_a_forward(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine)
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "pi =", 2)
    delete_at(editor, 1, 5, 8, 3)
    [item] = await editor.complete(1, 5)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
async def test_after_an_accepted_word_and_line_the_rest_is_served(connect: Connect, line_break: str) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine, EMPTY_BODY.replace("\n", line_break))
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "pi", 2)
    [item] = await editor.complete(1, 6)
    assert item.insert_text == f"    pi = 3{line_break}    return pi * r"
    type_at(editor, 1, 6, f" = 3{line_break}    ", 3)
    [item] = await editor.complete(2, 4)
    assert (item.insert_text, item.range.start) == ("    return pi * r", types.Position(2, 0))
    assert len(engine.requests) == 1


async def test_closers_that_the_editor_puts_in_are_typed_along_with(connect: Connect) -> None:
    engine = ScriptedEngine("size(self)[0]\nreturn 1")
    editor = await opened(connect, engine)
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "size", 2)
    type_at(editor, 1, 8, "()", 3)
    [item] = await editor.complete(1, 9)
    assert item.insert_text == "    size(self)[0]\n    return 1"
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 10))
    type_at(editor, 1, 9, "self", 4)
    [item] = await editor.complete(1, 13)
    assert item.range.end == types.Position(1, 14)
    type_at(editor, 1, 14, "[]", 5)
    [item] = await editor.complete(1, 15)
    assert (item.insert_text, item.range.end) == ("    size(self)[0]\n    return 1", types.Position(1, 16))
    assert len(engine.requests) == 1


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
async def test_a_block_that_the_editor_closes_below_is_served_up_to_there(connect: Connect, line_break: str) -> None:
    engine = ScriptedEngine("x = {\n    1: 2,\n}\nreturn x")
    editor = await opened(connect, engine, EMPTY_BODY.replace("\n", line_break))
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "x = {}", 2)
    type_at(editor, 1, 9, f"{line_break}        {line_break}    ", 3)
    [item] = await editor.complete(2, 8)
    where = types.Range(types.Position(2, 0), types.Position(2, 8))
    assert (item.insert_text, item.range) == ("        1: 2,", where)
    type_at(editor, 2, 8, "1: 2,", 4)
    [item] = await editor.complete(3, 5)
    assert item.insert_text == f"    }}{line_break}    return x"
    assert len(engine.requests) == 1


async def test_typing_something_else_asks_again(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine)
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "q", 2)
    await editor.complete(1, 5)
    assert len(engine.requests) == 2


async def test_a_closed_document_is_forgotten(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine)
    for _ in range(2):
        await editor.complete(1, 4)
        editor.close()
        editor.open(EMPTY_BODY)
    assert len(engine.requests) == 2


async def test_asking_by_hand_after_an_automatic_answer_brings_alternatives(connect: Connect) -> None:
    engine = ScriptedEngine("return 1", "return 1", "return (", "return 2")
    editor = await opened(connect, engine, options={"debounceMs": 0, "candidates": 3})
    assert len(await editor.complete(1, 4)) == 1
    items = await editor.complete(1, 4, trigger=INVOKED)
    assert [item.insert_text.strip() for item in items] == ["return 1", "return ("], "no doubles, parse-valid first"
    assert await editor.complete(1, 4, trigger=INVOKED) == items
    assert len(engine.requests) == 2


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("x = foobar\n", (0, 7), "middle of a word"),
        ("x = foo \n", (0, 8), "after a deletion"),
        ("x = \n", (0, 4), "(automatic)"),
    ],
)
async def test_an_automatic_request_that_would_be_in_the_way_says_why(
    connect: Connect, text: str, position: tuple[int, int], reason: str
) -> None:
    engine = ScriptedEngine("(1)")
    options = {**IMMEDIATE, "automatic": False} if "automatic" in reason else IMMEDIATE
    editor = await opened(connect, engine, text, options=options)
    if "deletion" in reason:
        delete_at(editor, 0, 8, 9, 2)
    assert await editor.complete(*position) == []
    assert reason in (await editor.status("normal")).message
    assert engine.requests == []
    await editor.complete(*position, trigger=INVOKED)
    assert len(engine.requests) == 1


async def test_several_cursors_get_nothing_by_themselves(connect: Connect) -> None:
    engine = ScriptedEngine("1")
    editor = await opened(connect, engine, "a = \nb = \n")
    places = [types.Range(types.Position(line, 4), types.Position(line, 4)) for line in (1, 0)]
    editor.change(*(types.TextDocumentContentChangePartial(place, "x") for place in places))
    assert await editor.complete(0, 5) == []
    assert "several cursors" in (await editor.status("normal")).message
    assert engine.requests == []


async def test_a_pause_in_typing_is_waited_for(connect: Connect) -> None:
    engine = ScriptedEngine("return 1")
    editor = await opened(connect, engine, options={"debounceMs": 300})
    type_at(editor, 1, 4, "x", 2)
    begin = perf_counter()
    await editor.complete(1, 5)
    assert perf_counter() - begin > 0.29


async def test_an_invocation_waits_for_no_pause(connect: Connect) -> None:
    engine = ScriptedEngine("return 1")
    editor = await opened(connect, engine, options={"debounceMs": 10_000})
    type_at(editor, 1, 4, "x", 2)
    async with asyncio.timeout(5):
        await editor.complete(1, 5, trigger=INVOKED)


@pytest.mark.parametrize("how", ["request", "edit"])
async def test_the_wait_ends_with_a_newer_request_or_edit(connect: Connect, how: str) -> None:
    engine = ScriptedEngine("return 1")
    editor = await opened(connect, engine, options={"debounceMs": 10_000})
    type_at(editor, 1, 4, "x", 2)
    waiting = asyncio.ensure_future(editor.complete(1, 5))
    await editor.until_asked()
    if how == "request":
        assert len(await editor.complete(1, 5, trigger=INVOKED)) == 1
    else:
        type_at(editor, 1, 5, "y", 3)
    with pytest.raises(JsonRpcRequestCancelled):
        await waiting
    assert len(engine.requests) == (how == "request")


async def _typed_otherwise(connect: Connect, options: Payload) -> ScriptedEngine:
    """A fill of `EMPTY_BODY`, and then one for a document that has another name in the same place."""
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine, options=IMMEDIATE | options)
    await editor.complete(1, 4)
    type_at(editor, 1, 4, "pi = 3\n    return tau *", 2)
    await editor.complete(2, 16)
    assert len(engine.requests) == 2
    return engine


async def test_a_draft_that_is_almost_typed_goes_along_with_the_next_request(connect: Connect) -> None:
    engine = await _typed_otherwise(connect, {"warmStart": 0.5})
    first, second = engine.requests
    assert first.prior == ()
    assert "".join(piece.text for piece in second.prior) == " r"
    assert engine.options[1].warm_start == 0.5


async def test_without_a_warm_start_every_request_begins_with_masks(connect: Connect) -> None:
    engine = await _typed_otherwise(connect, {})
    assert engine.requests[1].prior == ()


async def test_nothing_is_kept_of_a_document_that_was_closed(connect: Connect) -> None:
    engine = ScriptedEngine(BODY)
    editor = await opened(connect, engine, options=IMMEDIATE | {"warmStart": 0.5})
    await editor.complete(1, 4)
    editor.close()
    editor.open("def area(r):\n    pi = 3\n    return tau *\n")
    await editor.complete(2, 16)
    assert engine.requests[-1].prior == ()
