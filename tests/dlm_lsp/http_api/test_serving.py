"""The server as a process: where it listens, and what ends it."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from dlm_lsp.errors import UsageError
from dlm_lsp.http_api.serving import listen

_SERVE = """
import sys
from dlm_lsp.cli import run
from dlm_lsp.commands import http
from dlm_model.errors import CheckpointError
from tests.dlm_lsp.scripted_engine import ScriptedEngine

class Stuck(ScriptedEngine):
    def infill(self, request, options, cancel):
        print("in a step", file=sys.stderr, flush=True)
        return super().infill(request, options, cancel)

def load(settings):
    if settings.model == "models/broken":
        raise CheckpointError("There is no such model.")
    if settings.model == "models/stuck":
        return Stuck("abcd", num_steps=4, is_gated=True)
    return ScriptedEngine("abcd", num_steps=4)

http.load_quietly = load
sys.exit(run(["http", "--port", "0", *sys.argv[1:]]))
"""

StartServer = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest_asyncio.fixture
async def start_server(child_environment: dict[str, str], repository_root: Path) -> AsyncIterator[StartServer]:
    processes: list[asyncio.subprocess.Process] = []

    async def start(*flags: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SERVE, *flags),
            env=child_environment,
            cwd=repository_root,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def connect(process: asyncio.subprocess.Process) -> httpx2.AsyncClient:
    """A client of a server that has said where it listens."""
    assert process.stderr
    announcement = (await process.stderr.readline()).decode()
    assert announcement.startswith("dlm-lsp: listening on 127.0.0.1:")
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{int(announcement.rpartition(':')[2])}", timeout=20)


async def ends_with(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Exit code and what else it said."""
    assert process.stderr
    async with asyncio.timeout(20):
        said = await process.stderr.read()
        return await process.wait(), said.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_without_a_word(start_server: StartServer, number: signal.Signals) -> None:
    process = await start_server()
    async with await connect(process) as client:
        response = await client.post("/v1/fim/completions", json={"prompt": "x"})
        assert response.json()["choices"][0]["text"] == "abcd"
        process.send_signal(number)
        assert await ends_with(process) == (0, "")


async def test_it_does_not_wait_for_a_step_without_end(start_server: StartServer) -> None:
    process = await start_server("--model", "models/stuck")
    async with await connect(process) as client:
        running = asyncio.ensure_future(client.post("/v1/fim/completions", json={"prompt": "x"}))
        assert process.stderr
        assert await asyncio.wait_for(process.stderr.readline(), 20) == b"in a step\n"
        process.terminate()
        assert (await running).json()["error"]["code"] == "shutting_down"
        assert await ends_with(process) == (0, "")


async def test_a_model_that_cannot_be_loaded_ends_it(start_server: StartServer) -> None:
    process = await start_server("--model", "models/broken")
    code, said = await ends_with(process)
    assert code == 3
    assert said.endswith("\ndlm-lsp: There is no such model.\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_need_a_key(host: str) -> None:
    with pytest.raises(UsageError, match="DLM_LSP_API_KEY"):
        listen(host, 0, has_key=False).close()
    if host != "::":
        listen(host, 0, has_key=True).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    with listen(host, 0, has_key=False) as listener:
        assert listener.getsockname()[1] > 0


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UsageError, match="Cannot listen"):
        listen("127.0.0.1", other.getsockname()[1], has_key=False)


def test_an_address_that_cannot_be_listened_on() -> None:
    with pytest.raises(UsageError, match=r"Cannot listen on no\.such\.host\.invalid:80"):
        listen("no.such.host.invalid", 80, has_key=False)
