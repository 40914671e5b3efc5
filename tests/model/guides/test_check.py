"""A causal model that checks: what it lets through, by hand."""

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.guides.check import Check
from dlm_model.steps.selection import Guess
from tests.model.guesses import made_up

MASK = 9


class Guide:
    """A causal model with the same prediction everywhere: the probabilities of tokens 0, 1, 2 and 3."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = torch.tensor(probabilities)
        self.read: list[list[int]] = []

    def reading_of_drafts(self) -> None:
        """Each draft is read whole."""

    def logits(self, _prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, _reading: None) -> Tensor:
        self.read += token_ids.tolist()
        return self.probabilities.log().expand(int(is_asked.sum()), -1)


def checked(tokens: list[int], predicted: list[int], guide: Guide, agreement: float = 0.5) -> Guess:
    """The guess for the masks among some tokens, spread over them."""
    ids = torch.tensor([tokens])
    opened = Canvas.open([1], [2], [len(tokens)], MASK)
    canvas = opened.guess(ids, torch.ones(ids.shape)).commit(ids != MASK)
    guess = made_up((len(predicted),), predicted_ids=torch.tensor(predicted))
    judge = Check(guide, DecodeOptions(guide_agreement=agreement))  # type: ignore[arg-type]
    return judge(canvas, torch.empty(0), guess)[1].spread(canvas.is_asked)


def test_the_run_ends_before_the_first_improbable_token() -> None:
    # At least half of the best, 0.25.
    found = checked([MASK] * 5, [0, 1, 0, 2, 0], Guide(0.5, 0.26, 0.23, 0.01))
    assert found.is_settled.tolist() == [[True, True, True, False, False]]
    assert found.is_vetoed.tolist() == [[False, False, False, True, True]]


def test_the_leftmost_mask_is_accepted_whatever_the_guide_expects() -> None:
    found = checked([0, MASK, MASK, MASK], [2, 0, 2], Guide(0.5, 0.26, 0.23, 0.01))
    assert found.is_settled.tolist() == [[False, True, True, False]]
    assert found.is_vetoed.tolist() == [[False, False, False, True]]


def test_tokens_that_the_guide_does_not_know_are_no_fault() -> None:
    guide = Guide(1.0, 0.0, 0.0, 0.0)  # token 1 is ruled out, as a control token is; token 5 is beyond its vocabulary
    assert checked([MASK] * 4, [0, 1, 5, 0], guide).is_settled.all()


def test_the_draft_is_read_with_every_guess_in_place() -> None:
    guide = Guide(0.4, 0.3, 0.3, 0.0)
    checked([MASK, 3, MASK], [1, 2], guide)
    assert guide.read == [[1, 3, 2]]


@pytest.mark.parametrize("agreement", [0.01, 1.0])
def test_the_share_that_is_asked_for_decides(agreement: float) -> None:
    found = checked([MASK] * 2, [0, 1], Guide(0.9, 0.05, 0.04, 0.01), agreement)
    assert bool(found.is_settled.all()) is (agreement < 0.05)


def test_where_nothing_is_masked_the_guide_is_not_run() -> None:
    guide = Guide(1.0)
    checked([0, 1], [], guide)
    assert guide.read == []
