"""The server as a process, with a scripted engine: its streams, its exit codes, and its end when the editor dies."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.process import watch_process
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient

StartServer = Callable[[str], Awaitable[EditorClient]]
StartListening = Callable[[str], Awaitable[tuple[asyncio.subprocess.Process, int]]]

EMPTY_BODY = "def f():\n    \n"
_SERVE = """
import os, subprocess, sys, threading
from dlm_lsp.serving import serve_stdio
from tests.dlm_lsp.scripted_engine import ScriptedEngine
{load}
sys.exit(serve_stdio(load))
"""
_QUIET = "load = lambda settings: ScriptedEngine('return 1')"
_NOISY = """
def load(settings):
    print("noise from Python", flush=True)
    os.write(1, b"noise from native code\\n")
    subprocess.run(["echo", "noise from a child"], check=True)
    return ScriptedEngine("return 1")
"""
_SLOW = """
import time

class Slow(ScriptedEngine):
    def infill(self, request, options, cancel):
        for draft in super().infill(request, options, cancel):
            time.sleep(0.05)
            yield draft

load = lambda settings: Slow("return 1", num_steps=40)
"""
_STUCK_LOADING = "load = lambda settings: threading.Event().wait()"
_STUCK_IN_A_STEP = "load = lambda settings: ScriptedEngine('return 1', num_steps=9, is_gated=True)"


@pytest_asyncio.fixture
async def start_server(child_environment: dict[str, str], repository_root: Path) -> AsyncIterator[StartServer]:
    """Start a server with this engine loader, and connect an editor to it."""
    editors: list[EditorClient] = []

    async def start(load: str) -> EditorClient:
        editor = EditorClient()
        editors.append(editor)
        code = _SERVE.format(load=load)
        await editor.start_io(sys.executable, "-c", code, env=child_environment, cwd=repository_root)
        return editor

    yield start
    for editor in editors:
        if editor.process.returncode is None:
            editor.process.kill()
        await editor.stop()


async def _ends_with(editor: EditorClient) -> int:
    async with asyncio.timeout(20):
        return await editor.process.wait()


async def test_nothing_that_others_print_reaches_the_client(start_server: StartServer) -> None:
    editor = await start_server(_NOISY)
    await editor.start()
    editor.open(EMPTY_BODY)
    assert len(await editor.complete(1, 4)) == 1
    await editor.shutdown_async(None)
    editor.exit(None)
    assert await _ends_with(editor) == 0
    assert editor.process.stderr
    noise = await editor.process.stderr.read()
    assert noise.count(b"noise") == 3


async def test_exit_without_shutdown_is_1(start_server: StartServer) -> None:
    editor = await start_server(_QUIET)
    await editor.start()
    editor.exit(None)
    assert await _ends_with(editor) == 1


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "in a step"])
async def test_the_end_of_input_without_shutdown_is_1(start_server: StartServer, is_busy: bool) -> None:
    editor = await start_server(_STUCK_IN_A_STEP)
    await editor.start()
    editor.open(EMPTY_BODY)
    request = asyncio.ensure_future(editor.complete(1, 4) if is_busy else asyncio.sleep(0))
    if is_busy:
        await editor.status("busy")
    assert editor.process.stdin
    editor.process.stdin.close()
    assert await _ends_with(editor) == 1
    await asyncio.gather(request, return_exceptions=True)


async def test_exit_ends_a_run_that_goes_on_for_what_is_typed(start_server: StartServer) -> None:
    """No request waits for the run at that moment, and no part of it may be left to an event loop that is closed."""
    editor = await start_server(_SLOW)
    await editor.start(options={"drafts": True, "draftIntervalMs": 0, "debounceMs": 0})
    editor.open(EMPTY_BODY)
    request = asyncio.ensure_future(editor.complete(1, 4))
    await editor.until(lambda: any(draft.text.startswith("r") for draft in editor.drafts))
    at = types.Position(1, 4)
    editor.change(types.TextDocumentContentChangePartial(types.Range(at, at), "r"))
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    editor.exit(None)
    assert await _ends_with(editor) == 1
    assert editor.process.stderr
    assert b"Traceback" not in await editor.process.stderr.read()


async def test_exit_is_heard_where_nobody_reads_the_output_any_more(
    child_environment: dict[str, str], repository_root: Path
) -> None:
    command = [sys.executable, "-c", _SERVE.format(load=_QUIET)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=child_environment, cwd=repository_root, **pipes) as process:
        process.stdout.close()
        for body in (
            b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{},"processId":null}}',
            b'{"jsonrpc":"2.0","id":2,"method":"shutdown"}',
            b'{"jsonrpc":"2.0","method":"exit"}',
        ):
            process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            process.stdin.flush()
        try:
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()


class _Heard:
    """A client's end of the line: what the server has said."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        pass


INITIALIZE = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{},"processId":null}}'


async def answer_to(data: bytes) -> bytes:
    """What a server says to these bytes, after which the client leaves."""
    server = create_server(EngineRoom(lambda _settings: ScriptedEngine("return 1")), {})
    reader, heard = asyncio.StreamReader(), _Heard()
    reader.feed_data(data)
    reader.feed_eof()
    await asyncio.wait_for(converse(server, reader, heard), 20)
    server.hang_up()
    return heard.data


@pytest.mark.parametrize(
    "header", [b"Content-Length: %d\r\n\r\n", b"content-length:%d\n\n", b"Content-Length: %d \r\n\r\n"]
)
async def test_a_header_is_understood_however_it_is_spelled(header: bytes) -> None:
    assert b'"id": 1' in await answer_to(header % len(INITIALIZE) + INITIALIZE)


@pytest.mark.parametrize(
    "data",
    [
        b"X: " + b"a" * 70_000 + b"\r\n",
        b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"Content-Length: 9999999999999\r\n\r\n{}",
        b"Content-Length: abc\r\n\r\n{}",
    ],
    ids=["long", "endless number", "huge", "no number"],
)
async def test_what_is_no_header_ends_the_conversation_with_a_sentence(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    message = b"Content-Length: %d\r\n\r\n%b" % (len(INITIALIZE), INITIALIZE)
    assert await answer_to(data + message) == b""
    (record,) = caplog.records
    assert record.message.startswith("hung up on the client: ")
    assert not record.exc_info


async def test_ctrl_c_ends_it_while_it_waits_for_input(start_server: StartServer) -> None:
    editor = await start_server(_QUIET)
    await editor.start()
    editor.process.send_signal(signal.SIGINT)
    assert await _ends_with(editor) == 130


@pytest.mark.parametrize("load", [_STUCK_LOADING, _STUCK_IN_A_STEP], ids=["loading", "in a step"])
async def test_shutdown_does_not_wait_for_a_busy_worker(start_server: StartServer, load: str) -> None:
    editor = await start_server(load)
    await editor.start()
    editor.open(EMPTY_BODY)
    request = asyncio.ensure_future(editor.complete(1, 4))
    await editor.status("busy")
    await editor.shutdown_async(None)
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    editor.exit(None)
    assert await _ends_with(editor) == 0


_SERVE_TCP = """
import sys
from dlm_lsp.serving import serve_tcp
from tests.dlm_lsp.scripted_engine import ScriptedEngine
sys.exit(serve_tcp(lambda settings: ScriptedEngine('return 1'), sys.argv[1], 0))
"""


@pytest_asyncio.fixture
async def listen(child_environment: dict[str, str], repository_root: Path) -> AsyncIterator[StartListening]:
    """Start a server that listens on a free port of an address."""
    servers: list[asyncio.subprocess.Process] = []

    async def listen(host: str) -> tuple[asyncio.subprocess.Process, int]:
        command = [sys.executable, "-c", _SERVE_TCP, host]
        stderr = asyncio.subprocess.PIPE
        server = await asyncio.create_subprocess_exec(
            *command, env=child_environment, cwd=repository_root, stderr=stderr
        )
        servers.append(server)
        assert server.stderr
        announcement = await server.stderr.readline()
        return server, int(announcement.rpartition(b":")[2])

    yield listen
    for server in servers:
        if server.returncode is None:
            server.kill()
        await server.wait()


async def test_the_first_connection_that_speaks_lsp_is_the_client(listen: StartListening) -> None:
    server, port = await listen("127.0.0.1")
    _, gone = await asyncio.open_connection("127.0.0.1", port)
    gone.close()
    browser, to_browser = await asyncio.open_connection("127.0.0.1", port)
    to_browser.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await browser.read() == b""
    silent, to_silent = await asyncio.open_connection("127.0.0.1", port)
    editor = EditorClient()
    await editor.start_tcp("127.0.0.1", port)
    await editor.start()
    assert await silent.read() == b"", "only the client is kept"
    editor.open(EMPTY_BODY)
    assert len(await editor.complete(1, 4)) == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await editor.shutdown_async(None)
    editor.exit(None)
    async with asyncio.timeout(20):
        assert await server.wait() == 0
    await editor.stop()
    # pygls leaves the client's own connection to the garbage collector, which warns of it in the next test.
    for writer in (gone, to_browser, to_silent, editor.protocol.writer):
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_an_address_that_others_can_reach_is_warned_about(listen: StartListening) -> None:
    server, _ = await listen("0.0.0.0")
    assert server.stderr
    async with asyncio.timeout(20):
        assert b"other machines can connect" in await server.stderr.readline()


_EDITOR = """
import os, subprocess, sys, time
command = [sys.executable, "-P", "-m", "dlm_lsp", "serve", "--stdio"]
arguments = [each.format(pid=os.getpid()) for each in sys.argv[2:]]
daemon = subprocess.Popen([*command, *arguments], stdin=int(sys.argv[1]))
print(daemon.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def open_pipe() -> Iterator[tuple[int, int]]:
    """An input that never ends, as when a child of a dead editor still holds it."""
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(write_end)
    os.close(read_end)


@pytest.mark.parametrize("arguments", [[], ["--clientProcessId={pid}"]], ids=["initialize", "--clientProcessId"])
def test_the_server_ends_when_its_editor_is_killed(
    child_environment: dict[str, str], open_pipe: tuple[int, int], arguments: list[str]
) -> None:
    read_end, write_end = open_pipe
    with subprocess.Popen(
        [sys.executable, "-c", _EDITOR, str(read_end), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment,
        pass_fds=[read_end],
    ) as editor:
        assert editor.stdout
        daemon = int(editor.stdout.readline())
        ended = threading.Event()
        watch_process(daemon, ended.set)
        process_id = "null" if arguments else editor.pid
        body = f'{{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {{"processId": {process_id}, '
        body += '"rootUri": null, "capabilities": {}}}'
        os.write(write_end, f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert editor.stdout.readline().startswith(b"Content-Length")
        assert not ended.is_set()
        os.kill(editor.pid, signal.SIGKILL)
        assert ended.wait(20)
