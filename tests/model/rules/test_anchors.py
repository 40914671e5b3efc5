"""Fixed text inside the hole: it is there from the first draft on, and nothing takes it away."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_model.canvas import Canvas
from dlm_model.engine import Engine
from dlm_model.errors import RequestError
from dlm_model.request import InfillRequest
from dlm_model.rules.anchors import AnchorTokens, Arrangement, arrangements, without_glue
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.ending import TextEnd
from dlm_model.tokens.vocabulary import Vocabulary
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
    placed = anchors.place(opened, 0, anchors.evenly(num_masks), head)
    assert placed.token_ids.tolist() == [expected]
    assert torch.equal(placed.is_anchored, placed.is_committed)
    placed.check_integrity()


@pytest.mark.parametrize(
    ("anchors", "num_before", "num_masks", "expected"),
    [
        (AnchorTokens(((7,),), []), (2,), 24, [2, 22]),
        (AnchorTokens(((7,), (8,)), []), (6, 6), 12, [4, 4, 4]),
        (AnchorTokens((), [7]), (8,), 24, [8]),
        (AnchorTokens((), [7]), (0,), 24, [0]),
        (AnchorTokens(((7,),), [8]), (0, 4), 24, [0, 4]),
    ],
    ids=["what-is-left-stands-behind", "as-long-as-masks-last", "closing", "closing-alone", "both"],
)
def test_an_arrangement_has_few_masks_before_what_is_kept(
    anchors: AnchorTokens, num_before: tuple[int, ...], num_masks: int, expected: list[int]
) -> None:
    assert Arrangement(anchors, num_before).parts(num_masks) == expected


def texts(engine: Engine, request: InfillRequest) -> set[tuple[str, ...]]:
    spelled = engine.tokenizer.spell
    return {
        tuple(spelled(ids).decode() for ids in each.anchors.keep) for each in arrangements(request, engine.tokenizer)
    }


def test_a_kept_word_is_tried_with_and_without_the_blank_before_it(resizing_engine: Engine) -> None:
    assert texts(resizing_engine, InfillRequest("x = ", "", keep=("value",))) == {("value",), (" value",)}
    assert texts(resizing_engine, InfillRequest("x = ", "", keep=("(value",))) == {("(value",)}


def test_only_a_name_that_nothing_before_a_closing_line_speaks_of_is_tried_in_front(resizing_engine: Engine) -> None:
    request = InfillRequest("def foo(self, value):\n    ", "", closing="\n    return value + other")
    assert texts(resizing_engine, replace(request, ending=OverAfterReturn())) == {(), (" other",)}
    assert texts(resizing_engine, replace(request, closing="return other")) == {()}
    assert texts(resizing_engine, InfillRequest("", "")) == set()


class OverAfterReturn:
    """A text ends with the line of its `return`."""

    def is_over(self, text: str) -> bool:
        return "return" in text.rpartition("\n")[0]

    def may_end(self, text: str) -> bool:
        return not text.rstrip().endswith("=")


def spelled_canvas(engine: Engine, before: str, masks: int, kept: str) -> Canvas:
    """A row with some text, masks, and text that must be kept."""
    written, closing = engine.tokenizer.encode(before).ids, engine.tokenizer.encode(kept).ids
    mask = engine.network.config.mask_token_id
    opened = Canvas.open([1], [2], [len(written) + masks + len(closing)], mask)
    columns = torch.arange(opened.is_valid.shape[1])[None]
    guessed = torch.tensor([[*written, *[mask] * masks, *closing]])
    filled = opened.guess(guessed, torch.ones(guessed.shape)).commit(columns < len(written))
    return filled.anchor(0, range(len(written) + masks, guessed.shape[1]), closing)


def text_end(engine: Engine) -> tuple[TextEnd, Vocabulary]:
    vocabulary = Vocabulary(engine.tokenizer.token_bytes)
    return TextEnd(OverAfterReturn(), Boundaries(vocabulary, b"", b""), max_length=99), vocabulary


def test_what_ends_the_text_before_a_kept_line_is_taken_back_for_good(resizing_engine: Engine) -> None:
    before = spelled_canvas(resizing_engine, "return value", 2, "\n    return value")
    ending, vocabulary = text_end(resizing_engine)
    assert ending.anchors.flaws(before) == [2]
    after = ending.anchors.lead_to_anchor(before, limit=32)
    (rejected,) = after.rejected_ids[after.rejected_ids != after.mask_token_id].tolist()
    column = int((after.rejected_ids[0, :, 0] == rejected).nonzero()[0])
    ids = before.token_ids[0].tolist()
    assert b"return" in b"".join(vocabulary.token_bytes[each] for each in ids[: column + 1])
    assert b"return" not in b"".join(vocabulary.token_bytes[each] for each in ids[:column])
    assert after.is_masked[0, column : column + 2].all()
    assert torch.equal(after.is_anchored, before.is_anchored)
    after.check_integrity()


def test_nothing_is_taken_back_in_the_last_step(resizing_engine: Engine) -> None:
    before = spelled_canvas(resizing_engine, "return value", 2, "\n    return value")
    assert not text_end(resizing_engine)[0].anchors.lead_to_anchor(before, limit=0).num_revised.any()


def test_a_line_that_breaks_off_before_a_kept_one_is_left_out(resizing_engine: Engine) -> None:
    before = spelled_canvas(resizing_engine, "foo = bar\n    value =", 0, "\n    return foo")
    ending, vocabulary = text_end(resizing_engine)

    def spelled(canvas: Canvas) -> str:
        return b"".join(vocabulary.token_bytes[each] for each in canvas.token_ids[0].tolist()).decode()

    class Strict(OverAfterReturn):
        def may_end(self, text: str) -> bool:
            return "=\n" not in text

    strict = TextEnd(Strict(), Boundaries(vocabulary, b"", b""), max_length=99)
    assert spelled(strict.anchors.lead_to_anchor(before, limit=32)) == "foo = bar\n    return foo"
    assert spelled(ending.anchors.lead_to_anchor(before, limit=32)) == spelled(before)


def test_no_token_makes_another_word_of_a_kept_one(resizing_engine: Engine) -> None:
    canvas = spelled_canvas(resizing_engine, "", 1, "value").extend(torch.tensor([1]))
    vocabulary = Vocabulary(resizing_engine.tokenizer.token_bytes)
    logits = without_glue(torch.zeros(2, len(vocabulary.token_bytes)), canvas, vocabulary)
    allowed = [{vocabulary.token_bytes[each] for each in row.isfinite().nonzero()[:, 0].tolist()} for row in logits]
    assert b"(" in allowed[0] & allowed[1]
    assert not any(re.match(rb"\w", text[-1:]) for text in allowed[0])
    assert not any(re.match(rb"\w", text) for text in allowed[1])


@pytest.mark.parametrize("is_anchored_first", [True, False])
def test_a_kept_word_at_one_end_of_a_row_rules_nothing_out_at_the_other(
    resizing_engine: Engine, *, is_anchored_first: bool
) -> None:
    (word,), (bracket,) = (resizing_engine.tokenizer.encode(text).ids for text in ("value", "("))
    ids = torch.tensor([[word, bracket, MASK] if is_anchored_first else [MASK, bracket, word]])
    canvas = Canvas.open([1], [2], [3], MASK).guess(ids, torch.ones(ids.shape)).commit(ids == bracket)
    kept = canvas.anchor(0, [0 if is_anchored_first else 2], [word])
    vocabulary = Vocabulary(resizing_engine.tokenizer.token_bytes)
    assert without_glue(torch.zeros(1, len(vocabulary.token_bytes)), kept, vocabulary).isfinite().all()


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
