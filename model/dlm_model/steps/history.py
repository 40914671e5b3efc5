"""Decoding methods that look back at earlier predictions for a position, wherever resizing has moved it.

Knows canvases and logits; decides nothing.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.steps.selection import Guess, Predictor

CREDIT_BOOST = 0.2
CREDIT_DECAY = 0.8


class PositionMemory:
    """One value per position asked about, from one step to the next."""

    def __init__(self) -> None:
        self._places = torch.empty(0, 0, dtype=torch.long)
        self._values: Tensor | None = None

    def store(self, canvas: Canvas, values: Tensor) -> None:
        """Note a value [N, ...] for every position that a canvas asks about; forget all others."""
        asked = canvas.is_asked
        self._places = torch.full(asked.shape, -1)
        self._places[asked] = torch.arange(len(values))
        self._values = values

    def recall(self, canvas: Canvas, fallback: Tensor) -> Tensor:
        """The values of the positions that a canvas asks about, [N, ...]; of `fallback`, where there is none.

        The canvas is the one that the next step begins with: its `origin` leads back to the one of `store`.
        """
        if self._values is None or not len(self._values):
            return fallback
        # The masks that an expand token became share its column, but are not the position that was asked about.
        is_old = canvas.is_guessed | canvas.is_reviewed
        places = torch.where(is_old, self._places.gather(1, canvas.origin), -1)[canvas.is_asked]
        places = send(places, fallback.device)
        is_known = (places >= 0).view(-1, *(1 for _ in fallback.shape[1:]))
        return torch.where(is_known, self._values[places.clamp_min(0)], fallback)


class StabilityCount:
    """A judge of guesses: counts steps in a row in which a distribution moved by less than a bound (KLASS).

    Args:
        bound: On KL(now ‖ before), in nats.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._log_probabilities = PositionMemory()
        self._counts = PositionMemory()

    def __call__(self, canvas: Canvas, logits: Tensor, guess: Guess) -> tuple[Tensor, Guess]:
        """The logits, and the same guess with the steps counted."""
        return logits, guess._replace(num_stable=self.count(canvas, logits))

    def count(self, canvas: Canvas, logits: Tensor) -> Tensor:
        """Steps [N] up to this one, for the logits [N, V] of the positions asked about; new positions begin at 0."""
        now = logits.float().log_softmax(dim=-1).clamp_min(-1e4)
        before = self._log_probabilities.recall(canvas, torch.full_like(now, -1e4))
        moved = (now.exp() * (now - before)).sum(dim=-1).cpu()
        earlier = self._counts.recall(canvas, torch.zeros(len(now), dtype=torch.long))
        counts = torch.where(moved < self._bound, earlier + 1, 0)
        self._log_probabilities.store(canvas, now)
        self._counts.store(canvas, counts)
        return counts


class Credit:
    """A predictor that trusts a token more the longer it has been the best one.

    CreditDecoding (arXiv 2510.06133; decay and boost as in inclusionAI/dInfer): credit C ← 0.8 C, plus p^0.2 for the
    best token; its logits gain α log(1 + C).

    Args:
        predict: Makes the logits.
        weight: α.
    """

    def __init__(self, predict: Predictor, weight: float) -> None:
        self._predict = predict
        self._weight = weight
        self._credit = PositionMemory()

    def __call__(self, canvas: Canvas) -> Tensor:
        """Logits [N, V] of the positions asked about."""
        logits = self._predict(canvas).float()
        confidence, best = logits.softmax(dim=-1).max(dim=-1, keepdim=True)
        credit = CREDIT_DECAY * self._credit.recall(canvas, torch.zeros_like(logits))
        credit = credit.scatter_add(1, best, confidence**CREDIT_BOOST)
        self._credit.store(canvas, credit)
        return logits + self._weight * credit.log1p()
