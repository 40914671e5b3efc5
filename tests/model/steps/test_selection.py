"""Scores by hand, and sampling that obeys temperature and nucleus."""

import pytest
import torch

from dlm_model.decode_options import DecodePlan, Selection
from dlm_model.steps.selection import Guess, guess_tokens

# Rows: certain; two-way tie; a clear best over a flat rest.
PROBABILITIES = torch.tensor([[0.97, 0.01, 0.01, 0.01], [0.49, 0.49, 0.01, 0.01], [0.55, 0.15, 0.15, 0.15]])


def guess(selection: Selection = "confidence", temperature: float = 0.0, top_p: float = 1.0, seed: int = 0) -> Guess:
    generator = torch.Generator().manual_seed(seed)
    options = DecodePlan(selection=selection, top_p=top_p)
    current_ids = torch.tensor([0, 1, 3])
    return guess_tokens(PROBABILITIES.log(), torch.full((3,), temperature), current_ids, options, generator)


@pytest.mark.parametrize(
    ("selection", "order"), [("confidence", [0, 2, 1]), ("margin", [0, 2, 1]), ("entropy", [0, 1, 2])]
)
def test_positions_are_ranked_by_what_the_selection_says(selection: Selection, order: list[int]) -> None:
    assert guess(selection).score.argsort(descending=True).tolist() == order


def test_the_statistics_are_those_of_the_distribution() -> None:
    found = guess("margin")
    torch.testing.assert_close(found.score, torch.tensor([0.96, 0.0, 0.40]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.confidence, torch.tensor([0.97, 0.49, 0.55]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.current, torch.tensor([0.97, 0.49, 0.15]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.gap.exp(), torch.tensor([97.0, 1.0, 55 / 15]), atol=1e-2, rtol=1e-4)
    expected_entropy = -(PROBABILITIES * PROBABILITIES.log()).sum(dim=1)
    torch.testing.assert_close(found.entropy, expected_entropy, atol=1e-5, rtol=0)


def test_a_gap_that_probabilities_cannot_tell_is_not_infinite() -> None:
    logits = torch.tensor([[0.0, 30.0, 4.0]])
    generator = torch.Generator().manual_seed(0)
    found = guess_tokens(logits, torch.zeros(1), torch.zeros(1).long(), DecodePlan(), generator)
    assert found.gap.tolist() == pytest.approx([26.0])


def test_random_scores_follow_the_seed_and_nothing_else() -> None:
    assert torch.equal(guess("random", seed=1).score, guess("random", seed=1).score)
    assert not torch.equal(guess("random", seed=1).score, guess("random", seed=2).score)


def test_temperature_zero_takes_the_most_probable() -> None:
    assert all(guess(seed=seed).predicted_ids[[0, 2]].tolist() == [0, 0] for seed in range(5))


def test_sampling_stays_inside_the_nucleus() -> None:
    drawn = torch.stack([guess(temperature=1.0, top_p=0.9, seed=seed).predicted_ids for seed in range(200)])
    assert set(drawn[:, 0].tolist()) == {0}
    assert set(drawn[:, 1].tolist()) == {0, 1}
    assert set(drawn[:, 2].tolist()) == {0, 1, 2, 3}


def test_a_high_temperature_flattens() -> None:
    drawn = torch.stack([guess(temperature=50.0, seed=seed).predicted_ids for seed in range(400)])
    shares = torch.bincount(drawn[:, 0], minlength=4) / 400
    assert shares.max() < 0.4


def test_a_token_ruled_out_is_never_drawn() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 0.0]]).repeat(300, 1)
    options = DecodePlan(selection="entropy", top_p=1.0)
    generator = torch.Generator().manual_seed(0)
    found = guess_tokens(logits, torch.ones(300), torch.zeros(300).long(), options, generator)
    assert set(found.predicted_ids.tolist()) == {0, 2}
    assert found.entropy.isfinite().all()
