"""The application over a real socket: every status, every kind of answer, and clients that leave."""

import asyncio
import json
import logging
from dataclasses import replace

import httpx2
import pytest

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.http_api import service
from dlm_lsp.http_api.access import AccessPolicy
from dlm_lsp.http_api.app import create_app
from dlm_lsp.http_api.service import FimService
from dlm_lsp.options import Settings
from dlm_model.errors import DeviceError, RequestError
from tests.dlm_lsp.http_api.conftest import StartApi, until
from tests.dlm_lsp.scripted_engine import ScriptedEngine

FIM = "/v1/fim/completions"
BODY = {"model": "any", "prompt": "x = ", "suffix": "\n"}


def events(response: httpx2.Response) -> list[dict[str, object]]:
    """The objects of a stream, which has to end in [DONE]."""
    lines = [line for line in response.text.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@pytest.mark.parametrize("path", [FIM, "/v1/completions"])
async def test_a_completion(start_api: StartApi, path: str) -> None:
    client = await start_api(ScriptedEngine("a + b"))
    answer = (await client.post(path, json={**BODY, "top_k": 3})).json()
    assert answer.pop("id").startswith("cmpl-")
    assert answer.pop("created") > 0
    assert answer == {
        "object": "text_completion",
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "text": "a + b",
                "message": {"role": "assistant", "content": "a + b"},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
        "warning": "ignored: top_k",
    }


async def test_a_stream_grows(start_api: StartApi) -> None:
    client = await start_api(ScriptedEngine("abcd", num_steps=4))
    response = await client.post(FIM, json={**BODY, "stream": True, "stream_options": {"include_usage": True}})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, usage = events(response)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["text"] for choice in choices] == ["a", "b", "c", "d"]
    assert [choice["delta"]["content"] for choice in choices] == ["a", "b", "c", "d"]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 1)
    assert len({chunk["id"] for chunk in [*chunks, usage]}) == 1


async def test_a_diffusing_stream_repeats_the_whole(start_api: StartApi) -> None:
    client = await start_api(ScriptedEngine("abcd", num_steps=4))
    chunks = events(await client.post(FIM, json={**BODY, "stream": True, "diffusing": True}))
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["a", "ab", "abc", "abcd"]


async def test_a_stream_of_alternatives(start_api: StartApi) -> None:
    client = await start_api(ScriptedEngine("a", "b"))
    chunks = events(await client.post(FIM, json={**BODY, "stream": True, "n": 2}))
    assert [(chunk["choices"][0]["index"], chunk["choices"][0]["text"]) for chunk in chunks] == [(0, "a"), (1, "b")]


async def test_models_and_health(start_api: StartApi) -> None:
    client = await start_api(ScriptedEngine("a"))
    [model] = (await client.get("/v1/models")).json()["data"]
    assert (model["id"], model["object"], model["context_length"]) == ("scripted", "model", 4096)
    # Without these, Mistral's client refuses the list, or takes its own 32,768 for the context.
    assert (model["type"], model["max_context_length"]) == ("base", 4096)
    assert [name for name, is_offered in model["capabilities"].items() if is_offered] == ["completion_fim"]
    assert (await client.get("/health")).json() == {"status": "ok", "model": "scripted", "device": "cpu"}


async def test_a_model_that_is_not_there_yet() -> None:
    room = EngineRoom(lambda _settings: ScriptedEngine("a"))
    waiting = FimService(room, Settings(), on_failure=pytest.fail)
    transport = httpx2.ASGITransport(create_app(waiting, AccessPolicy()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/health")).json() == {"status": "loading"}
        responses = [await client.get(path) for path in ("/health", "/v1/models")]
    assert [response.status_code for response in responses] == [503, 503]
    assert responses[1].json()["error"]["code"] == "loading"


async def test_a_model_that_cannot_be_loaded_again_is_tried_at_every_request() -> None:
    loads = iter([ScriptedEngine("a"), None, None, ScriptedEngine("b")])

    def load(_settings: Settings) -> ScriptedEngine:
        if engine := next(loads):
            return engine
        raise DeviceError("no memory")

    room = EngineRoom(load)
    served = FimService(room, Settings(idle_unload_minutes=0.0001), on_failure=pytest.fail)  # type: ignore[arg-type]
    served.start()
    transport = httpx2.ASGITransport(create_app(served, AccessPolicy()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await until(lambda: served.state == "unloaded")
        for _ in range(2):
            response = await client.post(FIM, json=BODY)
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert (response.json()["error"]["message"]) == "no memory"
            health = await client.get("/health")
            assert (health.status_code, health.json()["status"]) == (200, "failed")
        assert (await client.post(FIM, json=BODY)).json()["choices"][0]["text"] == "b"
    served.close()
    assert await asyncio.to_thread(room.join, 5)


@pytest.mark.parametrize(
    ("body", "param"), [("{", None), ("[" * 100_000, None), ("\xff", None), ("[]", None), ('{"prompt": 3}', "prompt")]
)
async def test_a_bad_body(start_api: StartApi, body: str, param: str | None) -> None:
    client = await start_api(ScriptedEngine("a"))
    response = await client.post(FIM, content=body.encode("latin-1"))
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, None)


async def test_a_body_that_is_too_large(start_api: StartApi) -> None:
    client = await start_api(ScriptedEngine("a"), replace(Settings(), max_document_chars=10))
    response = await client.post(FIM, json={"prompt": "x" * 100_000})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    assert (await client.post(FIM, json={"prompt": "x" * 11})).status_code == 400
    assert (await client.post(FIM, json={"prompt": "x" * 10})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", FIM, 405, "This path accepts only POST."),
        ("POST", "/v1/chat/completions", 404, "holes are filled at /v1/fim/completions"),
        ("GET", "/", 404, "holes are filled at /v1/fim/completions"),
    ],
)
async def test_what_is_not_there(start_api: StartApi, method: str, path: str, status: int, words: str) -> None:
    client = await start_api(ScriptedEngine("a"))
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert words in response.json()["error"]["message"]
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (RequestError("It is too long."), 400, "It is too long."),
        (DeviceError("No memory."), 503, "No memory."),
        (KeyError("secret_name"), 500, "The server failed with KeyError; its log says where."),
    ],
)
async def test_what_the_engine_raises(
    start_api: StartApi, stream: bool, error: Exception, status: int, words: str
) -> None:
    engine = ScriptedEngine("a")
    engine.error = error
    client = await start_api(engine)
    response = await client.post(FIM, json={**BODY, "stream": stream})
    assert response.status_code == status
    answer = response.json()["error"]
    assert (answer["message"], answer["type"]) == (words, "invalid_request_error" if status == 400 else "server_error")


async def test_what_goes_wrong_later_is_an_event(start_api: StartApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.dlm_lsp.scripted_engine.WAIT_SECONDS", 0.2)
    engine = ScriptedEngine("abcd", num_steps=4, is_gated=True)
    engine.allow(1)
    client = await start_api(engine)
    response = await client.post(FIM, json={**BODY, "stream": True})
    first, second = (json.loads(line.removeprefix("data: ")) for line in response.text.split("\n") if line)
    assert (response.status_code, first["choices"][0]["text"]) == (200, "a")
    assert second["error"]["message"] == "the test never allowed this step"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_end_of_the_server_is_reported(start_api: StartApi, services: list[FimService], stream: bool) -> None:
    engine = ScriptedEngine("abcd", num_steps=4, is_gated=True)
    client = await start_api(engine)
    running = asyncio.ensure_future(client.post(FIM, json={**BODY, "stream": stream}))
    waiting = asyncio.ensure_future(client.post(FIM, json=BODY))
    engine.allow(1)
    for _ in range(2):
        await asyncio.to_thread(engine.wait_for_step)
    services[0].close()
    engine.allow(9)
    codes = [await running, await waiting, await client.post(FIM, json=BODY)]
    assert ["shutting_down" in response.text for response in codes] == [True] * 3
    assert [response.status_code for response in codes] == [200 if stream else 503, 503, 503]


async def test_the_key_and_the_page(start_api: StartApi) -> None:
    page = "http://localhost:3000"
    client = await start_api(ScriptedEngine("a"), policy=AccessPolicy(origins=frozenset({page}), key="secret"))
    response = await client.post(FIM, json=BODY)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    headers = {"Authorization": "Bearer secret"}
    assert (await client.post(FIM, json=BODY, headers=headers)).status_code == 200
    response = await client.post(FIM, json=BODY, headers={**headers, "Origin": "http://evil.example"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_not_allowed")
    response = await client.post(FIM, json=BODY, headers={**headers, "Origin": page})
    assert response.headers["access-control-allow-origin"] == page
    assert "Retry-After" in response.headers["access-control-expose-headers"]
    response = await client.post(FIM, json=BODY, headers={"Origin": page})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, page)
    wanted = "authorization, content-type, x-stainless-lang"
    asks = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    response = await client.options(FIM, headers=asks)
    assert (response.status_code, response.headers["access-control-allow-headers"]) == (200, wanted)
    response = await client.options(FIM, headers={**asks, "Origin": "http://evil.example"})
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_the_engine_within_a_step(
    start_api: StartApi, services: list[FimService], stream: bool
) -> None:
    engine = ScriptedEngine("abcdefgh", num_steps=8, is_gated=True)
    client = await start_api(engine)
    leaving = asyncio.ensure_future(client.post(FIM, json={**BODY, "stream": stream}))
    engine.allow(2)
    for _ in range(3):
        await asyncio.to_thread(engine.wait_for_step)
    leaving.cancel()
    await until(lambda: services[0].num_requests == 0)
    staying = asyncio.ensure_future(client.post(FIM, json=BODY))
    engine.allow(1 + 8)
    assert (await staying).json()["choices"][0]["text"] == "abcdefgh"
    assert engine.num_steps_done == 3 + 8


async def test_a_client_that_leaves_the_line_is_never_served(start_api: StartApi, services: list[FimService]) -> None:
    engine = ScriptedEngine("a", is_gated=True)
    client = await start_api(engine)
    tasks = []
    for number in range(3):
        tasks.append(
            asyncio.ensure_future(client.post(FIM, json={**BODY, "prompt": str(number), "stream": number == 1}))
        )
        await until(lambda: services[0].num_requests == len(tasks))
    tasks[1].cancel()
    await until(lambda: services[0].num_requests == 2)
    engine.allow(2)
    assert [(await tasks[number]).status_code for number in (0, 2)] == [200, 200]
    assert [request.prefix for request in engine.requests] == ["0", "2"]


async def test_strangers_wait_for_each_other_in_order(start_api: StartApi, services: list[FimService]) -> None:
    engine = ScriptedEngine("a", is_gated=True)
    client = await start_api(engine)
    tasks = []
    for number in range(6):  # more than a worker keeps for an editor
        tasks.append(asyncio.ensure_future(client.post(FIM, json={**BODY, "prompt": str(number)})))
        await until(lambda: services[0].num_requests == len(tasks))
    engine.allow(6)
    assert [(await task).status_code for task in tasks] == [200] * 6
    assert [request.prefix for request in engine.requests] == list("012345")


async def test_the_line_has_an_end(start_api: StartApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_REQUESTS", 1)
    engine = ScriptedEngine("a", is_gated=True)
    client = await start_api(engine)
    first = asyncio.ensure_future(client.post(FIM, json=BODY))
    await asyncio.to_thread(engine.wait_for_step)
    response = await client.post(FIM, json=BODY)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["error"]["code"] == "queue_full"
    engine.allow(2)
    assert (await first).status_code == 200
    assert (await client.post(FIM, json=BODY)).status_code == 200


async def test_the_log_holds_no_source(start_api: StartApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    engine = ScriptedEngine("middle_text")
    client = await start_api(engine)
    await client.post(FIM, json={"prompt": "prompt_text", "suffix": "suffix_text"})
    engine.error = KeyError("error_text")
    await client.post(FIM, json={"prompt": "prompt_text"})
    await client.post(FIM, json={"prompt": "prompt_text", "steps": 0})
    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("dlm_lsp", "uvicorn"))
    )
    assert "tokens read, 1 written in 1 steps" in logged
    assert "KeyError\n  File " in logged
    assert "_text" not in logged
