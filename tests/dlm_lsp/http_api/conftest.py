"""The HTTP application on a real socket, in the test's own event loop, with a scripted engine in place of a model."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext

import httpx2
import pytest
import pytest_asyncio
import uvicorn

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.http_api.access import AccessPolicy
from dlm_lsp.http_api.app import create_app
from dlm_lsp.http_api.service import FimService
from dlm_lsp.options import Settings
from dlm_model.request import InfillEngine

StartApi = Callable[..., Awaitable[httpx2.AsyncClient]]

OPEN = AccessPolicy()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that other tasks bring about."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def services() -> list[FimService]:
    """The server that `start_api` started."""
    return []


@pytest_asyncio.fixture
async def start_api(services: list[FimService]) -> AsyncIterator[StartApi]:
    """Serve an engine; returns a client of the server."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None], EngineRoom, httpx2.AsyncClient]] = []

    async def start(
        engine: InfillEngine, settings: Settings | None = None, policy: AccessPolicy = OPEN
    ) -> httpx2.AsyncClient:
        room = EngineRoom(lambda _settings: engine)
        service = FimService(room, settings or Settings(), on_failure=pytest.fail)
        app = create_app(service, policy)
        config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, proxy_headers=False)
        server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
        # The server would put back the signal handlers of the test's event loop, after that loop is closed.
        server.capture_signals = nullcontext
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        service.start()
        client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20)
        services.append(service)
        running.append((server, serving, room, client))
        while (await client.get("/health")).status_code == 503:
            await asyncio.sleep(0.01)
        return client

    yield start
    for service, (server, serving, room, client) in zip(services, running, strict=True):
        await client.aclose()
        service.close()
        server.should_exit = True
        await serving
        assert room.join(5)
