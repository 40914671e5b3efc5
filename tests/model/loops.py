"""The loop on a canvas of its own, with a byte-level vocabulary and predictors whose opinion is known."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan
from dlm_model.decoding import Decoding
from dlm_model.denoise import denoise
from dlm_model.network.config import ModelConfig
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint
from dlm_model.steps.revision import Reviser
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary
from tests.model.tiny_checkpoints import RESIZING, SHAPE, VOCAB_SIZE, byte_level_tokenizer

TOKENIZER = Tokenizer(byte_level_tokenizer(), VOCAB_SIZE)
VOCABULARY = Vocabulary(TOKENIZER.token_bytes)
CONFIG = ModelConfig.from_dict({"model_type": "llama", "rms_norm_eps": 1e-6, "dlm": RESIZING} | SHAPE)
EXPAND, DELETE, MASK = (int(RESIZING[f"{name}_token_id"]) for name in ("expand", "delete", "mask"))


class RandomPredictor:
    """Logits without meaning, from its own seed; prefers ordinary tokens, resizing ones included."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, canvas: Canvas) -> Tensor:
        return 4 * torch.randn(int(canvas.is_masked.sum()), VOCAB_SIZE, generator=self._generator)


class Oracle:
    """Logits that know which token stands at which position of each row, as long as nothing resizes."""

    def __init__(self, truth: list[int]) -> None:
        self._truth = torch.tensor(truth)

    def __call__(self, canvas: Canvas) -> Tensor:
        columns = canvas.is_masked.nonzero()[:, 1]
        logits = torch.zeros(len(columns), VOCAB_SIZE)
        logits[torch.arange(len(columns)), self._truth[columns]] = 20.0
        return logits


def run(
    canvas: Canvas,
    predict: object,
    options: DecodePlan,
    boundaries: Boundaries | None = None,
    *,
    is_resizing: bool = False,
    max_length: int = 48,
    revisers: Sequence[Reviser] = (),
    **asked: object,
) -> Iterator[Canvas]:
    boundaries = boundaries or Boundaries(VOCABULARY, b"", b"")
    request = InfillRequest("", "", **asked)  # type: ignore[arg-type]
    constraint = Constraint(CONFIG, VOCABULARY, boundaries, request, max_length=max_length, is_resizing=is_resizing)
    return denoise(
        canvas,
        decoding(canvas, predict, temperature=options.temperature, revisers=revisers),
        constraint,
        options,
        pace=Pace(options),
        cancel=CancelToken(),
    )


def decoding(canvas: Canvas, predict: Any, *, temperature: float = 0.0, **parts: Any) -> Decoding:  # noqa: ANN401
    """Of a predictor that remembers nothing, with the same temperature for all rows."""
    return Decoding(cache=predict, predict=predict, temperature=torch.full(canvas.lengths.shape, temperature), **parts)


def open_canvas(*lengths: int) -> Canvas:
    return Canvas.open([0], [], lengths, MASK)


def commit(canvas: Canvas, positions: Tensor, token_id: int = 7) -> Canvas:
    """Put a token at these positions."""
    return canvas.guess(torch.full_like(canvas.token_ids, token_id), torch.ones(positions.shape)).commit(positions)
