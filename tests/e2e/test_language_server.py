"""The daemon end to end: a real process, the real weights, and the documents that break language servers.

What small weights write is not asserted; that it stands in the right place, and that silence is explained, is.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcRequestCancelled

from tests.e2e.conftest import StartServer
from tests.editor_client import CAPABILITIES, EditorClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMPTY_BODY = "def area(radius):\n    \n"
INVOKED = types.InlineCompletionTriggerKind.Invoked
_SERIAL = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(start_server: StartServer) -> AsyncIterator[EditorClient]:
    """One server for all tests that leave it running."""
    editor = await start_server()
    await editor.start(CAPABILITIES, options={"drafts": True, "draftIntervalMs": 0})
    yield editor
    assert editor.popups == []


@pytest_asyncio.fixture(loop_scope="module")
async def slow_editor(editor: EditorClient) -> AsyncIterator[EditorClient]:
    """The same server, taking many steps for a request; settings are live."""
    _push(editor, {"numSteps": 500, "schedule": "linear", "maxMiddleTokens": 256, "confidenceThreshold": 1})
    editor.drafts.clear()
    yield editor
    _push(editor, {})


def _push(editor: EditorClient, section: dict[str, object]) -> None:
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams({"dlm-lsp": section}))


def _open(editor: EditorClient, text: str, suffix: str = "py") -> str:
    uri = f"file:///project/example{next(_SERIAL)}.{suffix}"
    editor.open(text, uri=uri)
    return uri


async def _has_begun(editor: EditorClient, uri: str) -> None:
    await editor.until(lambda: any(draft.uri == uri for draft in editor.drafts))


def _assert_ghost_text(item: types.InlineCompletionItem, line_text: str, line: int, encoding: str) -> None:
    """The item replaces a part of this line from its beginning, and only adds to it."""
    assert item.range
    assert (item.range.start.line, item.range.end.line, item.range.start.character) == (line, line, 0)
    size = {"utf-8": 1, "utf-16-le": 2}[encoding]
    replaced = line_text.encode(encoding)[: item.range.end.character * size].decode(encoding)
    rest = iter(str(item.insert_text))
    assert all(character in rest for character in replaced)
    assert len(str(item.insert_text)) > len(replaced)


async def _ask(editor: EditorClient, text: str, line: int, character: int, encoding: str = "utf-16-le") -> None:
    """Open, ask, check the answer or the reason for silence, close."""
    uri = _open(editor, text)
    items = await editor.complete(line, character, uri=uri, trigger=INVOKED)
    lines = text.replace("\r\n", "\n").split("\n")
    line = min(line, len(lines) - 1)
    for item in items:
        _assert_ghost_text(item, lines[line], line, encoding)
    await editor.until(lambda: editor.statuses[-1].state != "busy")
    assert editor.statuses[-1].state == "normal", editor.statuses[-1]
    assert editor.statuses[-1].message
    editor.close(uri)


@pytest.mark.parametrize(
    ("text", "line", "character"),
    [
        (EMPTY_BODY, 1, 4),
        ("for item in ra:\n    print(item)\n", 0, 14),
        ('name = "😀😀"; size = len(\n', 0, 25),
        ("# 😀\ndef smile():\n    \n", 2, 4),
        ("def area(radius):\r\n    \r\n\r\nprint(1)\r\n", 1, 4),
        ("text = 'a\u2028b\x0cc'\ndef area(radius):\n    \n", 2, 4),
        ("\ufeffdef area(radius):\n\t\n", 1, 1),
        ("", 0, 0),
        (EMPTY_BODY, 1, 400),
        (EMPTY_BODY, 99, 99),
    ],
    ids=["body", "line", "emoji", "emoji above", "CRLF", "U+2028", "BOM", "empty", "past the line", "past the end"],
)
async def test_ghost_text_stands_where_the_cursor_is(
    editor: EditorClient, text: str, line: int, character: int
) -> None:
    await _ask(editor, text, line, character)


async def test_a_20_000_line_file_is_edited_and_filled(editor: EditorClient) -> None:
    functions = [f"def f{number}(x):\n    return x + {number}\n" for number in range(10_000)]
    functions[5_000] = EMPTY_BODY
    text = "".join(functions)
    assert text.count("\n") == 20_000
    uri = _open(editor, text)
    insertion = types.Range(types.Position(10_001, 4), types.Position(10_001, 4))
    editor.change(types.TextDocumentContentChangePartial(insertion, "r"), uri=uri)
    for item in await editor.complete(10_001, 5, uri=uri):
        _assert_ghost_text(item, "    r", 10_001, "utf-16-le")
    assert editor.statuses[-1].message
    editor.close(uri)


async def test_of_three_racing_requests_only_the_last_is_answered(editor: EditorClient) -> None:
    uri = _open(editor, EMPTY_BODY)
    racing = [editor.complete(1, 4, uri=uri) for _ in range(3)]
    *superseded, last = await asyncio.gather(*racing, return_exceptions=True)
    assert [type(each) for each in superseded] == [JsonRpcRequestCancelled] * 2
    assert isinstance(last, list)


@pytest.mark.parametrize("how", ["$/cancelRequest", "didClose", "didChange"])
async def test_a_request_is_stopped_while_it_runs(slow_editor: EditorClient, how: str) -> None:
    editor = slow_editor
    uri = _open(editor, EMPTY_BODY)
    request = asyncio.ensure_future(editor.complete(1, 4, uri=uri, request_id=uri))
    await _has_begun(editor, uri)
    if how == "$/cancelRequest":
        editor.cancel_request(uri)
    elif how == "didClose":
        editor.close(uri)
    else:
        editor.change(types.TextDocumentContentChangeWholeDocument("x = 1\n"), uri=uri)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    assert all(draft.finishReason is None for draft in editor.drafts), "it ran to its end"


async def test_drafts_sharpen_and_end_with_a_reason(editor: EditorClient) -> None:
    uri = _open(editor, EMPTY_BODY)
    await editor.complete(1, 4, uri=uri)
    drafts = [draft for draft in editor.drafts if draft.uri == uri]
    assert [draft.step for draft in drafts] == sorted(draft.step for draft in drafts)
    assert drafts[-1].finishReason in ("stop", "length")


async def test_a_placeholder_is_replaced_by_an_edit(editor: EditorClient) -> None:
    uri = _open(editor, "def area(radius):\n    pass\n")
    where = {"line": 1, "character": 8}
    [outcome] = await asyncio.gather(editor.execute(uri, {"start": where, "end": where}), return_exceptions=True)
    if isinstance(outcome, JsonRpcException):
        assert "nothing for this hole" in str(outcome)
    else:
        assert outcome["text"]
        assert outcome["range"] == {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 8}}


async def test_a_wrong_model_is_a_status_and_the_right_one_comes_back(editor: EditorClient, tmp_path: Path) -> None:
    uri = _open(editor, EMPTY_BODY)
    _push(editor, {"model": str(tmp_path / "nowhere")})
    assert await editor.complete(1, 4, uri=uri) == []
    assert "nowhere" in (await editor.status("error")).message
    _push(editor, {})
    await editor.complete(1, 4, uri=uri)
    await editor.status("normal")


async def test_garbage_in_every_source_of_options_is_reported_and_survived(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "dlm-lsp").mkdir()
    (tmp_path / "dlm-lsp" / "config.toml").write_text("num_steps = [\n")
    editor = await start_server(XDG_CONFIG_HOME=str(tmp_path))
    await editor.start(options={"numSteps": "all"})
    status = await editor.status("warning")
    assert "config.toml:1" in status.message
    assert "num_steps must be a whole number" in status.message
    editor.open("# nothing\n", uri="untitled:Untitled-1", language_id="markdown")
    assert await editor.complete(0, 0, uri="untitled:Untitled-1") == []
    assert "markdown" in (await editor.status("inactive")).message


async def test_over_tcp_in_utf_8(
    serve_command: list[str], server_environment: dict[str, str], repository_root: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *serve_command,
        *("--tcp", "--port", "0"),
        env=server_environment,
        cwd=repository_root,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    editor = EditorClient()
    try:
        announcement = (await process.stderr.readline()).decode()
        assert "listening on 127.0.0.1:" in announcement
        await editor.start_tcp("127.0.0.1", int(announcement.rpartition(":")[2]))
        utf_8 = types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf8])
        await editor.start(types.ClientCapabilities(general=utf_8))
        await _ask(editor, 'name = "😀😀"; size = len(\n', 0, 29, "utf-8")
        await editor.shutdown_async(None)
        editor.exit(None)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await editor.stop()
