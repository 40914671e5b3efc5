"""An editor and the server in one loop, at random: every message of the server is true, and nothing is left over.

The editor is a model of its own, as in `test_document_fuzz`: texts as plain strings, messages as plain JSON, written in
one packet or with pauses between. The engine writes random texts, whose drafts change from step to step.
"""

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dlm_lsp.engine_room import EngineRoom
from dlm_lsp.messages import INFILL_RANGE
from dlm_lsp.server import create_server
from dlm_lsp.serving import converse, silence_pygls
from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import RequestError
from dlm_model.request import CancelToken, Candidate, Draft, InfillRequest, Piece

NUM_SESSIONS = 25
NUM_STEPS = 120
URIS = ["file:///project/a.py", "file:///project/b.go", "untitled:one", "file:///project/.env"]
LANGUAGES = ["python", "go", "rust", "plaintext"]
WORDS = ["def f(x):\n    ", "return x", "func f() {\n\t", "}\n", "x = (", *"'😀é \u2028\n\r", "\r\n"]
CANCELLED, WRONG_ARGUMENTS, FAILED = -32800, -32602, -32803


class AnyEngine:
    """Writes random texts."""

    model_name, device, context_length, sees_suffix = "any", "cpu", 2048, True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // 3)

    def infill(self, _request: InfillRequest, _options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        if self._rng.random() < 0.05:
            raise RequestError("too long")
        num_steps = self._rng.choice([1, 2, 6])
        text = "".join(self._rng.choices(WORDS, k=self._rng.randrange(5)))
        for step in range(1, num_steps + 1):
            if cancel.is_cancelled:
                return
            time.sleep(self._rng.choice([0, 0.002]))
            shown = text if self._rng.random() < 0.8 else self._rng.choice(WORDS)
            yield Draft(
                pieces=(Piece(shown, "guessed", 0.5, 1),),
                step=step,
                num_steps=num_steps,
                num_forwards=step,
                elapsed_ms=1.0,
                num_final=1,
            )
        last = (Piece(text, "committed", 0.9, 1),)
        candidates = (Candidate(text, 0.9, 1),)
        yield Draft(
            pieces=last,
            step=num_steps,
            num_steps=num_steps,
            num_forwards=num_steps,
            elapsed_ms=1.0,
            num_final=1,
            finish_reason="stop",
            candidates=candidates,
        )

    def forget(self, document: str) -> None:
        pass

    def close(self) -> None:
        pass


class Session:
    """One editor and its server, and the stream that the server writes to."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.server = create_server(EngineRoom(lambda _settings: AnyEngine(random.Random(seed))), {})
        self.reader = asyncio.StreamReader()
        self.texts: dict[str, str] = {}
        self.versions = dict.fromkeys(URIS, 0)
        self.asked: dict[int, tuple[str, int | None]] = {}
        self.answers: list[int] = []
        self.waiting: list[dict[str, object]] = []
        self.untrue: list[object] = []

    def write(self, data: bytes) -> None:
        message = json.loads(data.partition(b"\r\n\r\n")[2])
        if "method" not in message:
            self._take_answer(message)
        elif "id" in message:
            is_edit = message["method"] == "workspace/applyEdit"
            answers = [{"result": {"applied": True}}, {"error": {"code": -32603, "message": "no"}}] if is_edit else None
            self.waiting.append({"id": message["id"], **self.rng.choice(answers or [{"result": [self._options()]}])})
        elif message["method"] == "dlmLsp/draft":
            draft = message["params"]
            self._claim(draft["version"] == self._held(draft["uri"]).version, message)
        elif message["method"] == "dlmLsp/status":
            self._claim(not re.search("could not be handled|internal error", message["params"]["message"]), message)

    def close(self) -> None:
        pass

    def step(self) -> None:
        uri, chance = self.rng.choice(URIS), self.rng.random()
        if uri not in self.texts or chance < 0.03:
            self._open(uri)
        elif chance < 0.45:
            self._edit(uri)
        elif chance < 0.7:
            self._ask(uri)
        elif chance < 0.8:
            where = {"start": self._position(uri), "end": self._position(uri)}
            params = {"command": INFILL_RANGE, "arguments": [uri, where]}
            self._request("workspace/executeCommand", params, self.versions[uri])
        elif chance < 0.88 and self.asked:
            self._notify("$/cancelRequest", {"id": self.rng.choice(list(self.asked))})
        elif chance < 0.93:
            self._notify("workspace/didChangeConfiguration", {"settings": {"dlm-lsp": self._options()}})
        elif chance < 0.96:
            self._close(uri)
        if self.waiting and self.rng.random() < 0.5:
            self._send(self.waiting.pop(0))

    async def run(self) -> None:
        conversation = asyncio.create_task(converse(self.server, self.reader, self))
        workspace = {"configuration": True, "applyEdit": True, "workspaceEdit": {"documentChanges": True}}
        self._request("initialize", {"processId": None, "capabilities": {"workspace": workspace}})
        await self._until_answered()
        self._notify("initialized", {})
        for _ in range(NUM_STEPS):
            self.step()
            if self.rng.random() < 0.7:  # otherwise the next message comes in the same packet
                await asyncio.sleep(self.rng.choice([0, 0, 0.001]))
        await self._until_answered()
        await self._until_read()
        for uri in self.texts:
            held = self._held(uri)
            assert isinstance(held, Exception) or (held.text, held.version) == (self.texts[uri], self.versions[uri])
        for uri in list(self.texts):
            self._close(uri)
        await self._until_read()
        assert not self.server.opened, "a closed document leaves nothing behind"
        self._request("shutdown", None)
        await self._until_answered()
        self.reader.feed_eof()
        await conversation
        assert await asyncio.to_thread(self.server.engines.join, 10), "the worker's thread did not end"
        assert not self.untrue

    async def _until_answered(self) -> None:
        async with asyncio.timeout(20):
            while self.asked:
                while self.waiting:
                    self._send(self.waiting.pop())
                await asyncio.sleep(0.001)

    async def _until_read(self) -> None:
        context, nowhere = {"triggerKind": 1}, {"line": 0, "character": 0}
        params = {"textDocument": {"uri": "file:///nowhere.py"}, "position": nowhere, "context": context}
        self._request("textDocument/inlineCompletion", params)
        await self._until_answered()

    def _take_answer(self, message: dict[str, Any]) -> None:
        method, version = self.asked.pop(message["id"], (None, None))
        self._claim(method is not None, message)
        self.answers.append(message["id"])
        allowed = {CANCELLED} if method == "textDocument/inlineCompletion" else {CANCELLED, WRONG_ARGUMENTS, FAILED}
        self._claim("error" not in message or message["error"]["code"] in allowed, message)
        # A range belongs to the text that it was sent for.
        self._claim(version is None or "error" in message or message["result"]["version"] == version, message)

    def _claim(self, holds: bool, message: object) -> None:
        """Collect failures, because the server would take an exception for an error of its own."""
        if not holds:
            self.untrue.append(message)

    def _held(self, uri: str) -> Any:  # noqa: ANN401 - a snapshot, or the refusal
        return self.server.documents._documents[uri]

    def _options(self) -> dict[str, object]:
        return {
            "drafts": True,
            "draftIntervalMs": self.rng.choice([0, 5]),
            "debounceMs": self.rng.choice([0, 0, 3]),
            "warmStart": self.rng.choice([None, 0.5]),
            "enabled": self.rng.random() < 0.95,
        }

    def _open(self, uri: str) -> None:
        self.texts[uri] = "".join(self.rng.choices(WORDS, k=self.rng.randrange(9)))
        self.versions[uri] = self.rng.choice([1, 5])
        item = {"uri": uri, "languageId": self.rng.choice(LANGUAGES), "version": self.versions[uri]}
        self._notify("textDocument/didOpen", {"textDocument": {**item, "text": self.texts[uri]}})

    def _close(self, uri: str) -> None:
        del self.texts[uri]
        self._notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _edit(self, uri: str) -> None:
        changes = []
        for _ in range(self.rng.choice([0, 1, 1, 1, 2])):
            text, at, new = self.texts[uri], self._place(uri), self.rng.choice([*WORDS, "r", "x"])
            end = at if self.rng.random() < 0.7 else max(at, self._place(uri))
            where = {"start": self._position(uri, at), "end": self._position(uri, end)}
            changes.append({"range": where, "text": new})
            self.texts[uri] = text[:at] + new + text[end:]
        self.versions[uri] += 1
        identifier = {"uri": uri, "version": self.versions[uri]}
        self._notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})

    def _ask(self, uri: str) -> None:
        context = {"triggerKind": self.rng.choice([1, 2])}
        params = {"textDocument": {"uri": uri}, "position": self._position(uri), "context": context}
        self._request("textDocument/inlineCompletion", params)

    def _place(self, uri: str) -> int:
        """A random offset, but none between `\\r` and `\\n`, where LSP has no position."""
        text = self.texts[uri]
        return self.rng.choice([at for at in range(len(text) + 1) if text[at - 1 : at + 1] != "\r\n" or not at])

    def _position(self, uri: str, at: int | None = None) -> dict[str, int]:
        *above, left = re.split("\r\n|\r|\n", self.texts[uri][: self._place(uri) if at is None else at])
        return {"line": len(above), "character": len(left.encode("utf-16-le")) // 2}

    def _request(self, method: str, params: object, version: int | None = None) -> None:
        number = len(self.answers) + len(self.asked) + 1
        self.asked[number] = method, version
        self._send({"id": number, "method": method, "params": params})

    def _notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.reader.feed_data(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


async def test_whatever_an_editor_does_every_request_has_one_true_answer(caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("pygls").level
    silence_pygls()
    loop, unhandled = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: unhandled.append(context))
    try:
        for seed in range(NUM_SESSIONS):
            await Session(seed).run()
            assert not unhandled, f"session {seed}"
            assert not [record for record in caplog.records if record.exc_info], f"session {seed}"
    finally:
        logging.getLogger("pygls").setLevel(level)
