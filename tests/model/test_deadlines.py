"""Deadlines: they are kept, and leave time for steps, whatever else of a fill takes long."""

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from dlm_model.cache.policies import ColumnCache
from dlm_model.canvas import Canvas
from dlm_model.engine import Engine, load_engine
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.network.transformer import Transformer
from dlm_model.pace import Pace
from dlm_model.request import InfillRequest
from tests.model.tiny_fills import REQUEST, AlwaysWrong, drafts

ASKED = InfillRequest("def foo(self, value):\n    ", "\n", expected_tokens=40)


def test_a_deadline_is_kept_and_the_last_draft_stands(fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: next(ticks) * 0.001))
    found = drafts(fixed_engine, num_steps=64, schedule="linear", middle_length=64, deadline_ms=200)
    assert 1 < found[-1].num_forwards < 64
    assert found[-1].text
    assert found[-2].elapsed_ms <= 200


@pytest.mark.parametrize("name", ["resizing_engine", "causal_engine"])
def test_a_text_of_any_length_is_what_was_committed_by_the_deadline(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    engine, ticks = request.getfixturevalue(name), iter(range(10_000))
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=lambda: next(ticks) * 0.001))
    options = {"num_steps": 64, "schedule": "linear", "selection": "leftmost"}
    last = drafts(engine, ASKED, deadline_ms=25, **options)[-1]
    assert last.finish_reason == "deadline"
    assert 1 < last.step < 40
    assert {piece.state for piece in last.pieces} == {"committed"}
    assert len(last.pieces) < 40
    undisturbed = drafts(engine, ASKED, **options)[last.step - 1]
    assert last.text == "".join(piece.text for piece in undisturbed.pieces if piece.state == "committed")


def test_a_finished_text_under_revision_is_not_cut_off(
    resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(ASKED, syntax=AlwaysWrong(), expected_tokens=20)
    options = {"num_steps": 64, "schedule": "linear", "selection": "leftmost", "syntax_tries": 1}
    whole = drafts(resizing_engine, request, **(options | {"syntax_tries": 0}))[-1]
    for deadline_ms in range(20, 120, 8):
        monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=itertools.count(0, 0.001).__next__))
        found = drafts(resizing_engine, request, deadline_ms=deadline_ms, **options)
        if found[-1].finish_reason == "deadline" and any(draft.text == whole.text for draft in found[:-1]):
            assert len(found[-1].pieces) == len(whole.pieces)
            break
    else:
        pytest.fail("no deadline came between the last commit and the end of the revision")


def test_candidates_are_ranked_as_they_are_shown(causal_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=itertools.count().__next__))
    options = {"selection": "leftmost", "num_candidates": 4, "guide": "none"}
    for deadline_ms in (2000, 5000, 9000):
        found = drafts(causal_engine, ASKED, deadline_ms=deadline_ms, **options)[-1].candidates
        sure = [candidate.confidence for candidate in found if candidate.text]
        assert sure == sorted(sure, reverse=True)


def test_a_guide_reads_no_candidate_after_the_deadline(causal_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Canvas] = []
    monkeypatch.setattr(CausalReader, "log_likelihoods", lambda _, canvas: read.append(canvas))
    options: dict[str, object] = {"num_candidates": 2, "guide": "self", "guide_weight": 0.0, "num_steps": 8}
    assert drafts(causal_engine, ASKED, deadline_ms=10_000_000, **options)[-1].finish_reason != "deadline"
    assert len(read) == 1
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=itertools.count().__next__))
    assert drafts(causal_engine, ASKED, deadline_ms=2000, **options)[-1].finish_reason == "deadline"
    assert len(read) == 1


def test_a_deadline_before_a_boundary_is_spelled_leaves_nothing_behind_it(
    causal_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_model.engine.Pace", partial(Pace, clock=itertools.count().__next__))
    last = drafts(causal_engine, REQUEST, deadline_ms=1)[-1]
    assert (last.step, last.finish_reason) == (1, "deadline")
    assert {piece.state for piece in last.pieces} <= {"committed"}


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
