"""The state that every handler works on, as pygls' server object: a client's documents, settings, worker and status.

This module holds the state and talks to the client. Handlers decide what to do. The exception is
`DlmLanguageServer.configure`, which applies new settings: it clears fills, stops jobs, or takes another worker.
Everything here runs on the event loop.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lsprotocol import types
from pygls.exceptions import FeatureRequestError, JsonRpcException, JsonRpcInvalidRequest
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from dlm_lsp import __version__
from dlm_lsp.acceptance import AcceptanceLog
from dlm_lsp.documents.document_policy import DocumentPolicy
from dlm_lsp.documents.document_store import DocumentStore
from dlm_lsp.documents.notebooks import ALL_NOTEBOOKS, Notebooks
from dlm_lsp.documents.positions import PositionEncoding
from dlm_lsp.engine_room import Desk, EngineRoom
from dlm_lsp.fill_run import FillRun
from dlm_lsp.keystrokes.pacing import TypingPace
from dlm_lsp.keystrokes.triggers import LastEdit
from dlm_lsp.keystrokes.type_through import TypeThroughCache
from dlm_lsp.load_report import LoadReport
from dlm_lsp.messages import STATUS, StatusParams, StatusState, to_wire
from dlm_lsp.options import ClientOptions, ParsedOptions, resolve

logger = logging.getLogger(__name__)

OptionSource = Literal["user", "initialization", "configuration", "flags"]
_PRECEDENCE: tuple[OptionSource, ...] = ("user", "initialization", "configuration", "flags")


class _Protocol(LanguageServerProtocol):
    """pygls' protocol, which differs in three ways.

    pygls drops a request that it cannot read or that comes after `shutdown`; here every request gets its answer. pygls
    fails where the client answers what nobody waits for any more; here such an answer is dropped. pygls caches what it
    looks up of a method under the protocol that asked, and so keeps the documents of clients that have gone; here it
    caches nothing.
    """

    def get_message_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        message_type: type[Any] | None = types.METHOD_TO_TYPES.get(method, (None, None))[0]
        return message_type

    def get_result_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        result_type: type[Any] | None = types.METHOD_TO_TYPES.get(method, (None, None))[1]
        return result_type

    def stop_waiting(self) -> None:
        """Cancel the requests that wait, of either side."""
        for future in tuple(self._request_futures.values()):
            future.cancel()

    def structure_message(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 - pygls' own signature
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        if self._shutdown and isinstance(message, RPCRequest):
            error = JsonRpcInvalidRequest(f"{message.method} came after {types.SHUTDOWN}")
            self._send_response(message.id, error=error.to_response_error())
        else:
            super().handle_message(message)

    def _handle_response(self, msg_id: int | str, result: Any | None = None, error: Any | None = None) -> None:  # noqa: ANN401 - pygls' own signature
        future = self._request_futures.get(msg_id)
        if future and future.cancelled():
            del self._request_futures[msg_id]
        else:
            super()._handle_response(msg_id, result, error)


@dataclass(slots=True)
class OpenDocument:
    """The state of a document from its opening to its closing.

    Attributes:
        request: The newest request for ghost text while it waits for its answer.
        run: The ghost text that is being filled.
        last_run: The newest of those runs, finished or not: the next fill may begin with its draft. Kept only while the
            option `warm_start` is on.
        last_edit: The last change, if it is known.
    """

    request: asyncio.Task[Any] | None = None
    run: FillRun | None = None
    last_run: FillRun | None = None
    last_edit: LastEdit | None = None

    def drop_request(self) -> None:
        """Cancel the request that waits, if one does."""
        if self.request:
            self.request.cancel()
            self.request = None

    def drop_fills(self) -> None:
        """Cancel the ghost text that is requested or being filled, without a result."""
        self.drop_request()
        if self.run:
            self.run.cancel()
        self.run = self.last_run = None


class DlmLanguageServer(LanguageServer):
    """One client's session.

    Attributes:
        documents: The texts that are open.
        notebooks: Which of them are cells, and their order.
        opened: The state of each, by URI.
        settings: In force now.
        engines: The workers of this process.
        desk: This session's access to the worker that owns its engine.
        roots: Workspace folders.
        policy: Which documents may be read.
        related_policy: Which documents the worker's thread may read.
        recent_answers: The latest fills, for a user who types what they say.
        typing_pace: How fast the user types, and how fast the model answers.
        acceptance: Counts which offered items are shown and accepted.
        exits_with_client: Whether the process ends when the one that `initialize` names has ended.
        is_shut_down: Whether the client has sent `shutdown`.
        has_left: Set once it has sent `exit`.
    """

    protocol: _Protocol

    def __init__(
        self,
        engines: EngineRoom,
        flags: ClientOptions,
        *,
        exits_with_client: bool,
    ) -> None:
        """Load nothing yet. No worker is taken before the first `configure`: until then nobody can be told of it.

        Args:
            engines: The workers of this process.
            flags: Of the command line; they overrule every other source.
            exits_with_client: Whether the process ends when the one that `initialize` names has ended.
        """
        super().__init__(
            "dlm-lsp",
            __version__,
            protocol_cls=_Protocol,
            converter_factory=default_converter,
            notebook_document_sync=ALL_NOTEBOOKS,
        )
        self.documents = DocumentStore()
        self.notebooks = Notebooks(self.documents)
        self.opened: dict[str, OpenDocument] = {}
        self.settings = resolve(flags)
        self.exits_with_client = exits_with_client
        self.is_shut_down = False
        self.has_left = threading.Event()
        self.engines = engines
        self.desk = Desk(engines, LoadReport(self).on_event)
        self.roots: tuple[Path, ...] = ()
        self.policy, self.related_policy = DocumentPolicy(), DocumentPolicy()
        self.recent_answers = TypeThroughCache()
        self.typing_pace = TypingPace()
        self.acceptance = AcceptanceLog(self.documents)
        self._options: dict[OptionSource, ClientOptions] = {"flags": flags}
        self._problems: list[str] = []
        self._status = StatusParams("normal")
        self._background: set[asyncio.Task[None]] = set()

    @property
    def position_encoding(self) -> PositionEncoding:
        """The encoding negotiated with the client."""
        encoding: PositionEncoding = types.PositionEncodingKind(self.workspace.position_encoding).value
        return encoding

    def configure(self, source: OptionSource, parsed: ParsedOptions) -> None:
        """Replace the options of one source; `report_problems` reports mistakes in them."""
        self._options[source] = parsed.options
        self._problems.extend(parsed.problems)
        before = self.settings
        self.settings = resolve(*(self._options.get(each, {}) for each in _PRECEDENCE))
        if before != self.settings:
            self.recent_answers.clear()
            for document in self.opened.values():
                document.drop_fills()
        self.desk.take(self.settings)
        self.desk.unload_after(self.settings.idle_unload_minutes * 60 or None)
        if not self.settings.enabled:
            self.desk.cancel_all()

    def take_roots(self, roots: Iterable[Path]) -> None:
        """Work in these folders from now on; `report_problems` reports mistakes in their options."""
        self.roots = tuple(dict.fromkeys(roots))
        self.policy = DocumentPolicy(self.roots, self._problems.extend)
        self.related_policy = DocumentPolicy(self.roots)

    def report_problems(self) -> None:
        """Tell the client, in one message, which options were wrong; nothing while all are right."""
        if not self._problems:
            return
        message = f"options ignored: {'; '.join(self._problems)}"
        self._problems.clear()
        self.window_log_message(types.LogMessageParams(types.MessageType.Warning, message))
        self.show_status("warning", message)

    def show_status(self, state: StatusState, message: str = "", command: types.Command | None = None) -> None:
        """Send the client a status, unless it has that status already."""
        status = StatusParams(state, message, command)
        if status != self._status:
            self._status = status
            self.protocol.notify(STATUS, to_wire(status))

    def show_idle(self) -> None:
        """Replace the status `busy` once nothing runs; any other status stays."""
        if self._status.state == "busy" and self.desk.is_idle:
            self.show_status("normal")

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a conversation with the client beside the message loop."""
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def forget(self, uri: str) -> None:
        """Forget a document: its fills, and the prompts that the engine has cached of it."""
        self.recent_answers.forget(uri)
        self.desk.tell(lambda engine: engine.forget(uri))

    def hang_up(self) -> None:
        """Stop everything that runs for a client that has gone, and wait for none of its answers."""
        for uri in self.opened:
            self.forget(uri)
        self.desk.close()
        self.protocol.stop_waiting()
        for task in tuple(self._background):
            task.cancel()

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log, and show a status: pygls would pop up a message box for every message it cannot handle."""
        logger.warning("%s: %s", getattr(source, "__name__", source), error)
        # A failed request is answered with its error, but nobody hears of a failed notification, even though an edit
        # that was not applied makes our text differ from the client's.
        if source is not FeatureRequestError:
            self.show_status("warning", f"a message from the editor could not be handled: {error}")
