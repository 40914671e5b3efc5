"""Running the server as a process: standard input and output or one TCP connection, and the exit code.

Knows transports and how processes end; `server` knows the protocol.
"""

import asyncio
import logging
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from pygls.io_ import StdinAsyncReader, run_async

from dlm_lsp.engine_room import EngineRoom, LoadEngine
from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from dlm_lsp.options import ClientOptions
from dlm_lsp.process import (
    SECONDS_TO_END_A_STEP,
    announce_address,
    claim_standard_streams,
    end_process,
    exit_with,
)
from dlm_lsp.server import create_server
from dlm_lsp.session import DlmLanguageServer

if TYPE_CHECKING:
    from pygls.io_ import AsyncReader, AsyncWriter, Writer

_LSP_HEADER = b"content-"
"""What a client's first line begins with, in any case; a probe or a browser sends something else."""

_CONTENT_LENGTH = re.compile(rb"Content-Length:[ \t]*(.*?)[ \t]*\r?\n", re.IGNORECASE)
_MOST_DIGITS = 9
"""Of a message's length in bytes: a gigabyte is more than any document that is taken."""

logger = logging.getLogger(__name__)


def serve_stdio(
    load_engine: LoadEngine, flags: ClientOptions | None = None, *, client_process_id: int | None = None
) -> int:
    """Talk to one client over standard input and output until it leaves.

    Whatever else writes to standard output while this runs goes to standard error.

    Args:
        load_engine: Loads a model at its first need, on a worker's thread.
        flags: Options from the command line, which overrule every other source.
        client_process_id: End the process when this one ends, besides the one that `initialize` names.

    Returns:
        The exit code LSP asks for: 0 after `shutdown`, else 1.
    """
    streams = claim_standard_streams()
    if client_process_id is not None:
        exit_with(client_process_id)
    server = create_server(EngineRoom(load_engine), flags, exits_with_client=True)
    reader = StdinAsyncReader(streams.stdin, server.thread_pool)
    return _run(server, converse(server, reader, _Output(streams.stdout)))


def serve_tcp(
    load_engine: LoadEngine,
    host: str,
    port: int,
    flags: ClientOptions | None = None,
    *,
    client_process_id: int | None = None,
) -> int:
    """Wait for one client on a TCP port and talk to it until it leaves; "listening on HOST:PORT" goes to stderr.

    A connection that says nothing, or nothing that a client would, is no client.

    Args:
        load_engine: Loads a model at its first need, on a worker's thread.
        host: Address to listen on.
        port: 0 takes a free one.
        flags: Options from the command line, which overrule every other source.
        client_process_id: End the process when this one ends. The one that `initialize` names may be on another
            machine, and is not watched.

    Returns:
        As `serve_stdio`.

    Raises:
        OSError: the address cannot be listened on.
    """
    if client_process_id is not None:
        exit_with(client_process_id)
    server = create_server(EngineRoom(load_engine), flags)
    return _run(server, _serve_first_client(server, host, port))


def silence_pygls() -> None:
    """Keep source code out of the log: pygls logs whole messages."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL)


def _run(server: DlmLanguageServer, conversation: Coroutine[Any, Any, None]) -> int:
    silence_pygls()
    try:
        asyncio.run(_until_over(server, conversation))
    except KeyboardInterrupt:
        end_process(INTERRUPTED_EXIT_CODE)  # the thread that waits for input cannot be woken
    exit_code = 0 if server.is_shut_down else 1
    if not server.engines.join(SECONDS_TO_END_A_STEP):
        end_process(exit_code)  # torch must not run on into the interpreter's own end
    return exit_code


async def _until_over(server: DlmLanguageServer, conversation: Coroutine[Any, Any, None]) -> None:
    """Stop the worker while there is still a loop that can be told of it, however the conversation ends."""
    try:
        await conversation
    finally:
        server.desk.close()


class _Output:
    """Ignores a closed pipe: the client has stopped reading, but its `exit` is still to come."""

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout

    def write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            self._stdout.write(data)
            self._stdout.flush()

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._stdout.close()


async def converse(
    server: DlmLanguageServer, reader: "AsyncReader", writer: "AsyncWriter | Writer", first_line: bytes = b""
) -> None:
    """Talk to one client until it leaves or its connection ends.

    Args:
        server: The client's session.
        reader: What the client says.
        writer: Takes what the server says.
        first_line: What was read of the connection already.
    """
    server.protocol.set_writer(writer)
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        await run_async(
            stop_event=server.has_left,
            reader=_TurnTaking(reader, first_line),
            protocol=server.protocol,
            logger=logging.getLogger("pygls.io"),
            error_handler=server.report_server_error,
        )


class _TurnTaking:
    """Lets the handler of a request begin before the next message is read, and ends where no message can be found.

    A handler is a task, which takes the document as it finds it. Messages that came in one packet would be handled
    before it, and a position or a range would be looked up in a later text than the one that it was sent for.
    """

    def __init__(self, reader: "AsyncReader", first_line: bytes) -> None:
        self._reader = reader
        self._first_line = first_line

    async def readline(self) -> bytes:
        await asyncio.sleep(0)
        line, self._first_line = self._first_line, b""
        try:
            line = line or await self._reader.readline()
        except ValueError:  # longer than asyncio keeps
            return _end_of("a header line is too long")
        length = _CONTENT_LENGTH.fullmatch(line)
        if length is None:
            return line
        if not length[1].isdigit() or len(length[1]) > _MOST_DIGITS:
            return _end_of("a message has no valid Content-Length")
        return b"Content-Length: %b\r\n" % length[1]  # the one spelling that pygls knows

    async def readexactly(self, n: int) -> bytes:
        return await self._reader.readexactly(n)


def _end_of(reason: str) -> bytes:
    """What stands for the end of a conversation that cannot go on: nothing tells where the next message begins."""
    logger.error("hung up on the client: %s", reason)
    return b""


async def greeting(reader: asyncio.StreamReader) -> bytes:
    """The first line of a new connection, if it shows that the client speaks LSP; else nothing."""
    first_line = b""
    with suppress(ConnectionError, ValueError):  # ValueError: a line without an end
        first_line = await reader.readline()
    if first_line.lower().startswith(_LSP_HEADER):
        return first_line
    if first_line:
        logger.warning("a client that does not speak LSP was hung up on")
    return b""


async def _serve_first_client(server: DlmLanguageServer, host: str, port: int) -> None:
    """Serve the first connection that speaks LSP, and stop listening: a second one would get the first's answers."""
    client: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]] = asyncio.Future()
    silent: set[asyncio.StreamWriter] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.add(writer)
        first_line = await greeting(reader)
        silent.discard(writer)
        if first_line and not client.done():
            client.set_result((reader, writer, first_line))
        else:
            writer.close()

    listener = await asyncio.start_server(on_connection, host, port)
    announce_address(*listener.sockets[0].getsockname()[:2])
    reader, writer, first_line = await client
    listener.close()
    for other in silent:
        other.close()
    await converse(server, reader, writer, first_line)
    writer.close()
