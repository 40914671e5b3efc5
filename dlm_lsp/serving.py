"""Running the server as a process: standard input and output or one TCP connection, and the exit code.

Knows transports and endings; what is said over them is `server`'s.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async

from dlm_lsp.options import ClientOptions
from dlm_lsp.process import claim_standard_streams, end_process, exit_with
from dlm_lsp.server import create_server
from dlm_lsp.session import DlmLanguageServer, LoadEngine

if TYPE_CHECKING:
    from pygls.io_ import AsyncReader, AsyncWriter, Writer

_SECONDS_TO_END_A_STEP = 1.0
_INTERRUPTED_EXIT_CODE = 130


def serve_stdio(
    load_engine: LoadEngine, flags: ClientOptions | None = None, *, client_process_id: int | None = None
) -> int:
    """Talk to one client over standard input and output until it leaves.

    Whatever else writes to standard output while this runs goes to standard error.

    Args:
        load_engine: See `create_server`.
        flags: See `create_server`.
        client_process_id: End the process when this one ends, besides the one that `initialize` names.

    Returns:
        The exit code LSP asks for: 0 after `shutdown`, else 1.
    """
    streams = claim_standard_streams()
    if client_process_id is not None:
        exit_with(client_process_id)
    server = create_server(load_engine, flags, exits_with_client=True)
    reader = StdinAsyncReader(streams.stdin, server.thread_pool)
    return _run(server, _converse(server, reader, StdoutWriter(streams.stdout)))


def serve_tcp(
    load_engine: LoadEngine,
    host: str,
    port: int,
    flags: ClientOptions | None = None,
    *,
    client_process_id: int | None = None,
) -> int:
    """Wait for one client on a TCP port and talk to it until it leaves; "listening on HOST:PORT" goes to stderr.

    Args:
        load_engine: See `create_server`.
        host: Address to listen on.
        port: 0 takes a free one.
        flags: See `create_server`.
        client_process_id: End the process when this one ends. The one that `initialize` names may be on another
            machine, and is not watched.

    Returns:
        As `serve_stdio`.

    Raises:
        OSError: the address cannot be listened on.
    """
    if client_process_id is not None:
        exit_with(client_process_id)
    server = create_server(load_engine, flags)
    return _run(server, _accept_one(server, host, port))


def _run(server: DlmLanguageServer, conversation: Coroutine[Any, Any, None]) -> int:
    # pygls logs whole messages, which hold source code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    try:
        with suppress(SystemExit):  # how pygls ends at `exit`
            asyncio.run(conversation)
    except KeyboardInterrupt:
        end_process(_INTERRUPTED_EXIT_CODE)  # the thread that waits for input cannot be woken
    exit_code = 0 if server.is_shut_down else 1
    server.worker.stop()
    if not server.worker.join(_SECONDS_TO_END_A_STEP):
        end_process(exit_code)  # torch must not run on into the interpreter's own end
    return exit_code


async def _converse(server: DlmLanguageServer, reader: "AsyncReader", writer: "AsyncWriter | Writer") -> None:
    server.protocol.set_writer(writer)
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        await run_async(
            stop_event=threading.Event(),
            reader=reader,
            protocol=server.protocol,
            logger=logging.getLogger("pygls.io"),
            error_handler=server.report_server_error,
        )


async def _accept_one(server: DlmLanguageServer, host: str, port: int) -> None:
    """Serve the first connection and listen no further: a second client would get the first one's answers."""
    client: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()

    def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if client.done():
            writer.close()
        else:
            client.set_result((reader, writer))

    listener = await asyncio.start_server(on_connection, host, port)
    address, bound_port = listener.sockets[0].getsockname()[:2]
    sys.stderr.write(f"dlm-lsp: listening on {address}:{bound_port}\n")
    sys.stderr.flush()
    reader, writer = await client
    listener.close()
    await _converse(server, reader, writer)
    writer.close()
