"""A daemon on a thread of the test's own process, whose engine the test can see."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.options import Settings
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse, silence_pygls
from dlm_model.request import InfillEngine

WAIT_SECONDS = 20.0


class DaemonThread:
    """Listens on a socket as long as the context lasts.

    Attributes:
        path: Of the socket.
        num_conversations: Clients that have come, and gone.
    """

    def __init__(self, path: Path, load_engine: Callable[[Settings], InfillEngine]) -> None:
        silence_pygls()
        self.path = path
        self.num_conversations = 0
        self._load_engine = load_engine
        self._loop = asyncio.new_event_loop()
        self._conversations: set[asyncio.Task[None]] = set()
        self._is_listening = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_listening.wait(WAIT_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        self._loop.close()

    def hang_up(self) -> None:
        """Leave every client in the middle of its conversation; from any thread."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._conversations])

    async def _serve(self) -> None:
        room = EngineRoom(self._load_engine)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._conversations.add(task)
            server = create_server(room, {})
            with suppress(asyncio.CancelledError):
                await converse(server, reader, writer)
            server.hang_up()
            writer.close()
            self._conversations.remove(task)
            self.num_conversations += 1

        listener = await asyncio.start_unix_server(talk, self.path)
        self._is_listening.set()
        await self._ended.wait()
        listener.close()
        for task in tuple(self._conversations):
            task.cancel()
        while self._conversations:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(room.join, WAIT_SECONDS)
