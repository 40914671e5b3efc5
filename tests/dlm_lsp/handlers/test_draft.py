"""`dlmLsp/draft`: only for those who ask, in their units, and ending with a finish reason."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from lsprotocol import types

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fill_run import FillRun
from dlm_lsp.handlers.draft import draft_feed
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.languages import language_for
from dlm_lsp.options import resolve
from dlm_lsp.session import DlmLanguageServer
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import Draft, Piece
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import URI

EMPTY_BODY = "def smile():\n    \n"


async def test_drafts_are_for_clients_that_ask(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1", num_steps=4))
    await editor.start()
    editor.open(EMPTY_BODY)
    await editor.complete(1, 4)
    assert editor.drafts == []


@pytest.mark.parametrize(("encoding", "num_units"), [("utf-8", 13), ("utf-16", 11), ("utf-32", 10)])
async def test_the_last_draft_comes_before_the_answer_and_says_why_it_ended(
    connect: Connect, encoding: str, num_units: int
) -> None:
    editor = connect(lambda _settings: ScriptedEngine('return "😀"', num_steps=8))
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind(encoding)])
    )
    await editor.start(capabilities, options={"drafts": True, "draftIntervalMs": 10_000})
    editor.open(EMPTY_BODY, version=5)
    await editor.complete(1, 4, request_id="mine")
    draft = editor.drafts[-1]
    assert (draft.uri, draft.version, draft.requestId) == (URI, 5, "mine")
    assert (draft.text, draft.step, draft.numSteps, draft.finishReason) == ('return "😀"', 8, 8, "stop")
    assert draft.stableRanges == [[0, num_units]]
    assert (draft.range.start.line, draft.range.start.character) == (1, 4)
    assert len(editor.drafts) <= 2, "a slow client would be flooded"


async def test_without_an_interval_every_step_can_be_seen(connect: Connect) -> None:
    engine = ScriptedEngine("return 1", num_steps=3, is_gated=True)
    editor = connect(lambda _settings: engine)
    await editor.start(options={"drafts": True, "draftIntervalMs": 0})
    editor.open(EMPTY_BODY)
    request = editor.protocol.send_request_async(
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            types.TextDocumentIdentifier(URI),
            types.Position(1, 4),
        ),
    )
    for step in (1, 2, 3):
        engine.allow(1)
        await editor.until(lambda step=step: len(editor.drafts) == step)
    await request
    assert [draft.step for draft in editor.drafts] == [1, 2, 3]
    assert [draft.finishReason for draft in editor.drafts] == [None, None, "stop"]


@pytest.mark.parametrize(
    ("text", "position", "before"),
    [
        ("def f():\n\n", (1, 0), "    "),
        ('def f():\n    """Doc."""\n\nx = 1\n', (1, 14), "\n    "),
    ],
    ids=["column 0", "after a docstring"],
)
async def test_a_draft_stands_where_the_fill_will(
    connect: Connect, text: str, position: tuple[int, int], before: str
) -> None:
    editor = connect(lambda _settings: ScriptedEngine("return 1", num_steps=2))
    await editor.start(options={"drafts": True, "draftIntervalMs": 0})
    editor.open(text)
    start = dict(zip(("line", "character"), position, strict=True))
    result = await editor.execute(URI, {"start": start, "end": start})
    draft = editor.drafts[-1]
    assert draft.text == result["text"] == f"{before}return 1"
    assert draft.stableRanges == [[0, len(draft.text)]]
    assert (draft.range.start.line, draft.range.start.character) == tuple(result["range"]["start"].values())


async def test_what_is_not_in_the_document_has_no_drafts(connect: Connect) -> None:
    editor = connect(lambda _settings: ScriptedEngine("(1)", num_steps=2))
    await editor.start(options={"drafts": True, "draftIntervalMs": 0})
    editor.open("x = pri\n")
    where = types.Range(types.Position(0, 4), types.Position(0, 7))
    assert len(await editor.complete(0, 7, selected=types.SelectedCompletionInfo(where, "print"))) == 1
    assert editor.drafts == []


@pytest.mark.parametrize("is_last", [False, True])
async def test_between_cancelling_a_run_and_its_end_no_draft_is_sent(*, is_last: bool) -> None:
    """The edit that cancels a run may come in the same turn of the event loop as a draft that is due."""
    sent: list[object] = []
    server = SimpleNamespace(
        settings=resolve({"drafts": True, "draft_interval_ms": 0}),
        position_encoding="utf-16",
        protocol=SimpleNamespace(notify=lambda _method, params: sent.append(params)),
    )
    snapshot = Snapshot.parse(URI, language_for(None, "python"), EMPTY_BODY, version=1)
    hole, future = find_hole(snapshot, 17), asyncio.get_running_loop().create_future()
    run = FillRun(HoleRequest(hole, DecodeOptions()), future, "mine")
    feed = draft_feed(cast("DlmLanguageServer", server), run)
    assert feed
    feed.offer(
        Draft(
            pieces=(Piece("return 1", "committed", 1.0, 1),),
            step=1,
            num_steps=2,
            num_forwards=1,
            elapsed_ms=0.0,
            num_final=1,
        )
    )
    await asyncio.sleep(0.01)
    assert len(sent) == 1
    run.cancel()
    feed.offer(
        Draft(
            pieces=(Piece("return 1", "committed", 1.0, 1),),
            step=2,
            num_steps=2,
            num_forwards=2,
            elapsed_ms=0.0,
            num_final=1,
            finish_reason="stop" if is_last else None,
        )
    )
    await asyncio.sleep(0.01)
    assert len(sent) == 1
