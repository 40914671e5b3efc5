"""The handshake, loading the model behind it, and the end."""

import asyncio
import threading

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest

from dlm_lsp.options import Settings
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import CAPABILITIES, EditorClient

EMPTY_BODY = "def f():\n    \n"
DRAWS_PROGRESS = types.ClientCapabilities(window=types.WindowClientCapabilities(work_done_progress=True))


async def test_what_editors_look_for_is_advertised(connect: Connect) -> None:
    result = await connect(lambda _settings: ScriptedEngine()).start()
    capabilities = result.capabilities
    assert capabilities.inline_completion_provider == types.InlineCompletionOptions()
    sync = capabilities.text_document_sync
    assert isinstance(sync, types.TextDocumentSyncOptions)
    assert (sync.open_close, sync.change) == (True, types.TextDocumentSyncKind.Incremental)
    assert result.server_info
    assert result.server_info.name == "dlm-lsp"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, "utf-16"),
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-16", "utf-8"], "utf-16"),
        (["utf-32"], "utf-32"),
        (["utf-7"], "utf-16"),
    ],
)
async def test_the_clients_first_known_encoding_is_taken(
    connect: Connect, offered: list[str] | None, chosen: str
) -> None:
    general = types.GeneralClientCapabilities(position_encodings=offered)
    result = await connect(lambda _settings: ScriptedEngine()).start(types.ClientCapabilities(general=general))
    assert result.capabilities.position_encoding == chosen


async def test_initialize_is_answered_before_any_model_is_loaded(connect: Connect) -> None:
    may_load = threading.Event()

    def load(_settings: Settings) -> ScriptedEngine:
        assert may_load.wait(10)
        return ScriptedEngine("return 1")

    editor = connect(load)
    await editor.start(options={"preload": True})
    status = await editor.status("busy")
    assert status.message == "loading the model"
    may_load.set()
    assert (await editor.status("normal")).message == "scripted on cpu"


async def test_a_model_that_sees_no_suffix_says_so(connect: Connect) -> None:
    engine = ScriptedEngine("return 1")
    engine.sees_suffix = False
    editor = connect(lambda _settings: engine)
    await editor.start(options={"preload": True})
    assert (await editor.status("normal")).message == "scripted on cpu, sees no suffix"


async def test_without_preload_a_model_is_loaded_at_the_first_need(connect: Connect) -> None:
    loads: list[Settings] = []
    editor = connect(lambda settings: loads.append(settings) or ScriptedEngine("return 1"))
    await editor.start()
    editor.open(EMPTY_BODY)
    editor.change(types.TextDocumentContentChangeWholeDocument(EMPTY_BODY))
    with pytest.raises(JsonRpcException, match="not a command"):
        await editor.execute(command="a round trip")
    assert loads == []
    await editor.complete(1, 4)
    assert len(loads) == 1


async def test_loading_shows_progress_where_the_client_draws_it(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1"))
    await editor.start(DRAWS_PROGRESS, options={"preload": True})
    await editor.until(lambda: len(editor.progress) == 2)
    assert [value["kind"] for value in map(_as_dict, editor.progress)] == ["begin", "end"]


async def test_progress_ends_when_loading_fails(connect: Connect) -> None:
    def fail(_settings: Settings) -> ScriptedEngine:
        raise CheckpointError("no such folder")

    editor = connect(fail)
    await editor.start(DRAWS_PROGRESS, options={"preload": True})
    await editor.until(lambda: len(editor.progress) == 2)
    assert (await editor.status("error")).message == "no such folder"


async def test_a_client_without_progress_is_sent_none(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1"))
    await editor.start(CAPABILITIES, options={"preload": True})
    await editor.status("normal")
    assert editor.progress == []


async def test_a_malformed_notification_is_a_status_and_survived(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1"))
    await editor.start()
    _write(editor, b'{"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": 3}}')
    _write(editor, b"this is no JSON")
    _write(editor, b'{"jsonrpc": "2.0", "method": "no/such/notification", "params": {}}')
    editor.open(EMPTY_BODY)
    assert len(await editor.complete(1, 4)) == 1
    assert sum("could not be handled" in status.message for status in editor.statuses) == 2
    assert editor.popups == []


async def test_a_request_after_shutdown_is_refused_rather_than_forgotten(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1"))
    await editor.start()
    editor.open(EMPTY_BODY)
    await editor.shutdown_async(None)
    for request in (editor.complete(1, 4), editor.shutdown_async(None)):
        with pytest.raises(JsonRpcInvalidRequest, match="came after shutdown"):
            async with asyncio.timeout(10):
                await request


def _write(editor: EditorClient, body: bytes) -> None:
    assert editor.protocol.writer
    editor.protocol.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


def _as_dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {"kind": getattr(value, "kind", None)}
