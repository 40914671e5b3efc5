"""An editor with an open document, and keystrokes in it."""

from lsprotocol import types

from tests.dlm_lsp.handlers.conftest import Connect, JoinedEditor
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient, Payload

EMPTY_BODY = "def area(r):\n    \n"
BODY = "pi = 3\nreturn pi * r"
INVOKED = types.InlineCompletionTriggerKind.Invoked
IMMEDIATE = {"debounceMs": 0, "drafts": True, "draftIntervalMs": 0}


async def editing(connect: Connect, engine: ScriptedEngine, text: str = EMPTY_BODY, **start: Payload) -> JoinedEditor:
    editor = connect(lambda _settings: engine)
    await editor.start(**start)
    editor.open(text)
    return editor


async def opened(
    connect: Connect, engine: ScriptedEngine, text: str = EMPTY_BODY, options: Payload = IMMEDIATE
) -> JoinedEditor:
    return await editing(connect, engine, text, options=options)


def type_at(editor: EditorClient, line: int, character: int, text: str, version: int) -> None:
    at = types.Position(line, character)
    editor.change(types.TextDocumentContentChangePartial(types.Range(at, at), text), version=version)


def delete_at(editor: EditorClient, line: int, start: int, end: int, version: int) -> None:
    where = types.Range(types.Position(line, start), types.Position(line, end))
    editor.change(types.TextDocumentContentChangePartial(where, ""), version=version)
