"""The fate of an item is counted once, without its text, and not at all if counting is switched off."""

from pathlib import Path

import pytest
from lsprotocol import types

from dlm_lsp.messages import DID_ACCEPT, DID_PARTIALLY_ACCEPT_COMPLETION, DID_SHOW_COMPLETION
from dlm_lsp.stats import Stats, stats_path
from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.held_lock import held
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient, Payload

EMPTY_BODY = "def area(r):\n    \n"


async def _editor(connect: Connect, options: Payload = None) -> EditorClient:
    editor = connect(lambda _settings: ScriptedEngine("pi = 3\nreturn pi * r"))
    await editor.start(options=options)
    editor.open(EMPTY_BODY)
    return editor


def _tell(editor: EditorClient, method: str, item: types.InlineCompletionItem) -> None:
    editor.protocol.notify(method, {"item": item})


async def test_every_event_counts_once_and_no_text_is_stored(connect: Connect) -> None:
    editor = await _editor(connect)
    for _ in range(2):
        [item] = await editor.complete(1, 4)
        _tell(editor, DID_SHOW_COMPLETION, item)
        _tell(editor, DID_PARTIALLY_ACCEPT_COMPLETION, item)
        assert item.command
        assert await editor.execute(*item.command.arguments or (), command=item.command.command) is None
    await editor.shutdown_async(None)
    stats = Stats.read(stats_path())
    assert stats.events == {"python": {"offered": 1, "shown": 1, "partial": 1, "accepted": 1}}
    assert stats.durations["latency"].total() == stats.durations["first_draft"].total() == 1
    assert "pi" not in stats_path().read_text().replace("python", "")


async def test_after_a_while_what_is_kept_is_counted(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_lsp.acceptance.KEPT_AFTER_SECONDS", 0.0)
    editor = await _editor(connect)
    [item] = await editor.complete(1, 4)
    editor.change(types.TextDocumentContentChangeWholeDocument("def area(r):\n    pi = 4\n    return pi * r\n"))
    assert item.command
    await editor.execute(*item.command.arguments or (), command=DID_ACCEPT)
    await editor.complete(0, 0)
    await editor.shutdown_async(None)
    events = Stats.read(stats_path()).events["python"]
    assert (events["kept_checked"], events["kept"]) == (1, 50)


async def test_a_lock_that_another_process_holds_keeps_no_request_waiting(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.acceptance.FLUSH_AFTER_SECONDS", 0.0)
    editor = await _editor(connect)
    stats_path().parent.mkdir(parents=True)
    with held(Path(f"{stats_path()}.lock")):
        for _ in range(2):
            assert len(await editor.complete(1, 4)) == 1
    await editor.shutdown_async(None)
    assert Stats.read(stats_path()).events["python"]["offered"] == 1


@pytest.mark.parametrize("arguments", [[], ["nothing"], [7], [None]])
async def test_what_was_never_offered_counts_nothing(connect: Connect, arguments: list[Payload]) -> None:
    editor = await _editor(connect)
    await editor.execute(*arguments, command=DID_ACCEPT)
    editor.protocol.notify(DID_SHOW_COMPLETION, {"item": {"insertText": "x"}})
    editor.protocol.notify(DID_PARTIALLY_ACCEPT_COMPLETION, {})
    await editor.shutdown_async(None)
    assert not stats_path().exists()
    assert editor.popups == []


async def test_switched_off_nothing_is_counted(connect: Connect) -> None:
    editor = await _editor(connect, {"stats": False})
    [item] = await editor.complete(1, 4)
    assert item.command is None
    await editor.shutdown_async(None)
    assert not stats_path().exists()
