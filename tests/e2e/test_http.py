"""The real `dlm-lsp http` with the weights that ship: a fill, a stream, and a client that leaves."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIM = "/v1/fim/completions"
BODY = {"prompt": "def add(left, right):\n    ret", "suffix": "\n\n\nprint(add(1, 2))\n", "max_tokens": 16, "steps": 4}
MANY_STEPS = {**BODY, "prompt": "x = [\n", "max_tokens": 256, "steps": 500, "schedule": "linear"}


class Server(NamedTuple):
    client: httpx2.AsyncClient
    log: Path

    async def until_logged(self, pattern: str, count: int = 1) -> None:
        async with asyncio.timeout(60):
            while len(re.findall(pattern, self.log.read_text())) < count:
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    server_environment: dict[str, str], repository_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    log = tmp_path_factory.mktemp("log") / "http.log"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "dlm_lsp", "http", "--port", "0", "-v", "--log-file", str(log)),
        env=server_environment,
        cwd=repository_root,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr
        port = int((await process.stderr.readline()).decode().rpartition(":")[2])
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield Server(client, log)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert "print(add" not in log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_word_that_was_begun_is_finished(server: Server) -> None:
    answer = (await server.client.post(FIM, json=BODY)).json()
    assert answer["choices"][0]["text"].startswith("urn")
    assert answer["usage"]["prompt_tokens"] > 10
    assert 0 < answer["usage"]["completion_tokens"] <= 16
    assert (answer["model"], answer["warning"]) == ("smollm2-135m-infill", None)


async def test_a_fill_ends_where_the_suffix_goes_on(server: Server) -> None:
    begun = 'def strlen(string: str) -> int:\n    """Return length of given string"""\n    return '
    answer = (await server.client.post(FIM, json={"prompt": begun, "suffix": "string)\n"})).json()
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("len(", "stop")


@pytest.mark.parametrize("suffix", [BODY["suffix"], " + right\n"])
async def test_a_stream_adds_up_to_the_answer(server: Server, suffix: str) -> None:
    body = {**BODY, "suffix": suffix}
    whole = (await server.client.post(FIM, json=body)).json()["choices"][0]
    streamed = (await server.client.post(FIM, json={**body, "stream": True})).text
    lines = [line.removeprefix("data: ") for line in streamed.split("\n") if line]
    assert lines.pop() == "[DONE]"
    choices = [json.loads(line)["choices"][0] for line in lines]
    assert "".join(choice["text"] for choice in choices) == whole["text"]
    assert choices[-1]["finish_reason"] == whole["finish_reason"]


async def test_with_a_language_the_fill_is_what_an_editor_would_insert(server: Server) -> None:
    body = {**BODY, "prompt": "def add(left, right):\n", "language": "python"}
    text = (await server.client.post(FIM, json=body)).json()["choices"][0]["text"]
    assert all(line.startswith("    ") for line in text.split("\n") if line)


async def test_a_client_that_leaves_stops_the_fill(server: Server) -> None:
    async with server.client.stream("POST", FIM, json={**MANY_STEPS, "stream": True, "diffusing": True}) as response:
        lines = response.aiter_lines()
        assert json.loads((await anext(lines)).removeprefix("data: "))["choices"][0]["finish_reason"] is None
        await response.aclose()
    await server.until_logged("cancelled after")
    leaving = asyncio.ensure_future(server.client.post(FIM, json=MANY_STEPS))
    await asyncio.sleep(0.5)
    leaving.cancel()
    await server.until_logged("cancelled after", count=2)
    assert (await server.client.post(FIM, json=BODY)).status_code == 200
