"""The denoise loop: the heart of the product. It knows token ids and probabilities, and nothing of text.

forward → logits at the masked positions → guess → commit → resize → the next canvas
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.constraint import Constraint
from dlm_model.request import CancelToken, DecodeOptions
from dlm_model.schedule import Pace, choose
from dlm_model.selection import guess_tokens

Predictor = Callable[[Canvas], Tensor]
"""One forward pass: canvas → logits [N, V] of its N masked positions, row by row."""


def denoise(
    canvas: Canvas,
    predict: Predictor,
    constraint: Constraint,
    options: DecodeOptions,
    *,
    temperature: Tensor,
    pace: Pace,
    cancel: CancelToken,
) -> Iterator[Canvas]:
    """Fill every mask of a canvas; yields the canvas after each step, and the caller may stop after any.

    Ends when nothing is masked, the deadline has passed or the token is cancelled; the canvas then still holds a guess
    for every mask. Each step commits at least one position of every unfinished row, the last one all that are left, so
    that `num_steps` is a bound. `temperature` is per row, [B].
    """
    generator = torch.Generator().manual_seed(options.seed)
    while canvas.is_masked.any() and not cancel.is_cancelled and not pace.is_over:
        steps_left = pace.steps_left
        rules = constraint.rules(canvas, is_last=steps_left == 1)
        logits = constraint.limit(predict(canvas), canvas, rules)
        rows = canvas.is_masked.nonzero()[:, 0]
        guess = guess_tokens(
            logits, temperature[rows], top_p=options.top_p, selection=options.selection, generator=generator
        ).spread(canvas.is_masked)
        chosen = choose(guess, canvas.is_masked & ~rules.is_locked, steps_left, options) | rules.is_urgent
        canvas = constraint.resize(canvas.guess(guess.predicted_ids, guess.confidence).commit(chosen))
        pace.advance()
        yield canvas
