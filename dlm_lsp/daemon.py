"""One daemon for several editors, over a Unix domain socket that only its user can open; and the bridge to it.

Each connection is a session of its own; they share the workers, so that a model is in memory once.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from dlm_lsp.engine_room import Desk, EngineRoom, LoadEngine
from dlm_lsp.errors import UsageError
from dlm_lsp.options import ClientOptions
from dlm_lsp.process import SECONDS_TO_END_A_STEP, end_process, exit_with
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse, greeting, silence_pygls

_CHUNK_BYTES = 65_536

_ONLY_US = 0o177
"""Umask while the socket is made, so that it has mode 0600."""


def serve_socket(load_engine: LoadEngine, path: Path, flags: ClientOptions, *, idle_seconds: float) -> int:
    """Serve every editor that connects, until a signal, or until no editor was connected for long enough.

    Args:
        load_engine: Loads a model at its first need, on a worker's thread.
        path: Where the socket is made; one left by a dead daemon is replaced.
        flags: Overrule all other options of every session.
        idle_seconds: How long it waits without any client.

    Returns:
        The exit code: 0.

    Raises:
        UsageError: the socket cannot be made, or another daemon listens on it.
    """
    silence_pygls()
    _clear(path)
    room = EngineRoom(load_engine)
    asyncio.run(_Daemon(room, flags, idle_seconds).serve(path))
    if not room.join(SECONDS_TO_END_A_STEP):
        end_process(0)  # torch must not run on into the interpreter's own end
    return 0


def connect_stdio(path: Path, *, client_process_id: int | None = None) -> int:
    """Relay between an editor's standard streams and a running daemon, until either side ends.

    Args:
        path: Of the daemon's socket.
        client_process_id: The editor. It may die without closing our stdin when a child of it holds the pipe, so this
            process ends with it too; None takes the process that started this one.

    Raises:
        UsageError: no daemon listens there.
    """
    exit_with(os.getppid() if client_process_id is None else client_process_id)
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.fspath(path))
        except OSError as error:
            raise UsageError(f"No daemon listens on {path}: {error.strerror or error}.") from error
        threading.Thread(target=_send_stdin, args=(connection,), daemon=True).start()
        with suppress(ConnectionError):
            while data := connection.recv(_CHUNK_BYTES):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
    end_process(0)  # the thread that waits for input cannot be woken


def _send_stdin(connection: socket.socket) -> None:
    with suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


class _Daemon:
    def __init__(self, room: EngineRoom, flags: ClientOptions, idle_seconds: float) -> None:
        self._room = room
        self._flags = flags
        self._idle_seconds = idle_seconds
        self._conversations: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def serve(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ended.set)
        # Keeps the model that was used last while editors come and go; the sessions tell their clients of it.
        keeper = Desk(self._room, lambda _event: None, retries=False)
        self._room.on_use = keeper.take
        umask = os.umask(_ONLY_US)
        try:
            listener = await asyncio.start_unix_server(self._talk, path)
        except OSError as error:
            raise UsageError(f"Cannot listen on {path}: {error.strerror or error}.") from error
        finally:
            os.umask(umask)
        sys.stderr.write(f"dlm-lsp: listening on {path}\n")
        sys.stderr.flush()
        self._wait_for_clients()
        await self._ended.wait()
        listener.close()
        path.unlink(missing_ok=True)
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations)
        keeper.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation, "asyncio talks to every client in a task"
        self._conversations.add(conversation)
        if self._timer:
            self._timer.cancel()
        server = create_server(self._room, self._flags)
        try:
            # Cancelled by `serve` alone; a task of asyncio's streams that ends cancelled is reported as an error.
            with suppress(asyncio.CancelledError):
                if first_line := await greeting(reader):
                    await converse(server, reader, writer, first_line)
        finally:
            server.hang_up()
            writer.close()
            self._conversations.remove(conversation)
            if not self._conversations:
                self._wait_for_clients()

    def _wait_for_clients(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._ended.set)


def _clear(path: Path) -> None:
    """Remove the socket of a daemon that no longer runs."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise UsageError(f"Cannot listen on {path}: {error.strerror or error}.") from error
    raise UsageError(f"Another daemon listens on {path}; `dlm-lsp serve --connect {path}` reaches it.")
