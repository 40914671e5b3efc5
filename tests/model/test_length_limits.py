"""How long a middle may become: by the context, by the budget and by request; and when `length` is why it ended."""

from dataclasses import replace
from typing import get_args

import pytest
import torch

from dlm_model.cache.policies import ColumnCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import LengthPolicy
from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.network.transformer import Transformer
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


@pytest.mark.parametrize("policy", get_args(LengthPolicy))
def test_a_request_longer_than_the_context_is_refused_before_any_forward(
    fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    def forward(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError("it was not refused")

    monkeypatch.setattr(Transformer, "forward", forward)
    with pytest.raises(RequestError, match=r"take at least \d+ tokens, .* sees 512"):
        drafts(fixed_engine, InfillRequest("x = 1\n" * 400, ""), length_policy=policy)


@pytest.mark.parametrize("policy", get_args(LengthPolicy))
def test_a_policy_tries_no_length_that_the_context_has_no_room_for(
    fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    seen: list[int] = []
    original = ColumnCache.__call__

    def watched(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        seen.append(len(canvas.prefix_ids) + canvas.is_valid.shape[1] + len(canvas.suffix_ids))
        return original(self, canvas)

    monkeypatch.setattr(ColumnCache, "__call__", watched)
    prompt = "x" * (fixed_engine.context_length - 20)
    assert drafts(fixed_engine, InfillRequest(prompt, ""), num_steps=1, length_policy=policy)[-1].text
    assert max(seen) == 512


def test_a_known_length_beyond_the_context_is_refused(fixed_engine: Engine) -> None:
    prompt = "x" * (fixed_engine.context_length - 20)
    with pytest.raises(RequestError, match="at least 513 tokens"):
        drafts(fixed_engine, InfillRequest(prompt, ""), middle_length=21)


def test_a_known_length_is_kept(resizing_engine: Engine) -> None:
    request = InfillRequest("x = (\n", "\n)\n")
    head_tokens = 1
    assert drafts(resizing_engine, request, num_steps=4, middle_length=11)[-1].num_tokens == 11 + head_tokens


def test_a_single_line_request_is_filled_with_one_line(resizing_engine: Engine) -> None:
    request = InfillRequest("def foo(self):\n    ", "\n", single_line=True)
    for seed in range(3):
        assert "\n" not in drafts(resizing_engine, request, num_steps=5, temperature=1.5, seed=seed)[-1].text
