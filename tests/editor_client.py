"""The editor of the tests: pygls' own client, which remembers the messages of the server."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from lsprotocol import types
from pygls.lsp.client import LanguageClient

Payload: TypeAlias = Any
"""Whatever JSON carries; pygls makes named tuples of what it has no type for."""

WAIT_SECONDS = 20.0
URI = "file:///project/example.py"
CAPABILITIES = types.ClientCapabilities(
    general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16]),
    text_document=types.TextDocumentClientCapabilities(inline_completion=types.InlineCompletionClientCapabilities()),
)


class EditorClient(LanguageClient):
    """A client that remembers what it gets, and answers as an editor would.

    Attributes:
        statuses: `dlmLsp/status` parameters, in order of arrival.
        drafts: `dlmLsp/draft` parameters.
        progress: Values of `$/progress`.
        log_messages: Texts of `window/logMessage`.
        popups: Texts of `window/showMessage`, which must stay empty.
        registrations: Methods that the server registered for.
        edits: Edits that the server asked to have applied.
        configuration: The answer to `workspace/configuration`.
        num_configuration_requests: How often it was asked for.
        applies_edits: The answer to `workspace/applyEdit`.
    """

    def __init__(self) -> None:
        super().__init__("editor", "1")
        self.statuses: list[Payload] = []
        self.drafts: list[Payload] = []
        self.progress: list[Payload] = []
        self.log_messages: list[str] = []
        self.popups: list[str] = []
        self.registrations: list[types.Registration] = []
        self.edits: list[types.WorkspaceEdit] = []
        self.configuration: dict[str, Payload] | None = None
        self.num_configuration_requests = 0
        self.applies_edits = True
        self._news = asyncio.Event()
        self._listen()

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The server's, after `start_io`."""
        assert self._server
        return self._server

    async def until(self, is_reached: Callable[[], bool]) -> None:
        """Wait for messages until a condition holds."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not is_reached():
                self._news.clear()
                await self._news.wait()

    async def status(self, state: str) -> Payload:
        """Wait until the last status is in this state, and return it."""
        await self.until(lambda: bool(self.statuses) and self.statuses[-1].state == state)
        return self.statuses[-1]

    async def start(
        self,
        capabilities: types.ClientCapabilities = CAPABILITIES,
        options: dict[str, Payload] | None = None,
        **params: Payload,
    ) -> types.InitializeResult:
        """Do the handshake."""
        result = await self.initialize_async(
            types.InitializeParams(capabilities, initialization_options=options, **params)
        )
        self.initialized(types.InitializedParams())
        return result

    def open(self, text: str, *, uri: str = URI, language_id: str = "python", version: int = 1) -> None:
        self.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language_id, version, text))
        )

    def change(self, *changes: types.TextDocumentContentChangeEvent, uri: str = URI, version: int = 2) -> None:
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version, uri), list(changes))
        )

    def close(self, uri: str = URI) -> None:
        self.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    async def complete(
        self,
        line: int,
        character: int,
        *,
        uri: str = URI,
        trigger: types.InlineCompletionTriggerKind = types.InlineCompletionTriggerKind.Automatic,
        selected: types.SelectedCompletionInfo | None = None,
        request_id: str | None = None,
    ) -> list[types.InlineCompletionItem]:
        """Ask for ghost text.

        Raises:
            JsonRpcException: the server answered with an error.
        """
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(trigger, selected),
            types.TextDocumentIdentifier(uri),
            types.Position(line, character),
        )
        answer = await self.protocol.send_request_async(types.TEXT_DOCUMENT_INLINE_COMPLETION, params, request_id)
        assert isinstance(answer, types.InlineCompletionList), "null and bare lists are not what editors expect"
        return list(answer.items)

    async def execute(self, *arguments: Payload, command: str = "dlmLsp.infillRange") -> Payload:
        return await self.workspace_execute_command_async(types.ExecuteCommandParams(command, list(arguments)))

    def cancel_request(self, request_id: str) -> None:
        self.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(request_id))

    def _listen(self) -> None:
        self._remember("dlmLsp/status", self.statuses, lambda params: params)
        self._remember("dlmLsp/draft", self.drafts, lambda params: params)
        self._remember(types.PROGRESS, self.progress, lambda params: params.value)
        self._remember(types.WINDOW_LOG_MESSAGE, self.log_messages, lambda params: params.message)
        self._remember(types.WINDOW_SHOW_MESSAGE, self.popups, lambda params: params.message)
        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(lambda _params: None)

        @self.feature(types.WORKSPACE_CONFIGURATION)
        def configure(_params: types.ConfigurationParams) -> list[Payload]:
            self.num_configuration_requests += 1
            self._news.set()
            return [self.configuration]

        @self.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            self.registrations.extend(params.registrations)
            self._news.set()

        @self.feature(types.WORKSPACE_APPLY_EDIT)
        def apply_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.edits.append(params.edit)
            return types.ApplyWorkspaceEditResult(self.applies_edits)

    def _remember(self, method: str, memory: list[Payload], select: Callable[[Payload], Payload]) -> None:
        def remember(params: Payload) -> None:
            memory.append(select(params))
            self._news.set()

        self.feature(method)(remember)
