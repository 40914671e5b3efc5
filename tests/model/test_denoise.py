"""The loop with a predictor that knows the truth: what it commits, in which order, and that it always ends."""

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, Schedule, Selection
from dlm_model.request import InfillRequest
from dlm_model.row_reader import RowReader
from dlm_model.rules.boundaries import Boundaries, split_prefix, split_suffix
from dlm_model.rules.constraint import Constraint
from dlm_model.rules.ending import NUM_MORE
from tests.model.endings import Between
from tests.model.loops import (
    CONFIG,
    DELETE,
    EXPAND,
    MASK,
    TOKENIZER,
    VOCABULARY,
    Oracle,
    RandomPredictor,
    open_canvas,
    run,
)
from tests.model.tiny_checkpoints import VOCAB_SIZE

SETTINGS = [(schedule, selection) for schedule in get_args(Schedule) for selection in get_args(Selection)]


@pytest.mark.parametrize(("schedule", "selection"), SETTINGS)
@pytest.mark.parametrize("is_resizing", [False, True], ids=["fixed", "resizing"])
def test_every_step_commits_and_every_run_ends(schedule: str, selection: str, is_resizing: bool) -> None:
    options = DecodePlan(num_steps=9, schedule=schedule, selection=selection)  # type: ignore[arg-type]
    canvases = list(run(open_canvas(20, 31), RandomPredictor(), options, is_resizing=is_resizing))
    assert 1 <= len(canvases) <= 9
    for before, after in zip([open_canvas(20, 31), *canvases[:-1]], canvases, strict=True):
        after.check_integrity()
        assert after.lengths.max() <= 48
        if not is_resizing:
            committed = (before.is_masked & ~after.is_masked).sum(dim=1)
            assert (committed >= before.is_masked.any(dim=1).long()).all()
    assert not canvases[-1].is_masked.any()
    final = canvases[-1].token_ids[canvases[-1].is_valid].tolist()
    assert not {EXPAND, DELETE, MASK} & set(final)


@pytest.mark.parametrize(
    ("num_steps", "is_resizing", "num_columns"), [(99, True, 4 + 2 * NUM_MORE), (99, False, 4), (4, True, 4)]
)
def test_a_canvas_that_is_full_too_early_grows(num_steps: int, is_resizing: bool, num_columns: int) -> None:
    letter = TOKENIZER.encode("a").ids[0]
    options, ending = DecodePlan(num_steps=num_steps, schedule="linear"), Between(fewest=4 + NUM_MORE + 1)
    *_, last = run(open_canvas(4), Oracle([letter] * 48), options, is_resizing=is_resizing, ending=ending)
    assert last.lengths.tolist() == [num_columns]
    assert not last.is_masked.any()


@pytest.mark.parametrize("num_steps", [1, 2, 5, 12])
def test_the_linear_schedule_takes_as_many_steps_as_the_dial_says(num_steps: int) -> None:
    options = DecodePlan(num_steps=num_steps, schedule="linear")
    assert len(list(run(open_canvas(24), RandomPredictor(), options))) == num_steps


def test_the_cosine_schedule_commits_few_first_and_many_last() -> None:
    options = DecodePlan(num_steps=8, schedule="cosine")
    left = [64, *(int(canvas.is_masked.sum()) for canvas in run(open_canvas(64), RandomPredictor(), options))]
    commits = [before - after for before, after in pairwise(left)]
    assert len(commits) == 8
    assert commits[0] < commits[4] < commits[-1]


def test_a_certain_model_is_done_in_one_step_at_the_threshold() -> None:
    truth = TOKENIZER.encode("return self.value").ids
    canvases = list(run(open_canvas(len(truth)), Oracle(truth), DecodePlan()))
    assert len(canvases) == 1
    assert canvases[0].token_ids[0].tolist() == truth


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_tokens(seed: int) -> None:
    options = DecodePlan(num_steps=6, temperature=1.0, seed=seed, selection="random")
    first, second = (list(run(open_canvas(12), RandomPredictor(), options))[-1] for _ in range(2))
    assert torch.equal(first.token_ids, second.token_ids)


def test_another_seed_gives_other_tokens() -> None:
    finals = {
        tuple(list(run(open_canvas(12), RandomPredictor(), DecodePlan(temperature=1.0, seed=seed)))[-1].token_ids[0])
        for seed in range(4)
    }
    assert len(finals) == 4


@pytest.mark.parametrize(
    ("prefix", "middle", "suffix"),
    [
        ("def foo(self):\n        ret", "", "urn self.value\n"),
        ("for it", "em in val", "ues:\n    pass\n"),
        ("def foo(self):\n  ", "  return self", ".value\n"),
        ("x = (", "item", ")\n"),
        ("if a =", "", "= b:\n"),
        ("s = 'h", "é€😀l", "lo'\n"),
        ("class B", "ar(object):\n    def foo(self, value):\n        return", " value\n"),
    ],
    ids=["word", "both-sides", "indentation", "brackets", "operator", "multibyte", "lines"],
)
@pytest.mark.parametrize("num_steps", [4, 30])
def test_the_loop_reaches_the_true_middle_across_split_tokens(
    prefix: str, middle: str, suffix: str, num_steps: int
) -> None:
    _, head = split_prefix(TOKENIZER, prefix)
    _, tail = split_suffix(TOKENIZER, suffix)
    truth = TOKENIZER.encode((head.spelling + middle.encode() + tail.spelling).decode()).ids
    if len(truth) < head.num_tokens + tail.num_tokens:
        # One token could spell both halves, but the canvas keeps a position for each.
        parts = (head.spelling.decode(), middle, tail.spelling.decode())
        truth = [token for part in parts for token in TOKENIZER.encode(part).ids]
    boundaries = Boundaries(VOCABULARY, head.spelling, tail.spelling)
    options = DecodePlan(num_steps=num_steps, schedule="linear", selection="random")
    *_, canvas = run(open_canvas(len(truth)), Oracle(truth), options, boundaries)
    assert RowReader(VOCABULARY, boundaries).candidates(canvas, [0], ["stop"], 1)[0].text == middle


@given(
    head=st.sampled_from(["", " ret", "\n        ", "(", " valu"]),
    tail=st.sampled_from(["", "urn", ")", "   ", "self"]),
    extra=st.integers(0, 6),
    num_steps=st.integers(1, 8),
    seed=st.integers(0, 999),
    is_resizing=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_model_wants_the_canvas_keeps_its_boundaries(
    *, head: str, tail: str, extra: int, num_steps: int, seed: int, is_resizing: bool
) -> None:
    """Nonsense logits, tight canvases: the fill must still begin with the head and end with the tail."""
    length = len(TOKENIZER.encode(head).ids) + len(TOKENIZER.encode(tail).ids) + extra
    if length == 0:
        return
    boundaries = Boundaries(VOCABULARY, head.encode(), tail.encode())
    options = DecodePlan(num_steps=num_steps)
    canvases = list(
        run(
            open_canvas(length),
            RandomPredictor(seed),
            options,
            boundaries,
            is_resizing=is_resizing,
            max_length=length + 5,
        )
    )
    assert len(canvases) <= num_steps
    canvas = canvases[-1]
    row = canvas.token_ids[0, : int(canvas.lengths[0])].tolist()
    spelled = TOKENIZER.spell(row)
    assert spelled.startswith(head.encode())
    assert spelled.endswith(tail.encode())
    assert len(spelled) >= len(head) + len(tail)


@pytest.mark.parametrize(
    ("head", "tail"), [(b"\n    ", b""), (b"", b" "), (b" ret", b"   ")], ids=["indentation", "space", "both"]
)
@pytest.mark.parametrize("num_steps", [1, 5])
def test_a_single_line_hole_gets_no_line_break(head: bytes, tail: bytes, num_steps: int) -> None:
    class LineBreaks:
        def __call__(self, canvas: Canvas) -> Tensor:
            logits = torch.zeros(int(canvas.is_masked.sum()), VOCAB_SIZE)
            logits[:, VOCABULARY.has_line_break] = 30.0
            return logits

    boundaries = Boundaries(VOCABULARY, head, tail)
    *_, canvas = run(open_canvas(9), LineBreaks(), DecodePlan(num_steps=num_steps), boundaries, single_line=True)
    assert "\n" not in RowReader(VOCABULARY, boundaries).candidates(canvas, [0], ["stop"], 1)[0].text


class LengthOracle:
    """Knows the whole text: deletes surplus positions from the right, expands where some are missing."""

    def __init__(self, truth: list[int]) -> None:
        self._truth = truth

    def __call__(self, canvas: Canvas) -> Tensor:
        logits = torch.zeros(int(canvas.is_masked.sum()), VOCAB_SIZE)
        missing = len(self._truth) - int(canvas.lengths[0])
        for index, (_, column) in enumerate(canvas.is_masked.nonzero().tolist()):
            known = self._truth[column] if column < len(self._truth) else DELETE
            logits[index, EXPAND if missing > 0 else known] = 20.0
        return logits


@pytest.mark.parametrize("start", [1, 3, 8, 40], ids=lambda start: f"from-{start}")
def test_the_canvas_finds_its_length(start: int) -> None:
    truth = TOKENIZER.encode("return self.value + item").ids
    canvases = list(run(open_canvas(start), LengthOracle(truth), DecodePlan(num_steps=30), is_resizing=True))
    final = canvases[-1]
    assert final.token_ids[0, : int(final.lengths[0])].tolist() == truth
    assert not final.lacked_room.any()


def test_rejected_tokens_are_not_committed_again_where_they_were() -> None:
    canvas = open_canvas(3)
    wrong = torch.zeros_like(canvas.is_masked)
    wrong[0, 0] = True
    for rejected_id in (40, 41):
        canvas = canvas.guess(torch.full(wrong.shape, rejected_id), torch.ones(wrong.shape)).commit(wrong)
        canvas = canvas.reject(wrong, limit=2)
    for token_id in (40, 41):
        *_, final = run(canvas, Oracle([token_id] * 3), DecodePlan())
        assert int(final.token_ids[0, 0]) not in {40, 41}
        assert set(final.token_ids[0, 1:].tolist()) == {token_id}


def test_a_reviewed_position_is_predicted_and_never_as_a_control_token() -> None:
    canvas = open_canvas(3)
    first = torch.tensor([[True, False, False]])
    canvas = canvas.guess(torch.full(first.shape, 40), torch.ones(first.shape)).commit(first).review(first)
    constraint = Constraint(
        CONFIG, VOCABULARY, Boundaries(VOCABULARY, b"", b""), InfillRequest("", ""), max_length=9, is_resizing=True
    )
    limited = constraint.limit(torch.zeros(3, VOCAB_SIZE), canvas, constraint.rules(canvas, is_last=False))
    allowed = limited.isfinite()
    assert allowed[:, [EXPAND, DELETE]].tolist() == [[False, False], [True, True], [True, True]]
    assert allowed[0, 40]


def test_what_spells_a_boundary_is_not_taken_for_text_that_goes_on() -> None:
    letter, tail = TOKENIZER.encode("a").ids[0], TOKENIZER.encode("urn").ids
    ids = torch.tensor([[letter, letter, MASK, *tail]])
    opened = open_canvas(ids.shape[1]).guess(ids, torch.ones(ids.shape))
    is_second = torch.arange(ids.shape[1])[None] == 1
    reopened = opened.commit(ids != MASK).reopen(is_second, limit=9)
    deleted = reopened.guess(torch.full(ids.shape, DELETE), torch.ones(ids.shape)).commit(is_second)
    boundaries = Boundaries(VOCABULARY, b"", b"urn")
    constraint = Constraint(CONFIG, VOCABULARY, boundaries, InfillRequest("", ""), max_length=9, is_resizing=True)
    assert constraint.resize(deleted).token_ids.tolist() == [[letter, *tail]]


class FourAhead:
    """Finds the best token everywhere, and four logits ahead of all others."""

    def __call__(self, canvas: Canvas) -> Tensor:
        logits = torch.zeros(int(canvas.is_masked.sum()), VOCAB_SIZE)
        logits[:, TOKENIZER.encode("a").ids[0]] = 4.0
        return logits


def test_what_is_asked_of_an_early_commit_goes_down_as_the_canvas_fills() -> None:
    options = DecodePlan(schedule="linear", early_commit=7.5)
    left = [int(canvas.is_masked.sum()) for canvas in run(open_canvas(12), FourAhead(), options)]
    # 7.5, then 5 from the fifth on, then 2.5 from the ninth on, of twelve masks; far fewer steps than the dial allows.
    assert left == [11, 10, 9, 8, 7, 6, 5, 4, 0]


def test_an_early_commit_takes_what_the_request_keeps_for_no_progress() -> None:
    options = DecodePlan(schedule="linear", early_commit=7.5)
    kept = open_canvas(36).anchor(0, range(6, 30), TOKENIZER.encode("(" * 24).ids)
    left = [int(canvas.is_masked.sum()) for canvas in run(kept, FourAhead(), options)]
    assert left == [11, 10, 9, 8, 7, 6, 5, 4, 0]


def test_an_early_commit_takes_what_spells_a_boundary_for_no_progress() -> None:
    options = DecodePlan(schedule="linear", early_commit=7.5)
    boundaries = Boundaries(VOCABULARY, b"#" * 8, b"!" * 8)
    left = [int(canvas.is_masked.sum()) for canvas in run(open_canvas(28), FourAhead(), options, boundaries)]
    assert left[-9:] == [11, 10, 9, 8, 7, 6, 5, 4, 0]
