"""What is measured on held-out code, and what happens if it holds nothing to fill."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.evaluate import choose_lines
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.held_out import NOISES, held_out_batches, measure
from dlm_model.training.sequence import IGNORED, PADDING
from dlm_model.training.windows import Batch


def test_text_without_code_is_refused_instead_of_searched_for_ever(
    tiny_config: ModelConfig, tiny_tokenizer: Tokenizer
) -> None:
    texts = ["# a comment\n" * 9]
    with pytest.raises(ValueError, match="too little code for 2 holes"):
        choose_lines(texts, 2)
    with pytest.raises(ValueError, match="too little code for 3 holes"):
        held_out_batches(["\n"], ExampleBuilder(tiny_tokenizer, tiny_config), NOISES["first_step"], 3)


def test_what_a_decoder_commits_next_is_the_first_mask_of_every_canvas() -> None:
    """A network that is sure of one token, and labels by which some canvases begin with it."""
    sure, other = 3, 4
    labels = [[IGNORED, IGNORED, sure, other, IGNORED, sure], [IGNORED, other, sure, IGNORED, IGNORED, IGNORED]]
    groups = [[0, 1, 1, 1, 3, 3], [1, 1, 1, 2, 2, PADDING]]
    zeros = torch.zeros(2, 6, dtype=torch.long)
    reach = torch.ones(2, 1, dtype=torch.long)
    batch = Batch(zeros, torch.tensor(labels), torch.ones(2, 6), zeros, torch.tensor(groups), zeros, reach)
    network = Mock(
        config=SimpleNamespace(shift_logits=False, ties_embeddings=True, delete_token_id=9),
        return_value=torch.zeros(2, 6, 1),
    )
    scores = torch.tensor([0.0] * 9 + [-30.0]).index_fill(0, torch.tensor([sure]), 2.0)
    network.logits.side_effect = lambda hidden: scores.expand(len(hidden), -1)
    losses = -scores.log_softmax(dim=0)
    measured = measure(network, [batch])
    assert measured.next_nll == pytest.approx(float(2 * losses[sure] + losses[other]) / 3)
    assert measured.nll == pytest.approx(float(3 * losses[sure] + 2 * losses[other]) / 5)
