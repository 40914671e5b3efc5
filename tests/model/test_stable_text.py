"""What a draft promises: committed pieces, stable ranges and settled text stay as they are in all later drafts."""

from itertools import pairwise

import pytest

from dlm_model.engine import Engine
from dlm_model.request import InfillRequest
from tests.model.tiny_fills import drafts


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


def test_what_may_stand_in_the_way_of_kept_text_is_not_stable(fixed_engine: Engine) -> None:
    request = InfillRequest("x = ", "\n", keep=("value",), expected_tokens=12)
    found = drafts(fixed_engine, request, num_steps=9, length_policy="search")
    assert all(draft.stable_ranges == () and draft.settled_text == "" for draft in found[:-1])
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


def test_a_draft_follows_one_candidate_until_the_end(fixed_engine: Engine) -> None:
    request = InfillRequest("x = (", ")\n", expected_tokens=12)
    found = drafts(fixed_engine, request, num_steps=8, schedule="linear", num_candidates=4)[:-1]
    for before, after in pairwise(found):
        kept = [piece.text for piece in before.pieces if piece.state == "committed"]
        assert all(text.strip("\ufffd") in after.text for text in kept)
