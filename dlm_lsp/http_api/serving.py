"""The HTTP server as a process: its socket, its signals, its exit code."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from types import FrameType

import uvicorn

from dlm_lsp.engine_room import EngineRoom, LoadEngine
from dlm_lsp.errors import ModelUnavailableError, UsageError
from dlm_lsp.http_api.access import AccessPolicy
from dlm_lsp.http_api.app import create_app
from dlm_lsp.http_api.service import FimService
from dlm_lsp.options import Settings
from dlm_lsp.process import SECONDS_TO_END_A_STEP, announce_address, end_process

_SECONDS_TO_SAY_GOODBYE = 2


def serve_http(load_engine: LoadEngine, host: str, port: int, settings: Settings, policy: AccessPolicy) -> int:
    """Answer requests until a signal ends it; "listening on HOST:PORT" goes to standard error.

    Args:
        load_engine: Loads a model at its first need, on a worker's thread.
        host: Address to listen on.
        port: 0 takes a free one.
        settings: In force for every request.
        policy: Who may ask.

    Returns:
        The exit code: 0.

    Raises:
        UsageError: the address cannot be listened on, or other machines would reach it without a key.
        ModelUnavailableError: the model cannot be loaded at the start; later requests get 503 for that.
    """
    listener = listen(host, port, has_key=policy.key is not None)
    room = EngineRoom(load_engine)
    failure = asyncio.run(_serve(room, listener, settings, policy))
    is_idle = room.join(SECONDS_TO_END_A_STEP)
    if failure:
        raise ModelUnavailableError(failure)
    if not is_idle:
        end_process(0)  # torch must not run on into the interpreter's own end
    return 0


def listen(host: str, port: int, *, has_key: bool) -> socket.socket:
    """A socket that listens, on loopback alone unless clients need a key.

    Raises:
        UsageError: as `serve_http`.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if not has_key and not ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise UsageError(
                f"Other machines can reach {host}: set DLM_LSP_API_KEY or give --api-key-file, or listen on 127.0.0.1."
            )
        return socket.create_server(address, family=family)
    except OSError as error:
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


async def _serve(room: EngineRoom, listener: socket.socket, settings: Settings, policy: AccessPolicy) -> str | None:
    """Serve until the end; the reason, if that is that there is no model."""
    failures: list[str] = []

    def on_failure(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    service = FimService(room, settings, on_failure)
    config = uvicorn.Config(
        create_app(service, policy),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,  # our own log, whose level leaves the list of requests out by default
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_SAY_GOODBYE,
    )
    server = _Server(config, service.close)
    service.start()
    announce_address(*listener.getsockname()[:2])
    await server.serve(sockets=[listener])
    service.close()
    return failures[0] if failures else None


class _Server(uvicorn.Server):
    """Ends at the first SIGINT or SIGTERM, and at once: running requests are cancelled, and their clients informed."""

    def __init__(self, config: uvicorn.Config, close: Callable[[], None]) -> None:
        super().__init__(config)
        self._close = close
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as the base class has it
        """Replace uvicorn's handler, which raises the signal again after the end, and so sets the exit code."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._close)
