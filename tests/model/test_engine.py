"""Requests in, drafts out, on tiny random weights: why a run ends, what a draft promises, what is refused."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import RequestError
from dlm_model.kv_cache import ColumnCache
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, DecodeOptions, Draft, Ending, InfillRequest
from dlm_model.transformer import Transformer
from tests.model.endings import Between

REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n")


def drafts(
    engine: Engine, request: InfillRequest = REQUEST, cancel: CancelToken | None = None, **options: object
) -> list[Draft]:
    return list(engine.infill(request, DecodeOptions(**options), cancel or CancelToken()))  # type: ignore[arg-type]


def test_every_step_yields_a_draft_and_the_last_says_why_it_ended(resizing_engine: Engine) -> None:
    found = drafts(resizing_engine, num_steps=7, schedule="linear")
    assert [draft.step for draft in found[:-1]] == list(range(1, 8))
    assert all(draft.finish_reason is None and not draft.candidates for draft in found[:-1])
    assert found[-1].finish_reason in {"stop", "length"}
    assert found[-1].num_forwards == 7
    assert found[-1].candidates[0].text == found[-1].text


def test_what_is_stable_stays(fixed_engine: Engine) -> None:
    found = drafts(fixed_engine, num_steps=9, middle_length=20)
    for before, after in pairwise(found):
        committed = sum(piece.num_tokens for piece in before.pieces if piece.state == "committed")
        assert sum(piece.num_tokens for piece in after.pieces if piece.state == "committed") >= committed
    assert {piece.state for piece in found[-1].pieces} == {"committed"}
    assert found[-1].stable_ranges == ((0, len(found[-1].text)),)


def test_what_may_be_taken_back_is_not_stable(fixed_engine: Engine) -> None:
    found = drafts(fixed_engine, num_steps=9, middle_length=20, remasking="remdm")
    assert all(draft.stable_ranges == () for draft in found[:-1])
    assert found[-1].stable_ranges == ((0, len(found[-1].text)),)


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine"])
def test_what_is_settled_only_grows(request: pytest.FixtureRequest, name: str) -> None:
    settled = [draft.settled_text for draft in drafts(request.getfixturevalue(name), num_steps=12, schedule="linear")]
    assert all(after.startswith(before) for before, after in pairwise(settled))
    assert settled[-1]


def test_what_is_settled_is_not_cut_off_where_the_suffix_follows(causal_engine: Engine) -> None:
    request = InfillRequest("def foo(self):\n    return bar(", ", 3)\n")
    settled: list[str] = []
    for seed in range(4):
        *found, last = drafts(causal_engine, request, guide="self", num_steps=40, temperature=1.0, seed=seed)
        texts = [draft.settled_text for draft in found]
        assert all(after.startswith(before) for before, after in pairwise([*texts, last.text]))
        settled += texts
    assert "" in settled
    assert any(settled)


def test_one_of_several_candidates_is_not_settled_before_the_end(resizing_engine: Engine) -> None:
    found = drafts(resizing_engine, num_steps=5, num_candidates=2)
    assert all(draft.settled_text == "" and draft.stable_ranges == () for draft in found[:-1])
    assert found[-1].settled_text == found[-1].text


def test_the_first_draft_already_has_a_guess_for_every_position(fixed_engine: Engine) -> None:
    first = drafts(fixed_engine, num_steps=9, middle_length=20, schedule="linear")[0]
    assert {piece.state for piece in first.pieces} == {"committed", "guessed"}
    assert first.num_tokens >= 20


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine"])
def test_the_same_seed_gives_the_same_text(request: pytest.FixtureRequest, name: str) -> None:
    engine: Engine = request.getfixturevalue(name)
    first, second = (drafts(engine, num_steps=5, temperature=1.0, seed=4)[-1].text for _ in range(2))
    assert first == second
    assert first != drafts(engine, num_steps=5, temperature=1.0, seed=5)[-1].text


def test_cancelling_stops_before_the_next_forward(resizing_engine: Engine) -> None:
    cancel = CancelToken()
    running = resizing_engine.infill(REQUEST, DecodeOptions(num_steps=30, schedule="linear"), cancel)
    next(running)
    second = next(running)
    cancel.cancel()
    (last,) = running
    assert last.finish_reason == "cancelled"
    assert last.num_forwards == second.num_forwards == 2
    assert last.text == second.text


def test_cancelled_before_the_first_step_no_forward_is_run(resizing_engine: Engine) -> None:
    cancel = CancelToken()
    cancel.cancel()
    (only,) = drafts(resizing_engine, cancel=cancel)
    assert (only.finish_reason, only.num_forwards, only.text) == ("cancelled", 0, "")


def test_a_deadline_is_kept_and_the_last_draft_stands(fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: next(ticks) * 0.001))
    found = drafts(fixed_engine, num_steps=64, schedule="linear", middle_length=64, deadline_ms=200)
    assert 1 < found[-1].num_forwards < 64
    assert found[-1].text
    assert found[-2].elapsed_ms <= 200


def test_a_prompt_that_takes_most_of_a_deadline_leaves_the_rest_to_many_steps(
    causal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_tokens = 0
    forward = Transformer.forward

    def timed(self: Transformer, token_ids: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:  # noqa: ANN401
        nonlocal num_tokens
        num_tokens += token_ids.numel()
        return forward(self, token_ids, *rest, **named)

    monkeypatch.setattr(Transformer, "forward", timed)
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: num_tokens * 0.001))
    request = InfillRequest("x = 1\n" * 60, "\n")
    options = {"schedule": "linear", "middle_length": 16, "deadline_ms": 600, "guide": "none"}
    found = drafts(load_engine(str(causal_folder), "cpu"), request, **options)
    assert found[0].elapsed_ms > 250  # the prompt, and 17 tokens a step
    assert found[-1].step >= 10
    committed = [sum(piece.num_tokens for piece in draft.pieces if piece.state == "committed") for draft in found]
    assert committed[1] <= 3


def test_half_of_a_deadline_is_left_to_steps_whatever_looks_for_a_length(
    fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_forwards = 0
    original = ColumnCache.__call__

    def counted(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        nonlocal num_forwards
        num_forwards += 1
        return original(self, canvas)

    monkeypatch.setattr(ColumnCache, "__call__", counted)
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: num_forwards * 0.1))
    found = drafts(fixed_engine, schedule="linear", length_policy="search", deadline_ms=850)
    assert found[0].num_forwards == 5 + 1
    assert found[-1].step == 3


def test_a_draft_follows_one_candidate_until_the_end(fixed_engine: Engine) -> None:
    request = InfillRequest("x = (", ")\n", expected_tokens=12)
    found = drafts(fixed_engine, request, num_steps=8, schedule="linear", num_candidates=4)[:-1]
    for before, after in pairwise(found):
        kept = [piece.text for piece in before.pieces if piece.state == "committed"]
        assert all(text.strip("\ufffd") in after.text for text in kept)


def test_an_empty_text_is_never_the_best(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    delete = resizing_engine._network.config.delete_token_id
    original = ColumnCache.__call__

    def first_row_deletes(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        logits = original(self, canvas).clone()
        logits[canvas.is_masked.nonzero()[:, 0] == 0, delete] = 99.0
        return logits

    monkeypatch.setattr(ColumnCache, "__call__", first_row_deletes)
    request = InfillRequest("x = (", "\n")
    last = drafts(resizing_engine, request, num_steps=6, num_candidates=2)[-1]
    assert [bool(candidate.text) for candidate in last.candidates] == [True, False]
    assert last.candidates[1].num_tokens == 0


@pytest.mark.parametrize(("max_middle_tokens", "reason"), [(70, "length"), (256, "stop")])
def test_length_means_that_the_canvas_was_full(
    resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch, max_middle_tokens: int, reason: str
) -> None:
    expand = resizing_engine._network.config.expand_token_id
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
    config, original = resizing_engine._network.config, ColumnCache.__call__

    def never_resize(self: ColumnCache, canvas: Canvas) -> torch.Tensor:
        logits = original(self, canvas).clone()
        logits[:, [config.expand_token_id, config.delete_token_id]] = -99.0
        return logits

    monkeypatch.setattr(ColumnCache, "__call__", never_resize)
    request = replace(REQUEST, ending=ending)
    last = drafts(resizing_engine, request, num_steps=1, max_middle_tokens=max_middle_tokens)[-1]
    assert [last.finish_reason, last.candidates[0].finish_reason] == [reason, reason]


def test_a_canvas_stays_within_the_context(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    expand = resizing_engine._network.config.expand_token_id
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


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 2**70},
        {"temperature": float("inf")},
        {"temperature": 1e-9},
        {"middle_length": 300, "max_middle_tokens": 256},
        {"num_steps": 0},
        {"top_p": 0.0},
    ],
    ids=str,
)
def test_options_no_decoder_can_honour_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be "):
        DecodeOptions(**options)  # type: ignore[arg-type]


def test_a_request_for_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="expected_tokens must be 1 or more"):
        InfillRequest("", "", expected_tokens=0)


def test_candidates_differ_and_come_best_first(resizing_engine: Engine) -> None:
    found = drafts(resizing_engine, num_steps=6, num_candidates=3)[-1]
    assert len({candidate.text for candidate in found.candidates}) == len(found.candidates) == 3
    certainties = [candidate.confidence for candidate in found.candidates]
    assert certainties == sorted(certainties, reverse=True)


def test_a_model_that_cannot_resize_decodes_several_lengths(fixed_engine: Engine) -> None:
    request = InfillRequest("x =", "\ny = 1\n", expected_tokens=16)
    found = drafts(fixed_engine, request, num_steps=4, num_candidates=8)[-1]
    assert len({candidate.num_tokens for candidate in found.candidates}) == 4
    assert len(drafts(fixed_engine, request, num_steps=4)[-1].candidates) == 1


def test_a_known_length_is_kept(resizing_engine: Engine) -> None:
    request = InfillRequest("x = (\n", "\n)\n")
    head_tokens = 1
    assert drafts(resizing_engine, request, num_steps=4, middle_length=11)[-1].num_tokens == 11 + head_tokens


def test_a_single_line_request_is_filled_with_one_line(resizing_engine: Engine) -> None:
    request = InfillRequest("def foo(self):\n    ", "\n", single_line=True)
    for seed in range(3):
        assert "\n" not in drafts(resizing_engine, request, num_steps=5, temperature=1.5, seed=seed)[-1].text


def test_a_request_longer_than_the_context_is_refused(resizing_engine: Engine) -> None:
    with pytest.raises(RequestError, match=r"take \d+ tokens, .* sees 512"):
        drafts(resizing_engine, InfillRequest("x = 1\n" * 400, ""))


def test_control_tokens_in_the_source_are_text(resizing_engine: Engine) -> None:
    assert resizing_engine.count_tokens("<|endoftext|>") > 3


def test_empty_sides_are_fine(resizing_engine: Engine, fixed_engine: Engine) -> None:
    for engine in (resizing_engine, fixed_engine):
        assert drafts(engine, InfillRequest("", ""), num_steps=3)[-1].finish_reason is not None
