"""Drafts that come faster than the client draws them, on a clock that the test turns."""

import asyncio

import pytest

from dlm_lsp.drafts import DraftFeed
from dlm_model.request import Draft, FinishReason


def _draft(step: int, finish_reason: FinishReason | None = None) -> Draft:
    return Draft(
        pieces=(),
        step=step,
        num_steps=100,
        num_forwards=step,
        elapsed_ms=0.0,
        num_final=0,
        finish_reason=finish_reason,
    )


async def _turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_within_the_interval_the_latest_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    sent: list[int] = []
    feed = DraftFeed(lambda draft: sent.append(draft.step), interval=50.0)
    for step in (1, 2, 3):
        feed.offer(_draft(step))
    await _turns()
    assert sent == [3]
    feed.offer(_draft(4))
    feed.offer(_draft(5))
    await _turns()
    assert sent == [3]
    now += 50.0
    await _turns()
    assert sent == [3, 5]
    feed.close()


async def test_the_finished_draft_does_not_wait_and_is_the_last() -> None:
    sent: list[int] = []
    feed = DraftFeed(lambda draft: sent.append(draft.step), interval=1000.0)
    feed.offer(_draft(1))
    await _turns()
    feed.offer(_draft(2))
    feed.offer(_draft(3, "stop"))
    feed.offer(_draft(4))
    await _turns()
    assert sent == [1, 3]


async def test_nothing_is_sent_after_closing() -> None:
    sent: list[int] = []
    feed = DraftFeed(lambda draft: sent.append(draft.step), interval=0.0)
    feed.offer(_draft(1))
    feed.close()
    feed.offer(_draft(2, "stop"))
    await _turns()
    assert sent == []
