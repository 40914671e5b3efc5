"""Tokens under review: the loop goes on until a reviser changes nothing more."""

import pytest
import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan, Remasking
from dlm_model.steps.revision import remasker_of
from tests.model.loops import open_canvas, run
from tests.model.tiny_checkpoints import VOCAB_SIZE


class SecondThoughts:
    """Sure of token 5 at every mask, and of token 7 wherever 5 is committed."""

    def __call__(self, canvas: Canvas) -> Tensor:
        logits = torch.zeros(int(canvas.is_asked.sum()), VOCAB_SIZE)
        best = torch.where(canvas.is_masked, 5, 7)[canvas.is_asked]
        logits[torch.arange(len(logits)), best] = 20.0
        return logits


@pytest.mark.parametrize("remasking", ["edit", "token_to_mask", "path_planning"])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 9])
def test_what_the_last_commit_got_wrong_is_revised_too(remasking: Remasking, num_steps: int) -> None:
    options = DecodePlan(num_steps=num_steps, confidence_threshold=0.5, remasking=remasking, max_revisions=8)
    remasker = remasker_of(options)
    assert remasker
    drafts = list(run(open_canvas(3), SecondThoughts(), options, revisers=[remasker]))
    assert len(drafts) <= num_steps
    assert not drafts[-1].is_masked.any()
    if remasking == "edit":
        # One step to commit, one to edit, one to see that nothing is to be edited; the last step revises nothing.
        assert len(drafts) == min(3, max(1, num_steps - 1))
        assert drafts[-1].token_ids.tolist() == [[7 if num_steps > 2 else 5] * 3]
