"""How long a middle may become: by the context, by the budget and by request; and when `length` is why it ended."""

from dataclasses import replace

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.kv_cache import ColumnCache
from dlm_model.request import Ending, InfillRequest
from tests.model.endings import Between
from tests.model.tiny_fills import REQUEST, drafts


@pytest.mark.parametrize(("max_middle_tokens", "reason"), [(70, "length"), (256, "stop")])
def test_length_means_that_the_canvas_was_full(
    resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch, max_middle_tokens: int, reason: str
) -> None:
    expand = resizing_engine.network.config.expand_token_id
    original = ColumnCache.__call__

    def expand_once_each(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        logits = original(self, canvas).clone()
        logits[:, expand] = 99.0 if self.num_forwards <= 2 else -99.0  # the first respells the boundaries
        return logits

    monkeypatch.setattr(ColumnCache, "__call__", expand_once_each)
    last = drafts(resizing_engine, num_steps=9, max_middle_tokens=max_middle_tokens)[-1]
    assert last.finish_reason == reason


@pytest.mark.parametrize(
    ("max_middle_tokens", "ending", "reason"),
    [(8, None, "length"), (65, None, "stop"), (8, Between(), "length"), (8, Between(most=5), "stop")],
    ids=["all of a budget", "all of a canvas within it", "where it may end", "where it has ended"],
)
def test_length_means_that_the_model_did_not_end_a_text_within_its_budget(
    resizing_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    max_middle_tokens: int,
    ending: Ending | None,
    reason: str,
) -> None:
    config, original = resizing_engine.network.config, ColumnCache.__call__

    def never_resize(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        logits = original(self, canvas).clone()
        logits[:, [config.expand_token_id, config.delete_token_id]] = -99.0
        return logits

    monkeypatch.setattr(ColumnCache, "__call__", never_resize)
    request = replace(REQUEST, ending=ending)
    last = drafts(resizing_engine, request, num_steps=1, max_middle_tokens=max_middle_tokens)[-1]
    assert [last.finish_reason, last.candidates[0].finish_reason] == [reason, reason]


def test_a_canvas_stays_within_the_context(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    expand = resizing_engine.network.config.expand_token_id
    seen: list[int] = []
    original = ColumnCache.__call__

    def always_expand(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        seen.append(len(canvas.prefix_ids) + int(canvas.lengths.max()) + len(canvas.suffix_ids))
        logits = original(self, canvas).clone()
        logits[:, expand] = 99.0
        return logits

    monkeypatch.setattr(ColumnCache, "__call__", always_expand)
    drafts(resizing_engine, InfillRequest("x = 1\n" * 60, ""), num_steps=9)
    assert seen[0] < max(seen) <= 512


def test_the_context_is_what_a_caller_may_use(resizing_engine: Engine) -> None:
    middle = 100
    prompt = "x"
    while resizing_engine.count_tokens(prompt) < resizing_engine.context_length - middle:
        prompt += "x"
    request = InfillRequest(prompt, "", expected_tokens=middle)
    assert drafts(resizing_engine, request, num_steps=1)[-1].finish_reason


def test_a_request_longer_than_the_context_is_refused(resizing_engine: Engine) -> None:
    with pytest.raises(RequestError, match=r"take \d+ tokens, .* sees 512"):
        drafts(resizing_engine, InfillRequest("x = 1\n" * 400, ""))


def test_a_known_length_is_kept(resizing_engine: Engine) -> None:
    request = InfillRequest("x = (\n", "\n)\n")
    head_tokens = 1
    assert drafts(resizing_engine, request, num_steps=4, middle_length=11)[-1].num_tokens == 11 + head_tokens


def test_a_single_line_request_is_filled_with_one_line(resizing_engine: Engine) -> None:
    request = InfillRequest("def foo(self):\n    ", "\n", single_line=True)
    for seed in range(3):
        assert "\n" not in drafts(resizing_engine, request, num_steps=5, temperature=1.5, seed=seed)[-1].text
