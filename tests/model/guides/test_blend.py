"""Two predictions: their product by hand, and the run of tokens on which both agree."""

from collections import Counter
from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, Schedule, Selection
from dlm_model.guides.blend import REACH, Blend, blend
from dlm_model.rules.ending import LineEnd
from dlm_model.rules.length import Row
from dlm_model.steps.history import StabilityCount
from dlm_model.steps.selection import Guess, guess_tokens
from dlm_model.tokens.vocabulary import Vocabulary

MASK = 9


def logs(*rows: list[float]) -> Tensor:
    """Probabilities as logits, with 0 ruled out."""
    return torch.tensor(rows).log()


class Guide:
    """A causal model with a fixed prediction for every position, which records the texts that it reads."""

    num_forwards = 0

    def __init__(self, opinion: Tensor) -> None:
        self.opinion = opinion
        self.read: list[list[int]] = []

    def reading_of_drafts(self) -> None:
        """Each draft is read whole."""

    def logits(self, _prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, _reading: None) -> Tensor:
        self.read += token_ids.tolist()
        return self.opinion[: int(is_asked.sum())]


def canvas(*tokens: int) -> Canvas:
    opened = Canvas.open([1], [2], [len(tokens)], MASK)
    ids = torch.tensor([tokens])
    return opened.guess(ids, torch.ones(ids.shape)).commit(ids != MASK)


def padded(logits: Tensor) -> Tensor:
    """With a column for the mask too, which is never allowed."""
    return F.pad(logits, (0, MASK + 1 - logits.shape[1]), value=-torch.inf)


def judged(
    before: Canvas,
    own: Tensor,
    guide: Guide,
    *,
    weight: float = 0.5,
    temperature: float = 0.0,
    seed: int = 0,
    line_end: LineEnd | None = None,
    selection: Selection = "confidence",
    stability: StabilityCount | None = None,
) -> Guess:
    own, warmth = padded(own), torch.full((len(own),), temperature)
    schedule: Schedule = "klass" if stability else "threshold"
    options = DecodePlan(seed=seed, top_p=1.0, selection=selection, schedule=schedule)
    generator = torch.Generator().manual_seed(seed)
    guess = guess_tokens(own, warmth, before.token_ids[before.is_asked], options, generator)
    rows = [Row(0, temperature, weight)]
    logits, guess = Blend(guide, options, rows, line_end)(before, own, guess)  # type: ignore[arg-type]
    return stability(before, logits, guess)[1] if stability else guess


def test_the_product_is_that_of_the_powers_made_whole_again() -> None:
    # sqrt(.64 * .04) : sqrt(.32 * .72) = .16 : .48, and .04 that the guide knows nothing of.
    found = blend(logs([0.64, 0.32, 0.04]), logs([0.04, 0.72, 0.0]), 0.5)
    assert found.exp()[0].tolist() == pytest.approx([0.24, 0.72, 0.04])


@pytest.mark.parametrize(("weight", "best"), [(0.0, [0.6, 0.3, 0.1]), (1.0, [0.225, 0.675, 0.1])])
def test_at_the_ends_of_the_scale_one_of_the_two_is_heard_alone(weight: float, best: list[float]) -> None:
    found = blend(logs([0.6, 0.3, 0.1]), logs([0.25, 0.75, 0.0]), weight)
    assert found.exp()[0].tolist() == pytest.approx(best)


def test_what_is_ruled_out_stays_so_whatever_the_guide_says() -> None:
    found = blend(logs([0.5, 0.5, 0.0]), logs([0.05, 0.05, 0.9]), 0.9)
    assert found.exp()[0].tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_the_run_ends_with_the_first_disagreement_and_its_better_token() -> None:
    own = logs([0.6, 0.4], [0.6, 0.4], [0.6, 0.4])
    guide = Guide(logs([0.6, 0.4], [0.1, 0.9], [0.1, 0.9]))
    guess = judged(canvas(MASK, MASK, MASK), own, guide)
    assert guide.read == [[0, 0, 0]]
    assert guess.is_settled.tolist() == [True, True, False]
    assert guess.predicted_ids.tolist() == [0, 1, 0]
    assert guess.confidence.tolist() == pytest.approx([0.6, 0.36**0.5 / (0.36**0.5 + 0.06**0.5), 0.6])


def test_what_is_committed_in_between_does_not_end_the_run() -> None:
    own = logs([0.6, 0.4], [0.6, 0.4])
    guide = Guide(logs([0.9, 0.1], [0.9, 0.1]))
    guess = judged(canvas(MASK, 1, MASK), own, guide)
    assert guide.read == [[0, 1, 0]]
    assert guess.is_settled.tolist() == [True, True]


def test_the_guide_is_asked_no_further_than_its_reach() -> None:
    own, agreement = logs(*[[0.6, 0.4]] * (REACH + 4)), logs(*[[0.9, 0.1]] * (REACH + 4))
    guide = Guide(agreement)
    guess = judged(canvas(1, *[MASK] * (REACH + 4)), own, guide)
    assert guide.read == [[1, *[0] * REACH]]
    assert guess.is_settled.tolist() == [True] * REACH + [False] * 4
    assert guess.confidence[REACH:].tolist() == pytest.approx([0.6] * 4)


def test_where_something_is_reviewed_the_guide_is_asked_about_all() -> None:
    before = canvas(*[MASK] * (REACH + 1), 1)
    before = before.review(before.is_committed)
    guide = Guide(logs(*[[0.9, 0.1]] * (REACH + 2)))
    guess = judged(before, logs(*[[0.6, 0.4]] * (REACH + 2)), guide)
    assert guide.read == [[0] * (REACH + 1) + [1]]
    assert guess.is_settled.all()


SPLIT = logs([0.6, 0.4], [0.6, 0.4], [0.9, 0.1])
"""What the diffusion model alone predicts. With `TOLD`, both: .6 : .4, then .2 : .8 instead, and nothing after it."""
TOLD = logs([0.6, 0.4], [0.04, 0.96], [0.1, 0.9])


@pytest.mark.parametrize(
    ("selection", "scores"),
    [
        ("confidence", [0.6, 0.8, 0.9]),
        ("margin", [0.2, 0.6, 0.8]),
        (
            "entropy",
            [0.6 * log(0.6) + 0.4 * log(0.4), 0.2 * log(0.2) + 0.8 * log(0.8), 0.9 * log(0.9) + 0.1 * log(0.1)],
        ),
    ],
)
def test_every_position_is_scored_on_the_scale_that_is_asked_for(selection: Selection, scores: list[float]) -> None:
    guess = judged(canvas(MASK, MASK, MASK), SPLIT, Guide(TOLD), selection=selection)
    assert guess.predicted_ids.tolist() == [0, 1, 0]
    assert guess.score.tolist() == pytest.approx(scores)


def test_what_a_guess_says_of_the_run_is_what_both_predict() -> None:
    guess = judged(canvas(MASK, MASK, MASK), SPLIT, Guide(TOLD))
    assert guess.gap.tolist() == pytest.approx([log(1.5), log(4), log(9)])
    assert guess.entropy.tolist() == pytest.approx([0.6730, 0.5004, 0.3251], abs=1e-4)


def test_a_token_under_review_is_as_probable_as_both_find_it() -> None:
    before = canvas(1, MASK, 1, MASK, 1)
    before = before.review(before.is_committed)
    own = logs([0.8, 0.2], [0.6, 0.4], [0.8, 0.2], [0.6, 0.4], [0.8, 0.2])
    told = logs([0.1, 0.9], [0.6, 0.4], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9])
    guess = judged(before, own, Guide(told))
    # sqrt(.2 * .9) : sqrt(.8 * .1) = .6 : .4. The two differ about the second mask, and what is behind it is unheard.
    assert guess.current[[0, 2, 4]].tolist() == pytest.approx([0.6, 0.6, 0.2])
    assert guess.predicted_ids.tolist() == [1, 0, 1, 1, 0]
    assert guess.is_settled.tolist() == [True, True, True, True, False]


def test_what_is_counted_as_stable_is_what_both_predict() -> None:
    before, stability = canvas(MASK, MASK), StabilityCount(0.01)
    own = logs([0.6, 0.4], [0.6, 0.4])
    for told, num_stable in (([0.6, 0.4], [0, 0]), ([0.9, 0.1], [0, 0]), ([0.9, 0.1], [1, 1])):
        guess = judged(before, own, Guide(logs(told, told)), stability=stability)
        assert guess.num_stable.tolist() == num_stable
        before = before.guess(torch.zeros(1, 2, dtype=torch.long), torch.ones(1, 2))


def test_samples_are_distributed_as_the_product_is() -> None:
    own, heard = logs([0.5, 0.3, 0.2]), logs([0.1, 0.3, 0.6])
    wanted = blend(own, heard, 0.5).exp()[0]
    num_draws = 3000
    drawn = Counter(
        int(judged(canvas(MASK), own, Guide(heard), temperature=1.0, seed=seed).predicted_ids)
        for seed in range(num_draws)
    )
    for token_id, share in enumerate(wanted.tolist()):
        # Four standard deviations.
        assert drawn[token_id] / num_draws == pytest.approx(share, abs=4 * (share * (1 - share) / num_draws) ** 0.5)


def test_a_guide_with_fewer_tokens_has_no_opinion_of_the_others() -> None:
    guess = judged(canvas(MASK), logs([0.2, 0.2, 0.6]), Guide(logs([0.9, 0.1])))
    assert guess.predicted_ids.tolist() == [2]
    assert guess.confidence.tolist() == pytest.approx([0.6])


def test_the_guide_ends_a_line_by_its_line_break() -> None:
    vocabulary = Vocabulary([b"x", b"\n", b"", *[b""] * 7])
    line_end = LineEnd(vocabulary, 2, is_begun=True)
    own, guide = logs([0.6, 0.0, 0.4]), Guide(logs([0.1, 0.9, 0.0]))
    assert judged(canvas(MASK), own, guide, line_end=line_end).predicted_ids.tolist() == [2]
    assert judged(canvas(MASK), own, guide).predicted_ids.tolist() == [0]


def test_the_guide_does_not_read_a_row_that_it_has_no_say_in() -> None:
    before = Canvas.open([1], [2], [3, 3], MASK)
    own = logs([0.95, 0.05], [0.6, 0.4], [0.05, 0.95], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4])
    guide = Guide(logs([0.6, 0.4], [0.1, 0.9], [0.1, 0.9]))
    warmth, generator = torch.zeros(6), torch.Generator()
    own = padded(own)
    guess = guess_tokens(own, warmth, torch.zeros(6, dtype=torch.long), DecodePlan(), generator)
    judge = Blend(guide, DecodePlan(), [Row(3, 0.0, 0.0), Row(3, 0.0, 1.0)], None)  # type: ignore[arg-type]
    _, blended = judge(before, own, guess)
    assert guide.read == [[0, 0, 0]]
    assert blended.is_guided.tolist() == [False, False, False, True, True, True]
    assert blended.is_settled.tolist() == [False, False, False, True, True, False]
    assert blended.predicted_ids.tolist() == [0, 0, 1, 0, 1, 0]
    assert blended.confidence.tolist() == pytest.approx([0.95, 0.6, 0.95, 0.6, 0.9, 0.6])


def test_a_sample_comes_from_the_nucleus_of_the_product() -> None:
    own, heard = padded(logs([0.5, 0.5, 0.0, 0.0])), logs([0.99, 0.01, 0.0, 0.0])
    for seed in range(50):
        before = canvas(MASK)
        guess = guess_tokens(own, torch.ones(1), torch.zeros(1, dtype=torch.long), DecodePlan(), torch.Generator())
        options = DecodePlan(seed=seed, top_p=0.9)
        judge = Blend(Guide(heard), options, [Row(0, 1.0, 0.5)], None)  # type: ignore[arg-type]
        assert judge(before, own, guess)[1].predicted_ids.tolist() == [0]
