"""Ghost text over the protocol: the answers, by kinds of requests and clients."""

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import EMPTY_BODY, INVOKED, editing
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI


async def test_a_body_is_filled_from_column_0_of_the_cursors_line(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await editing(connect, engine)
    [item] = await editor.complete(1, 4)
    assert item.insert_text == "    pi = 3\n    return pi * r"
    assert item.filter_text == item.insert_text
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 4))
    assert engine.requests[0].prefix.endswith("def area(r):\n    ")
    status = await editor.status("normal")
    assert status.message


async def test_the_rest_of_a_line_is_filled_between_what_stands_there(connect: Connect) -> None:
    editor = await editing(connect, ScriptedEngine("nge(3)"), "for i in ra:\n    pass\n")
    [item] = await editor.complete(0, 11)
    assert item.insert_text == "for i in range(3)"
    assert item.range == types.Range(types.Position(0, 0), types.Position(0, 11))


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "insert_text"),
    [
        ("python", "def f(x):\n    return │   \n", "x", "    return x"),
        ("python", "def f(x):\n    return │   \n", "x + 1 + x + 2", "    return x + 1 + x + 2"),
        ("python", "def f(x): │\n", "a = x\n    return a", "def f(x): \n    a = x\n    return a"),
        ("cpp", "int pop() { │ }\n", "a(); return b();\n", "int pop() { a(); return b();"),
        ("cpp", "int pop() { │}\n", "return b(); }", "int pop() { return b(); "),
        ("cpp", "int pop() { │\n}\n", "a();\n    return b();\n", "int pop() { \n    a();\n    return b();"),
        ("cpp", "int pop() {│}\n", "a();\n    return b();\n", "int pop() {\n    a();\n    return b();\n"),
    ],
)
async def test_blanks_beside_the_cursor_are_in_nobodys_way(
    connect: Connect, language_id: str, text: str, middle: str, insert_text: str
) -> None:
    engine = ScriptedEngine(middle)
    editor = await editing(connect, engine)
    editor.open(text.replace("│", ""), uri="untitled:a", language_id=language_id)
    before = text.partition("│")[0]
    line, column = before.count("\n"), len(before.rpartition("\n")[2])
    [item] = await editor.complete(line, column, uri="untitled:a")
    assert item.insert_text == insert_text
    assert item.range
    rest = text.replace("│", "").split("\n")[line][item.range.end.character :]
    assert rest in {"   ", "", " }", "}"}


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
    editor = await editing(connect, engine)
    assert len(await editor.complete(1, 4, trigger=trigger)) == expected
    assert engine.options[0].num_candidates == expected


async def test_fewer_alternatives_by_setting(connect: Connect, engine: ScriptedEngine) -> None:
    editor = await editing(connect, engine, options={"candidates": 2})
    assert len(await editor.complete(1, 4, trigger=INVOKED)) == 2


async def test_an_entry_selected_in_the_completion_list_is_extended(connect: Connect) -> None:
    engine = ScriptedEngine("(r)")
    editor = await editing(connect, engine, "x = pri\n")
    where = types.Range(types.Position(0, 4), types.Position(0, 7))
    [item] = await editor.complete(0, 7, selected=types.SelectedCompletionInfo(where, "print"))
    assert (item.insert_text, item.range) == ("print(r)", where)
    assert engine.requests[0].prefix == "x = print"


@pytest.mark.parametrize("position", [(1, 400), (99, 0), (99, 99)])
async def test_a_cursor_past_the_end_is_clamped(
    connect: Connect, engine: ScriptedEngine, position: tuple[int, int]
) -> None:
    editor = await editing(connect, engine, "def area(r):\n    ")
    [item] = await editor.complete(*position)
    assert item.range == types.Range(types.Position(1, 0), types.Position(1, 4))


async def test_an_untitled_document_of_a_known_language_is_filled(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start()
    editor.open(EMPTY_BODY, uri="untitled:Untitled-1")
    assert len(await editor.complete(1, 4, uri="untitled:Untitled-1")) == 1


async def test_a_client_that_does_not_know_inline_completion_is_served(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await editing(connect, engine, capabilities=types.ClientCapabilities())
    assert len(await editor.complete(1, 4)) == 1


async def test_parameters_that_cannot_be_read_are_answered_with_an_error(
    connect: Connect, engine: ScriptedEngine
) -> None:
    editor = await editing(connect, engine)
    garbage = types.Position(1, 4)
    object.__setattr__(garbage, "line", "here")
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(INVOKED), types.TextDocumentIdentifier(URI), garbage
    )
    with pytest.raises(JsonRpcInvalidParams):
        await editor.text_document_inline_completion_async(params)
    assert len(await editor.complete(1, 4)) == 1
    assert editor.popups == []
