"""Revisers by hand: which committed tokens go, which stay whatever happens, and that there is an end to it."""

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions, DecodePlan
from dlm_model.steps.revision import Edit, PathPlanning, RandomRemask, Step, TokenToMask, remasker_of
from dlm_model.steps.selection import guess_tokens
from tests.model.guesses import made_up
from tests.model.loops import TOKENIZER, open_canvas, run
from tests.model.tiny_checkpoints import VOCAB_SIZE

MASK = 90


def committed(*token_ids: int) -> Canvas:
    """One row; `MASK` stays masked."""
    canvas = Canvas.open([1], [2], [len(token_ids)], MASK)
    ids = torch.tensor([token_ids])
    return canvas.guess(ids, torch.full(ids.shape, 0.5)).commit(ids != MASK)


def step(
    canvas: Canvas,
    *,
    new: tuple[int, ...] = (),
    fixed: tuple[int, ...] = (),
    waiting: tuple[int, ...] = (),
    **parts: list[float],
) -> Step:
    """A step that reviewed all tokens that were committed before it, and might have committed all masks but some."""
    shape = canvas.is_masked.shape
    guess = made_up(shape, **{name: torch.tensor([part]) for name, part in parts.items()})
    is_new, is_fixed = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    is_new[0, list(new)], is_fixed[0, list(fixed)] = True, True
    is_open = canvas.is_masked | is_new
    is_open[0, list(waiting)] = False
    return Step(guess, canvas.is_committed & ~is_new, is_new, is_fixed, is_open)


def test_token_to_mask_reopens_what_became_improbable() -> None:
    canvas = committed(5, 6, 7, 8, MASK)
    options = DecodeOptions(remask_threshold=0.3)
    after = TokenToMask(options)(canvas, step(canvas, new=(3,), fixed=(1,), current=[0.29, 0.1, 0.3, 0.1, 0.0]))
    assert after.token_ids.tolist() == [[MASK, 6, 7, 8, MASK]]
    assert after.guessed_ids[0, 0] == 5
    assert after.num_revised.tolist() == [1]
    assert after.is_asked.all()
    after.check_integrity()


def test_token_to_mask_keeps_what_would_be_put_there_again() -> None:
    canvas = committed(5, 6, MASK)
    after = TokenToMask(DecodeOptions())(canvas, step(canvas, current=[0.1, 0.1, 0.0], predicted_ids=[5, 9, 9]))
    assert after.token_ids.tolist() == [[5, MASK, MASK]]


def test_token_to_mask_reopens_a_place_once() -> None:
    canvas = committed(5, 6, MASK)
    reviser = TokenToMask(DecodeOptions())
    doubts = {"current": [0.1, 0.9, 0.0], "predicted_ids": [9, 9, 9]}
    after = reviser(canvas, step(canvas, **doubts))
    filled = after.guess(torch.full((1, 3), 8), torch.ones(1, 3)).commit(after.is_masked & ~canvas.is_masked)
    assert filled.token_ids.tolist() == [[8, 6, MASK]]
    assert reviser(filled, step(filled, **doubts)).token_ids.tolist() == [[8, 6, MASK]]


def guessed_further(canvas: Canvas) -> Canvas:
    """The same with guesses for the masks: 1 in the first column, 2 in the second, and so on."""
    return canvas.guess(torch.arange(1, canvas.is_masked.shape[1] + 1)[None], torch.ones(canvas.is_masked.shape))


@pytest.mark.parametrize(
    ("confidence", "kept"),
    [
        ([0.9, 0.2, 0.3, 0.6, 0.1], [5, MASK, 7, 4, MASK]),  # the best three: 0.9, 0.6 and 0.3
        ([0.9, 0.8, 0.7, 0.6, 0.5], [5, 6, 7, MASK, MASK]),
        ([0.1, 0.2, 0.3, 0.9, 0.9], [MASK, MASK, 7, 4, 5]),
        ([0.2, 0.2, 0.3, 0.2, 0.1], [5, 6, 7, MASK, MASK]),  # as sure of the mask as of two tokens, which stay
    ],
)
def test_path_planning_keeps_the_best_ranked_of_all_positions(confidence: list[float], kept: list[int]) -> None:
    canvas = guessed_further(committed(5, 6, 7, MASK, MASK))
    after = PathPlanning(DecodeOptions())(canvas, step(canvas, new=(2,), confidence=confidence))
    assert after.token_ids.tolist() == [kept]
    assert after.is_asked.all()
    after.check_integrity()


SECOND_GIVES_WAY = [0.1, 0.5, 0.6, 0.9, 0.2]


def test_path_planning_ranks_neither_what_is_fixed_nor_what_is_kept_by_request() -> None:
    """Two are kept of the four that are ranked: 0.9 and 0.6."""
    canvas = guessed_further(committed(5, 6, 7, MASK, MASK))
    seen = step(canvas, new=(2,), fixed=(0,), confidence=SECOND_GIVES_WAY)
    assert PathPlanning(DecodeOptions())(canvas, seen).token_ids.tolist() == [[5, MASK, 7, 4, MASK]]
    anchored = guessed_further(committed(MASK, 6, 7, MASK, MASK).anchor(0, [0], [5]))
    seen = step(anchored, new=(2,), confidence=SECOND_GIVES_WAY)
    assert PathPlanning(DecodeOptions())(anchored, seen).token_ids.tolist() == [[5, MASK, 7, 4, MASK]]


def test_path_planning_fills_nothing_that_has_to_wait() -> None:
    canvas = guessed_further(committed(5, 6, 7, MASK, MASK))
    seen = step(canvas, waiting=(3,), confidence=[0.8, 0.5, 0.6, 0.9, 0.7])
    assert PathPlanning(DecodeOptions())(canvas, seen).token_ids.tolist() == [[5, MASK, 7, MASK, 5]]
    vetoed = step(canvas, confidence=[0.8, 0.5, 0.6, 0.9, 0.7], is_vetoed=[False, False, False, True, False])
    assert PathPlanning(DecodeOptions())(canvas, vetoed).token_ids.tolist() == [[5, MASK, 7, MASK, 5]]


def test_path_planning_moves_only_so_many() -> None:
    canvas = guessed_further(committed(5, 6, 7, MASK, MASK))
    after = PathPlanning(DecodeOptions(max_revisions=1))(canvas, step(canvas, confidence=[0.1, 0.2, 0.3, 0.8, 0.9]))
    assert after.token_ids.tolist() == [[MASK, 6, 7, MASK, 5]]


def test_path_planning_does_not_judge_without_a_guide_what_it_has_not_settled() -> None:
    canvas = guessed_further(committed(5, 6, MASK))
    guided = {"is_guided": [True, True, True], "is_settled": [True, False, False]}
    seen = step(canvas, confidence=[0.2, 0.1, 0.9], **guided)
    assert PathPlanning(DecodeOptions())(canvas, seen).token_ids.tolist() == [[MASK, 6, 3]]


def test_path_planning_does_not_take_back_what_is_new() -> None:
    canvas = committed(5, 6, MASK)
    seen = step(canvas, new=(1,), confidence=[0.8, 0.2, 0.9])
    assert PathPlanning(DecodeOptions())(canvas, seen).token_ids.tolist() == [[5, 6, MASK]]


def test_path_planning_leaves_a_row_that_is_full_alone() -> None:
    canvas = committed(5, 6, 7)
    after = PathPlanning(DecodeOptions())(canvas, step(canvas, confidence=[0.1, 0.2, 0.3]))
    assert after.token_ids.tolist() == [[5, 6, 7]]
    assert not after.is_asked.any()


class Foretold:
    """As sure of one token as it is told, step by step and column by column."""

    def __init__(self, confidence: list[list[float]]) -> None:
        self._confidence = iter(confidence)

    def __call__(self, canvas: Canvas) -> torch.Tensor:
        probability = torch.tensor([next(self._confidence)])[canvas.is_asked]
        logits = torch.zeros(len(probability), VOCAB_SIZE)
        # e^x over e^x and the others' ones is the probability.
        logits[:, TOKENIZER.encode("a").ids[0]] = (probability / (1 - probability) * (VOCAB_SIZE - 1)).log()
        return logits


def test_path_planning_by_hand_over_four_steps() -> None:
    """The best one, two and three of four are kept, and then all."""
    predict = Foretold([[0.9, 0.5, 0.6, 0.4], [0.3, 0.5, 0.8, 0.4], [0.2, 0.7, 0.8, 0.5], [0.2, 0.7, 0.8, 0.5]])
    options = DecodePlan(num_steps=4, schedule="linear", max_revisions=8)
    masked = [
        canvas.is_masked[0].tolist()
        for canvas in run(open_canvas(4), predict, options, revisers=[PathPlanning(options)])
    ]
    assert masked == [
        [False, True, True, True],
        [True, False, False, True],  # the second takes the place of the first
        [True, False, False, False],
        [False, False, False, False],
    ]


def test_path_planning_keeps_as_many_as_the_schedule_has_reached() -> None:
    confidence = torch.rand(32, 32, generator=torch.Generator().manual_seed(0)).clamp(0.05, 0.95).tolist()
    options = DecodePlan(num_steps=32, schedule="linear", max_revisions=4096)
    canvases = list(run(open_canvas(32), Foretold(confidence), options, revisers=[PathPlanning(options)]))
    assert [int(canvas.is_committed.sum()) for canvas in canvases] == list(range(1, 33))
    assert int(canvases[-1].num_revised) > 32


def test_editing_replaces_where_the_model_is_sure_of_another() -> None:
    canvas = committed(5, 6, 7, MASK)
    seen = step(canvas, predicted_ids=[9, 6, 9, 9], confidence=[0.95, 0.99, 0.8, 0.99])
    after = Edit(DecodeOptions(edit_threshold=0.9))(canvas, seen)
    assert after.token_ids.tolist() == [[9, 6, 7, MASK]]
    assert after.confidence[0].tolist() == pytest.approx([0.95, 0.5, 0.5, 0.5])
    assert after.num_revised.tolist() == [1]


@pytest.mark.parametrize("reviser", [TokenToMask, Edit])
def test_what_a_guide_has_no_say_in_is_not_judged_without_it(reviser: type[TokenToMask | Edit]) -> None:
    canvas = committed(5, 6, MASK)
    guided = {"is_guided": [True, True, True], "is_settled": [True, False, False]}
    seen = step(canvas, predicted_ids=[9, 9, 9], confidence=[0.99] * 3, **guided)
    after = reviser(DecodeOptions())(canvas, seen)
    assert (after.token_ids[0] != canvas.token_ids[0]).tolist() == [True, False, False]


@pytest.mark.parametrize(("rate", "reopened"), [(0.0, 0), (1.0, 2)])
def test_remdm_reopens_at_its_rate_but_nothing_new_or_fixed(rate: float, reopened: int) -> None:
    canvas = committed(5, 6, 7, 8, *[MASK] * 4)
    options = DecodeOptions(remask_rate=rate)
    after = RandomRemask(options)(canvas, step(canvas, new=(1,), fixed=(2,)))
    assert after.num_revised.tolist() == [reopened]
    assert not after.is_masked[0, 1:3].any()


def test_remdm_does_not_take_back_what_the_draft_has_drawn_lowest() -> None:
    canvas = committed(*range(10, 80), *[MASK] * 70)
    options = DecodePlan(selection="random", remask_rate=0.2, max_revisions=70)
    nothing = torch.zeros(140)
    logits = torch.zeros(140, 91)
    drawn = guess_tokens(logits, nothing, nothing.long(), options, torch.Generator().manual_seed(options.seed)).score
    reopened = RandomRemask(options)(canvas, step(canvas)).is_masked[0, :70]
    assert 0 < int(reopened.sum()) < 30
    assert not torch.equal(reopened, drawn[:70] < options.remask_rate)


def test_remdm_reopens_less_as_the_canvas_fills() -> None:
    options = DecodeOptions(remask_rate=1.0, max_revisions=80)
    num_revised = []
    for num_filled in (50, 60, 70, 80):
        canvas = committed(*[5] * num_filled, *[MASK] * (80 - num_filled))
        seen = step(canvas, new=tuple(range(num_filled - 10, num_filled)))
        num_revised.append(int(RandomRemask(options)(canvas, seen).num_revised))
    # (1 - alpha_s) / alpha_t = 30/40, 20/50, 10/60 and 0/70, of 40, 50, 60 and 70.
    assert num_revised[:3] == pytest.approx([30, 20, 10], abs=9)
    assert num_revised[3] == 0


def test_a_row_is_revised_only_so_often() -> None:
    canvas = committed(5, 6, 7, 8)
    everything = torch.ones_like(canvas.is_masked)
    once = canvas.reopen(everything, limit=3)
    assert once.token_ids.tolist() == [[MASK, MASK, MASK, 8]]
    assert once.commit(once.is_masked).reopen(everything, limit=3).token_ids.tolist() == [[5, 6, 7, 8]]


def test_what_is_kept_is_never_revised() -> None:
    canvas = committed(5, MASK, 7).anchor(0, [1], [66])
    everything = torch.ones_like(canvas.is_masked)
    assert canvas.reopen(everything, limit=9).token_ids.tolist() == [[MASK, 66, MASK]]
    ids = torch.full(everything.shape, 3)
    assert canvas.overwrite(everything, ids, torch.ones(ids.shape), limit=9).token_ids.tolist() == [[3, 66, 3]]


def test_what_was_rejected_is_remembered() -> None:
    canvas = committed(5, 6, MASK)
    after = canvas.reject(torch.tensor([[False, True, True]]), limit=9)
    assert after.rejected_ids.tolist() == [[[MASK], [6], [MASK]]]
    assert after.is_masked.tolist() == [[False, True, True]]
    again = after.guess(torch.tensor([[0, 7, 0]]), torch.ones(1, 3)).commit(torch.tensor([[False, True, False]]))
    again = again.reject(torch.tensor([[True, True, False]]), limit=9)
    assert again.rejected_ids.tolist() == [[[MASK, 5], [6, 7], [MASK, MASK]]]
    longer = again.extend(torch.tensor([1]))
    assert longer.rejected_ids.tolist() == [[[MASK, 5], [6, 7], [MASK, MASK], [MASK, MASK]]]


def test_no_remasking_is_no_reviser() -> None:
    assert remasker_of(DecodeOptions()) is None


class Fickle:
    """Is sure of another letter at every step."""

    num_forwards = 0

    def __call__(self, canvas: Canvas) -> torch.Tensor:
        self.num_forwards += 1
        logits = torch.zeros(int(canvas.is_asked.sum()), VOCAB_SIZE)
        logits[:, TOKENIZER.encode("abcdefgh"[self.num_forwards]).ids[0]] = 20.0
        return logits


@pytest.mark.parametrize("reviser", [TokenToMask, Edit])
def test_the_last_step_revises_nothing(reviser: type[TokenToMask | Edit]) -> None:
    options = DecodePlan(num_steps=4, schedule="linear", remask_threshold=1.0)
    first, *_, before, last = canvases = list(run(open_canvas(8), Fickle(), options, revisers=[reviser(options)]))
    assert len(canvases) == 4
    assert first.num_revised < before.num_revised == last.num_revised
    assert not last.is_masked.any()


def test_nothing_is_predicted_in_the_last_step_for_the_sake_of_a_review() -> None:
    options, predict = DecodePlan(num_steps=4, schedule="linear"), Fickle()
    *_, last = run(open_canvas(3), predict, options, revisers=[Edit(options)])
    assert last.is_reviewed.any()
    assert predict.num_forwards == 3
