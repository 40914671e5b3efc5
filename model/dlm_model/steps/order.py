"""A learned commit order: a small head that predicts which guess is right, and so which position to commit first.

After DCoLT/LLaDOU (github.com/maple-research-lab/LLaDOU), which learns the order together with the model. Here the
model stays as it is. The head sees only how sure the model is, and how far away the next visible token is.
`dlm_model.training.commit_order` trains it and writes it beside the weights.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dlm_model.canvas import Canvas
from dlm_model.errors import CheckpointError
from dlm_model.steps.selection import Guess

ORDER_FILE = "order.safetensors"
NUM_FEATURES = 5
_HIDDEN = 16
_LARGEST_GAP = 20.0


class CommitOrder(nn.Module):
    """Features of a position → log-odds that its guess is right."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(NUM_FEATURES, _HIDDEN)
        self.output = nn.Linear(_HIDDEN, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[N, `NUM_FEATURES`] → [N]."""
        logits: Tensor = self.output(self.hidden(features).relu())
        return logits.squeeze(-1)


class LearnedScore:
    """A judge of guesses: ranks positions by a learned order."""

    def __init__(self, order: CommitOrder) -> None:
        self._order = order

    @torch.inference_mode()
    def __call__(self, canvas: Canvas, logits: Tensor, guess: Guess) -> tuple[Tensor, Guess]:
        """The logits, and the same guess, scored by the head."""
        return logits, guess._replace(score=self._order(features(canvas, guess)))


def features(canvas: Canvas, guess: Guess) -> Tensor:
    """What the head sees of the N positions asked about, [N, `NUM_FEATURES`], each of the order of one.

    The confidence's log-odds, the entropy, the gap of the two best logits, and the logarithms of the distances to the
    nearest visible token on the left and on the right.
    """
    is_visible = ~canvas.is_masked
    left = _distance(is_visible)[canvas.is_asked]
    right = _distance(is_visible.flip(1)).flip(1)[canvas.is_asked]
    confidence = guess.confidence.clamp(1e-4, 1 - 1e-4).logit()
    columns = (confidence, guess.entropy, guess.gap.clamp_max(_LARGEST_GAP) / 4, left.log(), right.log())
    return torch.stack(columns, dim=1).float()


def load_order(folder: Path) -> CommitOrder | None:
    """The head of a checkpoint folder, if it has one.

    Raises:
        CheckpointError: it has one that is broken.
    """
    path = folder / ORDER_FILE
    if not path.is_file():
        return None
    order = CommitOrder()
    try:
        order.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CheckpointError(f"{path} is not a commit order: {error}") from error
    return order.eval().requires_grad_(False)


def _distance(is_visible: Tensor) -> Tensor:
    """Positions from the last visible one on the left, [B, T] float; the prompt ends just before the canvas."""
    columns = torch.arange(1, is_visible.shape[1] + 1).expand(is_visible.shape)
    last = columns.masked_fill(~is_visible, 0).cummax(dim=1).values
    return (columns - last).clamp_min(1).float()
