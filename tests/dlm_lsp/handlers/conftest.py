"""A server and an editor in one event loop, joined by two streams: the protocol without processes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from pygls.io_ import run_async

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.options import Settings
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse
from dlm_lsp.session import DlmLanguageServer
from dlm_model.request import InfillEngine
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI, WAIT_SECONDS, EditorClient


class JoinedEditor(EditorClient):
    """An editor whose server runs in the same event loop.

    Attributes:
        server: The server.
    """

    def __init__(self, server: DlmLanguageServer) -> None:
        super().__init__()
        self.server = server

    async def until_asked(self) -> None:
        """Wait until the server is at work on a request for ghost text in the document."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not ((document := self.server.opened.get(URI)) and document.request):
                await asyncio.sleep(0)


Connect = Callable[[Callable[[Settings], InfillEngine]], JoinedEditor]


class _Pipe:
    """A stream that one side writes and the other one reads until it is closed; remembers the threads that wrote."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.writing_threads: set[int] = set()
        self._is_closed = False

    def write(self, data: bytes) -> None:
        self.writing_threads.add(threading.get_ident())
        if not self._is_closed:
            self.reader.feed_data(data)

    def close(self) -> None:
        self._is_closed = True
        self.reader.feed_eof()


@pytest.fixture
def engine() -> ScriptedEngine:
    """Three ways to fill the body of `keystrokes.EMPTY_BODY`."""
    return ScriptedEngine("pi = 3\nreturn pi * r", "return 3 * r", "return r")


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Join a new server with this engine loader to a new editor; both end with the test.

    Whatever the server sends in a test, only the thread of the event loop may send it. An engine whose steps nobody
    allows fails the test too: it goes on with an error then, long after what the test is about.
    """
    stop = threading.Event()
    pipes: list[_Pipe] = []
    conversations: list[asyncio.Task[None]] = []
    servers: list[DlmLanguageServer] = []
    unallowed_steps: list[list[int]] = []

    def connect(load_engine: Callable[[Settings], InfillEngine]) -> JoinedEditor:
        def load(settings: Settings) -> InfillEngine:
            engine = load_engine(settings)
            if isinstance(engine, ScriptedEngine):
                unallowed_steps.append(engine.unallowed_steps)
            return engine

        server = create_server(EngineRoom(load), {})
        client = JoinedEditor(server)
        to_server, to_client = _Pipe(), _Pipe()
        client.protocol.set_writer(to_server)
        listening = run_async(stop, to_client.reader, client.protocol, error_handler=client.report_server_error)
        for conversation in (converse(server, to_server.reader, to_client), listening):
            conversations.append(asyncio.create_task(conversation))
        pipes.extend((to_server, to_client))
        servers.append(server)
        return client

    yield connect
    for server in servers:
        server.desk.close()
    for pipe in pipes:
        pipe.close()
    await asyncio.gather(*conversations)
    for server in servers:
        assert await asyncio.to_thread(server.engines.join, 10), "the worker's thread did not end"
    assert all(pipe.writing_threads <= {threading.get_ident()} for pipe in pipes)
    assert not any(unallowed_steps), "a step waited until its engine gave up"
