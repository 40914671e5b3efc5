"""OpenAI's own client as the judge of the format: it reads answers, streams and errors into its own types."""

from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio
from openai.types import Completion

from dlm_lsp.http_api.access import AccessPolicy
from tests.dlm_lsp.http_api.conftest import StartApi
from tests.dlm_lsp.scripted_engine import ScriptedEngine


@pytest_asyncio.fixture
async def client(start_api: StartApi) -> AsyncIterator[openai.AsyncOpenAI]:
    api = await start_api(ScriptedEngine("a + b", "a - b", num_steps=5), policy=AccessPolicy(key="secret"))
    async with openai.AsyncOpenAI(base_url=f"{api.base_url}/v1", api_key="secret", max_retries=0) as client:
        yield client


async def test_a_completion(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="any", prompt="x = ", suffix="\n", n=2, max_tokens=9)
    assert [choice.text for choice in answer.choices] == ["a + b", "a - b"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.completion_tokens == 6


@pytest.mark.parametrize("path", ["/completions", "/fim/completions"])
async def test_a_stream(client: openai.AsyncOpenAI, path: str) -> None:
    body = {"prompt": "x = ", "suffix": "\n", "stream": True, "stream_options": {"include_usage": True}}
    stream = await client.post(
        path, cast_to=Completion, body=body, stream=True, stream_cls=openai.AsyncStream[Completion]
    )
    *chunks, usage = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks) == "a + b"
    assert usage.usage
    assert usage.usage.total_tokens == 5


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="temperature must be") as caught:
        await client.completions.create(model="any", prompt="x", temperature=-1)
    assert (caught.value.param, caught.value.type) == ("temperature", "invalid_request_error")
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="guess").models.list()
