"""Canvases that are filled in part, between prompts that spell nothing."""

import torch

from dlm_model.canvas import Canvas
from tests.model.tiny_checkpoints import DLM_SECTION

PREFIX, SUFFIX = list(range(40, 60)), list(range(70, 95))


def some_canvas(*lengths: int) -> Canvas:
    """A row for each length, with tokens at positions 1 to 3 and masks at all others."""
    canvas = Canvas.open(PREFIX, SUFFIX, lengths, int(DLM_SECTION["mask_token_id"]))
    guesses = torch.randint(1, 250, canvas.token_ids.shape, generator=torch.Generator().manual_seed(3))
    positions = torch.zeros_like(canvas.is_masked)
    positions[:, 1:4] = True
    return canvas.guess(guesses, torch.full(canvas.confidence.shape, 0.5)).commit(positions & canvas.is_masked)
