"""Lets a command use the engine of a daemon, without a model of its own and without importing torch.

It is a client of the language server, on the daemon's socket. It reads and writes LSP's messages itself, because pygls'
client needs an event loop and takes longer to import than a GPU takes to fill a hole.
"""

import json
import re
import select
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from dlm_lsp import __version__
from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.errors import DlmLspError, ModelUnavailableError, UsageError
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.hole_wire import draft_from_json, request_to_json
from dlm_lsp.messages import DESCRIBE_ENGINE, INFILL_DRAFT, INFILL_HOLE
from dlm_lsp.models.naming import wherever_read
from dlm_model.request import CancelToken, Draft

_REQUEST_CANCELLED = -32800
_POLL_SECONDS = 0.05
"""How long a cancel waits at most while the daemon says nothing."""

_GREETING_SECONDS = 10.0
"""How long a daemon may take to answer at all; what listens there may be something else, and never answer."""

_CHUNK_BYTES = 65_536
_CONTENT_LENGTH = re.compile(rb"Content-Length: *(\d+)", re.IGNORECASE)


class DaemonClient:
    """One command's conversation with a daemon; a context manager that hangs up."""

    def __init__(self, path: str) -> None:
        """Connect.

        Args:
            path: Of the socket that `dlm-lsp serve --socket` has made.

        Raises:
            UsageError: no daemon listens there.
        """
        if not path:  # a variable that was never set
            raise UsageError("--connect is empty.")
        self._path = path
        self._num_requests = 0
        self._received = b""
        self._deadline: float | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            is_free = isinstance(error, (FileNotFoundError, ConnectionRefusedError))
            advice = f"; `dlm-lsp serve --socket {path}` starts one" if is_free else ""
            raise UsageError(f"No daemon listens on {path}: {error.strerror or error}{advice}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def await_engine(self) -> EngineFacts:
        """Begin the session, and wait until the engine is loaded.

        Raises:
            UsageError: the daemon is of another version, whose messages may be others.
            ModelUnavailableError: it has no engine.
        """
        session: dict[str, object] = {"processId": None, "rootUri": None, "capabilities": {}}
        self._deadline = time.monotonic() + _GREETING_SECONDS
        server = self._answer("initialize", session).get("serverInfo") or {}
        self._deadline = None
        version = server.get("version")
        if server.get("name") != "dlm-lsp":
            raise self._no_daemon()
        if version != __version__:
            raise UsageError(f"The daemon on {self._path} is dlm-lsp {version}, and this is {__version__}; restart it.")
        self._send({"method": "initialized", "params": {}})
        return EngineFacts(**self._answer("workspace/executeCommand", {"command": DESCRIBE_ENGINE, "arguments": []}))

    def infill(self, request: HoleRequest, cancel: CancelToken) -> Iterator[Draft]:
        """As `dlm_lsp.infilling.infill`, by the daemon.

        Raises:
            KeyboardInterrupt: it was cancelled.
            ModelUnavailableError: the daemon has ended, or its model cannot serve the request.
            UsageError: as of `infilling.infill`.
        """
        options = replace(request.options, guide=wherever_read(request.options.guide))
        params = {"command": INFILL_HOLE, "arguments": [request_to_json(replace(request, options=options))]}
        for draft in self._request("workspace/executeCommand", params, cancel):
            yield draft_from_json(draft)

    def _answer(self, method: str, params: Mapping[str, object]) -> Any:  # noqa: ANN401 - whatever it is
        """What a request that brings no drafts is answered with."""
        try:
            next(self._request(method, params, CancelToken()))
        except StopIteration as end:
            return end.value
        raise AssertionError("a draft came before any was asked for")

    def _request(
        self, method: str, params: Mapping[str, object], cancel: CancelToken
    ) -> Generator[dict[str, Any], None, Any]:
        """Ask for something: the drafts that come before the answer, which is what the generator returns."""
        self._num_requests += 1
        number, is_cancelled = self._num_requests, False
        self._send({"id": number, "method": method, "params": params})
        while True:
            if cancel.is_cancelled and not is_cancelled:
                self._send({"method": "$/cancelRequest", "params": {"id": number}})
                is_cancelled = True
            message = self._receive()
            if message.get("method") == INFILL_DRAFT:
                yield message["params"]
            elif message.get("id") == number and "error" in message:
                if is_cancelled:
                    raise KeyboardInterrupt
                raise self._failure(**message["error"])
            elif message.get("id") == number and "method" not in message:
                return message["result"]

    def _failure(self, code: int, message: str, **_: object) -> DlmLspError:
        if code == _REQUEST_CANCELLED:
            return ModelUnavailableError(f"The daemon on {self._path} stopped before it had an answer.")
        return UsageError(message) if code == UsageError.lsp_code else ModelUnavailableError(message)

    def _send(self, message: Mapping[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        try:
            self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        except OSError as error:
            raise self._gone() from error

    def _receive(self) -> dict[str, Any]:
        """The next message; an empty one when none has come for a moment."""
        while (message := self._take_message()) is None:
            if self._deadline and time.monotonic() > self._deadline:
                raise self._no_daemon()
            if not select.select([self._socket], [], [], _POLL_SECONDS)[0]:
                return {}
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except OSError as error:
                raise self._gone() from error
            if not chunk:
                raise self._gone()
            self._received += chunk
        return message

    def _take_message(self) -> dict[str, Any] | None:
        """The first message that has been received, None while it has not come whole."""
        header, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = _CONTENT_LENGTH.search(header)
        if length is None:
            raise self._no_daemon()
        num_bytes = int(length[1])
        if len(rest) < num_bytes:
            return None
        self._received = rest[num_bytes:]
        try:
            message = json.loads(rest[:num_bytes])
        except ValueError as error:
            raise self._no_daemon() from error
        if not isinstance(message, dict):
            raise self._no_daemon()
        return message

    def _gone(self) -> ModelUnavailableError:
        return ModelUnavailableError(f"The daemon on {self._path} has ended.")

    def _no_daemon(self) -> UsageError:
        return UsageError(f"What listens on {self._path} is not a dlm-lsp daemon.")
