"""One daemon with several editors: separate sessions, one engine, and an end when no editor is left."""

import asyncio
import gc
import json
import os
import socket
import stat
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dlm_lsp.commands.daemon_client import DaemonClient
from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.messages import INFILL_RANGE
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI, EditorClient

StartDaemon = Callable[[float], Awaitable[asyncio.subprocess.Process]]
Connect = Callable[[], Awaitable[EditorClient]]

EMPTY_BODY = "def f():\n    \n"
_DAEMON = """
import sys
import time
from pathlib import Path
from dlm_lsp.daemon import serve_socket
from tests.dlm_lsp.scripted_engine import ScriptedEngine

class Engine(ScriptedEngine):
    def infill(self, request, options, cancel):
        for draft in super().infill(request, options, cancel):
            time.sleep(0.02)
            yield draft

def load(settings):
    print("loaded", file=sys.stderr, flush=True)
    return Engine("return 1", num_steps=10)

sys.exit(serve_socket(load, Path(sys.argv[1]), {}, idle_seconds=float(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemon.sock"


@pytest_asyncio.fixture
async def start_daemon(
    path: Path, child_environment: dict[str, str], repository_root: Path
) -> AsyncIterator[StartDaemon]:
    """Start a daemon that ends after this many seconds without an editor."""
    daemons: list[asyncio.subprocess.Process] = []

    async def start(idle_seconds: float) -> asyncio.subprocess.Process:
        command = [sys.executable, "-c", _DAEMON, str(path), str(idle_seconds)]
        daemon = await asyncio.create_subprocess_exec(
            *command, env=child_environment, cwd=repository_root, stderr=asyncio.subprocess.PIPE
        )
        daemons.append(daemon)
        assert daemon.stderr
        assert await daemon.stderr.readline() == f"dlm-lsp: listening on {path}\n".encode()
        return daemon

    yield start
    for daemon in daemons:
        if daemon.returncode is None:
            daemon.kill()
        await daemon.wait()


@pytest_asyncio.fixture
async def connect(path: Path, child_environment: dict[str, str]) -> AsyncIterator[Connect]:
    """An editor that reaches the daemon by the bridge."""
    editors: list[EditorClient] = []

    async def connect() -> EditorClient:
        editor = EditorClient()
        editors.append(editor)
        command = [sys.executable, "-P", "-m", "dlm_lsp", "serve", "--connect", str(path)]
        await editor.start_io(*command, env=child_environment)
        await editor.start()
        return editor

    yield connect
    for editor in editors:
        if editor.process.returncode is None:
            editor.process.kill()
        await editor.stop()


async def test_editors_share_the_engine_and_nothing_else(start_daemon: StartDaemon, connect: Connect) -> None:
    daemon = await start_daemon(30)
    first, second = await connect(), await connect()
    first.open(EMPTY_BODY)
    assert len(await first.complete(1, 4)) == 1
    assert await second.complete(1, 4) == []
    assert "is not open" in (await second.status("inactive")).message
    second.open(EMPTY_BODY)
    await first.shutdown_async(None)
    first.exit(None)
    assert await asyncio.wait_for(first.process.wait(), 20) == 0
    assert len(await second.complete(1, 4)) == 1
    daemon.terminate()
    assert await asyncio.wait_for(daemon.wait(), 20) == 0
    assert daemon.stderr
    assert (await daemon.stderr.read()).count(b"loaded") == 1


async def test_editors_that_ask_at_once_for_the_same_file_are_all_answered(
    start_daemon: StartDaemon, connect: Connect
) -> None:
    await start_daemon(30)
    editors = [await connect() for _ in range(3)]
    for editor in editors:
        editor.open(EMPTY_BODY)
    first, *others = (asyncio.ensure_future(editor.complete(1, 4)) for editor in editors)
    await editors[0].status("busy")
    editors[0].change(types.TextDocumentContentChangeWholeDocument("def g():\n    \n"))
    with pytest.raises(JsonRpcRequestCancelled):
        await first
    assert [len(items) for items in await asyncio.gather(*others)] == [1, 1]


async def test_an_editor_that_has_only_connected_hears_nothing_and_keeps_nothing_from_others(
    start_daemon: StartDaemon, connect: Connect, path: Path
) -> None:
    await start_daemon(30)
    reader, writer = await asyncio.open_unix_connection(path)
    editor = await connect()
    editor.open(EMPTY_BODY)
    assert len(await editor.complete(1, 4)) == 1
    assert ("busy", "loading the model") in [(status.state, status.message) for status in editor.statuses]
    writer.write(_message("initialize", {"capabilities": {}, "processId": None}, id=1))
    headers = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    first = json.loads(await reader.readexactly(int(headers.split()[1])))
    assert first["id"] == 1
    writer.close()


async def test_who_speaks_something_else_is_hung_up_on(start_daemon: StartDaemon, path: Path) -> None:
    daemon = await start_daemon(1)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    assert await asyncio.wait_for(daemon.wait(), 20) == 0, "it keeps no daemon alive"


async def test_only_its_user_can_open_the_socket(start_daemon: StartDaemon, path: Path) -> None:
    daemon = await start_daemon(30)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    daemon.terminate()
    await asyncio.wait_for(daemon.wait(), 20)
    assert not path.exists()


async def test_a_signal_ends_it_quietly_with_editors_connected(start_daemon: StartDaemon, connect: Connect) -> None:
    daemon = await start_daemon(30)
    editors = [await connect() for _ in range(2)]
    editors[0].open(EMPTY_BODY)
    filling = asyncio.ensure_future(editors[0].complete(1, 4))
    await editors[0].status("busy")
    daemon.terminate()
    assert await asyncio.wait_for(daemon.wait(), 20) == 0
    assert daemon.stderr
    assert (await daemon.stderr.read()).replace(b"loaded\n", b"") == b""
    for editor in editors:  # their bridges end with it
        await asyncio.wait_for(editor.process.wait(), 20)
    await asyncio.gather(filling, return_exceptions=True)


async def test_it_ends_without_clients(start_daemon: StartDaemon, connect: Connect) -> None:
    daemon = await start_daemon(5)
    editor = await connect()
    await editor.shutdown_async(None)
    editor.exit(None)
    assert await asyncio.wait_for(daemon.wait(), 30) == 0


async def test_a_dead_daemons_socket_is_replaced_and_a_live_ones_is_not(
    start_daemon: StartDaemon, path: Path, child_environment: dict[str, str]
) -> None:
    killed = await start_daemon(30)
    killed.kill()
    await killed.wait()
    await start_daemon(30)
    command = [sys.executable, "-P", "-m", "dlm_lsp", "serve", "--socket", str(path)]
    second = await asyncio.to_thread(
        subprocess.run, command, env=child_environment, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 2
    assert "Another daemon listens" in second.stderr


def test_a_bridge_without_a_daemon_says_so(path: Path, child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-P", "-m", "dlm_lsp", "serve", "--connect", os.fspath(path)]
    done = subprocess.run(command, env=child_environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"dlm-lsp: No daemon listens on {path}")


class _Deaf:
    """A client that reads nothing and answers nothing."""

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


def _message(method: str, params: object, **fields: int) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **fields}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def test_a_bridge_ends_with_the_editor_that_started_it(path: Path, child_environment: dict[str, str]) -> None:
    """Even if another process keeps the editor's end of the pipe."""
    ours, bridges = os.pipe()[::-1]
    command = f"exec 3<&0; {sys.executable} -P -m dlm_lsp serve --connect {path} <&3 & exec sleep 60"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(os.fspath(path))
        daemon.listen()
        editor = subprocess.Popen(["sh", "-c", command], env=child_environment, stdin=bridges)
        daemon.settimeout(20)
        connection, _ = daemon.accept()
        editor.kill()
        editor.wait()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b"", "the bridge should have closed its connection"
    os.close(ours)
    os.close(bridges)


async def _complete_once(path: Path, options: dict[str, object]) -> None:
    """Be an editor without a bridge that asks for one fill, and leaves."""
    reader, writer = await asyncio.open_unix_connection(path)
    document = {"uri": URI, "languageId": "python", "version": 1, "text": EMPTY_BODY}
    where = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 4}, "context": {"triggerKind": 1}}
    writer.write(
        _message("initialize", {"capabilities": {}, "processId": None, "initializationOptions": options}, id=1)
        + _message("initialized", {})
        + _message("textDocument/didOpen", {"textDocument": document})
        + _message("textDocument/inlineCompletion", where, id=2)
    )
    await asyncio.wait_for(reader.readuntil(b'"id": 2'), 20)
    writer.close()


async def test_the_model_that_was_used_last_outlives_its_editor(start_daemon: StartDaemon, path: Path) -> None:
    daemon = await start_daemon(30)
    for _ in range(2):
        await _complete_once(path, {"model": "./mine"})
    daemon.terminate()
    await asyncio.wait_for(daemon.wait(), 20)
    assert daemon.stderr
    assert (await daemon.stderr.read()).split() == [b"loaded"]


async def test_a_shell_gets_the_model_that_an_editor_has_named(start_daemon: StartDaemon, path: Path) -> None:
    daemon = await start_daemon(30)
    await _complete_once(path, {"model": "./mine"})

    def ask() -> str:
        with DaemonClient(str(path)) as client:
            return client.await_engine().model_name

    assert await asyncio.to_thread(ask) == "scripted"
    daemon.terminate()
    await asyncio.wait_for(daemon.wait(), 20)
    assert daemon.stderr
    assert (await daemon.stderr.read()).split() == [b"loaded"]


async def test_nothing_is_kept_of_a_client_that_has_gone() -> None:
    """Documents above all: a daemon outlives many editors, and some leave without closing anything."""
    engine = ScriptedEngine("return 1")
    room = EngineRoom(lambda _settings: engine)
    server, reader = create_server(room, {}), asyncio.StreamReader()
    capabilities = {"workspace": {"configuration": True}, "window": {"workDoneProgress": True}}
    document = {"uri": URI, "languageId": "python", "version": 1, "text": EMPTY_BODY}
    where = {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 4}}
    command = {"command": INFILL_RANGE, "arguments": [URI, where]}
    reader.feed_data(_message("initialize", {"capabilities": capabilities, "processId": None}, id=1))
    reader.feed_data(_message("initialized", {}))
    reader.feed_data(_message("textDocument/didOpen", {"textDocument": document}))
    reader.feed_data(_message("workspace/executeCommand", command, id=2))
    conversation = asyncio.create_task(converse(server, reader, _Deaf()))
    await asyncio.to_thread(engine.wait_for_step)
    reader.feed_eof()
    await conversation
    server.hang_up()
    gone = weakref.ref(server)
    del server, conversation
    async with asyncio.timeout(10):
        while gone():  # until the worker is done with the step that it was in
            gc.collect()
            await asyncio.sleep(0.01)
    assert await asyncio.to_thread(room.join, 10)
