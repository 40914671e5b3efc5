"""Requests in, drafts out, on tiny random weights: steps, cancelling, candidates, and what is refused."""

import pytest
import torch

from dlm_model.cache.policies import ColumnCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.request import CancelToken, InfillRequest
from tests.model.tiny_fills import REQUEST, drafts


def test_every_step_yields_a_draft_and_the_last_says_why_it_ended(resizing_engine: Engine) -> None:
    found = drafts(resizing_engine, num_steps=7, schedule="linear")
    assert [draft.step for draft in found[:-1]] == list(range(1, 8))
    assert all(draft.finish_reason is None and not draft.candidates for draft in found[:-1])
    assert found[-1].finish_reason in {"stop", "length"}
    assert found[-1].num_forwards == 7
    assert found[-1].candidates[0].text == found[-1].text


def test_a_draft_says_whether_its_length_is_still_being_found(resizing_engine: Engine, fixed_engine: Engine) -> None:
    assert all(draft.is_resizing for draft in drafts(resizing_engine, num_steps=3))
    assert not any(draft.is_resizing for draft in drafts(fixed_engine, num_steps=3))


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


def test_an_empty_text_is_never_the_best(resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    delete = resizing_engine.network.config.delete_token_id
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


def test_of_several_lengths_the_one_that_suits_is_shown_first(
    fixed_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = InfillRequest("x =", "\ny = 1\n", expected_tokens=16)
    found = set()
    for best in range(4):
        suits = [float(row == best) + 1e-9 for row in range(4)]
        monkeypatch.setattr("dlm_model.drafts.suitability", lambda _canvas, _rows, suits=suits: suits)
        found.add(drafts(fixed_engine, request, num_steps=4)[-1].candidates[0].text)
    assert found == {each.text for each in drafts(fixed_engine, request, num_steps=4, num_candidates=8)[-1].candidates}
    assert len(found) > 1


def test_control_tokens_in_the_source_are_text(resizing_engine: Engine) -> None:
    assert resizing_engine.count_tokens("<|endoftext|>") > 3


def test_empty_sides_are_fine(resizing_engine: Engine, fixed_engine: Engine) -> None:
    for engine in (resizing_engine, fixed_engine):
        assert drafts(engine, InfillRequest("", ""), num_steps=3)[-1].finish_reason is not None
