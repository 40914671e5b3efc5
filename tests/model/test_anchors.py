"""Fixed text inside the hole: it is there from the first draft on, and nothing takes it away."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.anchors import AnchorTokens
from dlm_model.boundaries import Fragment
from dlm_model.canvas import Canvas
from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.request import InfillRequest
from tests.model.test_canvas import DELETE, EXPAND, MASK, canvas, resized
from tests.model.tiny_fills import drafts


@pytest.mark.parametrize(
    ("anchors", "head", "tail", "expected"),
    [
        (AnchorTokens(((7,),), []), 0, 0, [MASK, MASK, MASK, 7, MASK, MASK]),
        (AnchorTokens(((7, 8), (9,)), []), 0, 0, [MASK, MASK, 7, 8, MASK, MASK, 9, MASK]),
        (AnchorTokens((), [7, 8]), 0, 0, [MASK] * 5 + [7, 8]),
        (AnchorTokens(((7,),), [8]), 1, 2, [MASK] * 4 + [7, MASK, MASK, 8, MASK, MASK]),
    ],
    ids=["one", "two", "closing", "between-fragments"],
)
def test_masks_are_shared_out_between_the_anchors(
    anchors: AnchorTokens, head: int, tail: int, expected: list[int]
) -> None:
    num_masks = 5
    opened = Canvas.open([1], [2], [num_masks + anchors.num_tokens + head + tail], MASK)
    placed = anchors.place(opened, [num_masks], Fragment(b"", head), Fragment(b"", tail))
    assert placed.token_ids.tolist() == [expected]
    assert torch.equal(placed.is_kept, placed.is_committed)
    placed.check_integrity()


def test_a_deletion_ends_at_the_next_anchor() -> None:
    before = canvas([DELETE, MASK, MASK, 5, MASK]).anchor(0, [3], [5])
    assert resized(before) == [[5, MASK]]


def test_an_expansion_moves_an_anchor_along() -> None:
    after = canvas([EXPAND, 5, MASK]).anchor(0, [1], [5])
    assert resized(after) == [[MASK, MASK, 5, MASK]]


@pytest.mark.parametrize("name", ["fixed_engine", "resizing_engine", "causal_engine"])
@given(
    keep=st.lists(st.sampled_from(["value", "self.", " in ", "\n    "]), max_size=2),
    closing=st.sampled_from(["", "return value", "\n    return"]),
    prefix=st.sampled_from(["x = (", "def foo(self, val", "\n        "]),
    suffix=st.sampled_from(["\n", "ues)\n", "   ", ""]),
    seed=st.integers(0, 99),
    num_steps=st.integers(1, 7),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_model_wants_the_middle_holds_what_is_kept(
    request: pytest.FixtureRequest,
    name: str,
    *,
    keep: list[str],
    closing: str,
    prefix: str,
    suffix: str,
    seed: int,
    num_steps: int,
) -> None:
    engine: Engine = request.getfixturevalue(name)
    asked = InfillRequest(prefix, suffix, expected_tokens=4, keep=tuple(keep), closing=closing)
    for draft in drafts(engine, asked, num_steps=num_steps, seed=seed, temperature=1.5):
        rest = draft.text
        for text in keep:
            assert text in rest
            rest = rest.partition(text)[2]
        assert rest.endswith(closing)


def test_a_grammar_leaves_no_place_for_anchors(fixed_engine: Engine) -> None:
    with pytest.raises(RequestError, match="leaves no room"):
        drafts(fixed_engine, InfillRequest("", "", keep=("x",)), grammar="json")


@pytest.mark.parametrize(
    "fields",
    [{"keep": ("",)}, {"keep": ("a\nb",), "single_line": True}, {"closing": "\n", "single_line": True}],
    ids=str,
)
def test_anchors_that_cannot_stand_there_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(fields))} must be "):
        InfillRequest("", "", **fields)  # type: ignore[arg-type]
