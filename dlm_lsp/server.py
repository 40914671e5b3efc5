"""The language server: which handler answers which method, and how the process runs it.

Start reading at `ROUTES`. Importing this module imports no torch: the engine comes from the loader that the caller
hands in, on the worker's thread, after `initialize` was answered.
"""

import asyncio
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async

from dlm_lsp.errors import DlmLspError
from dlm_lsp.handlers import configuration, document_sync, infill_range, inline_completion, lifecycle
from dlm_lsp.messages import INFILL_RANGE
from dlm_lsp.options import ClientOptions
from dlm_lsp.process import claim_standard_streams, end_process, exit_with
from dlm_lsp.session import DlmLanguageServer, LoadEngine
from dlm_model.errors import ModelError

if TYPE_CHECKING:
    from pygls.io_ import AsyncReader, AsyncWriter, Writer

Handler = Callable[[DlmLanguageServer, Any], Any]

_SECONDS_TO_END_A_STEP = 1.0
_INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True, slots=True)
class Route:
    """One LSP method.

    Attributes:
        method: As LSP spells it.
        handler: What answers it.
        runs_on: `loop` blocks the message loop for its few milliseconds; `worker` waits for the engine's thread and
            can be cancelled.
        options: Advertised with the capability.
    """

    method: str
    handler: Handler
    runs_on: Literal["loop", "worker"]
    options: object = None


ROUTES = (
    Route(types.INITIALIZE, lifecycle.initialize, "loop"),
    Route(types.INITIALIZED, lifecycle.initialized, "loop"),
    Route(types.SHUTDOWN, lifecycle.shutdown, "loop"),
    Route(types.WORKSPACE_DID_CHANGE_CONFIGURATION, configuration.did_change_configuration, "loop"),
    Route(types.TEXT_DOCUMENT_DID_OPEN, document_sync.did_open, "loop"),
    Route(types.TEXT_DOCUMENT_DID_CHANGE, document_sync.did_change, "loop"),
    Route(types.TEXT_DOCUMENT_DID_CLOSE, document_sync.did_close, "loop"),
    # Without an options object pygls does not advertise inline completion, and no editor ever asks.
    Route(
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        inline_completion.inline_completion,
        "worker",
        types.InlineCompletionOptions(),
    ),
    Route(types.WORKSPACE_EXECUTE_COMMAND, infill_range.execute_command, "worker"),
)

_REPLACED_METHODS = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.WORKSPACE_EXECUTE_COMMAND,
)


def create_server(
    load_engine: LoadEngine, flags: ClientOptions | None = None, *, exits_with_client: bool = False
) -> DlmLanguageServer:
    """Build a server that is not connected yet.

    Args:
        load_engine: Called on the worker's thread at the first need, and again when model or device change.
        flags: Of the command line; they overrule every other source of options.
        exits_with_client: End the process when the one that `initialize` names has ended.
    """
    server = DlmLanguageServer(load_engine, flags or ClientOptions(), exits_with_client=exits_with_client)
    for route in ROUTES:
        # pygls' own handlers would keep a second copy of every document, and run a command where no cancel reaches it.
        if route.method in _REPLACED_METHODS:
            del server.protocol.fm.builtin_features[route.method]
        server.feature(route.method, route.options)(_bind(server, route.handler))
    # Only advertises the name: the route above runs it.
    server.command(INFILL_RANGE)(infill_range.execute_command)
    return server


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


def _bind(server: DlmLanguageServer, handler: Handler) -> Callable[[Any], Any]:
    """The handler as pygls calls it, with errors on purpose turned into JSON-RPC errors."""
    if inspect.iscoroutinefunction(handler):

        async def answer_later(params: Any) -> Any:  # noqa: ANN401 - any LSP type
            with _json_rpc_errors():
                return await handler(server, params)

        return answer_later

    def answer(params: Any) -> Any:  # noqa: ANN401 - any LSP type
        with _json_rpc_errors():
            return handler(server, params)

    return answer


@contextmanager
def _json_rpc_errors() -> Iterator[None]:
    try:
        yield
    except DlmLspError as error:
        raise JsonRpcException(str(error), error.lsp_code) from error
    except ModelError as error:
        raise JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed) from error


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
