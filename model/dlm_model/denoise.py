"""The denoise loop: the heart of the product. It knows token ids and probabilities, and nothing of text.

forward → logits at the positions asked about → guess → commit → revise → resize → check → the next canvas

Decoding methods (listed in `dlm_model.methods`) are objects handed in: predictors wrap one another, judges and revisers
run one after another, and the schedule decides what a step commits.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.constraint import Constraint
from dlm_model.request import CancelToken, DecodeOptions
from dlm_model.revision import Reviser, Step
from dlm_model.schedule import Pace, choose
from dlm_model.selection import Guess, guess_tokens
from dlm_model.syntax import SyntaxGuide

Predictor = Callable[[Canvas], Tensor]
"""One forward pass: canvas → logits [N, V] of the N positions it asks about, row by row."""

Judge = Callable[[Canvas, Tensor, Guess], Guess]
"""Canvas, logits and guess [N] → the guess, scored anew or with what earlier steps knew of its positions."""


def denoise(
    canvas: Canvas,
    predict: Predictor,
    constraint: Constraint,
    options: DecodeOptions,
    *,
    temperature: Tensor,
    pace: Pace,
    cancel: CancelToken,
    revisers: Sequence[Reviser] = (),
    judges: Sequence[Judge] = (),
    syntax: SyntaxGuide | None = None,
) -> Iterator[Canvas]:
    """Fill every mask of a canvas; yields the canvas after each step, and the caller may stop after any.

    Ends when nothing is masked, the deadline has passed or the token is cancelled; masks left then hold their guess.
    Each step commits at least one position of every unfinished row, the last all. `temperature` is per row, [B].
    """
    generator = torch.Generator().manual_seed(options.seed)
    while canvas.is_masked.any() and not cancel.is_cancelled and not pace.is_over:
        steps_left = pace.steps_left
        rules = constraint.rules(canvas, is_last=steps_left == 1)
        logits = constraint.limit(predict(canvas), canvas, rules)
        asked = canvas.is_asked
        warmth = temperature[asked.nonzero()[:, 0]]
        guess = guess_tokens(logits, warmth, canvas.as_draft().token_ids[asked], options, generator)
        for judge in judges:
            guess = judge(canvas, logits, guess)
        guess = guess.spread(asked)
        chosen = choose(guess, rules.turn(canvas.is_masked), steps_left, options) | rules.is_urgent
        canvas = canvas.guess(guess.predicted_ids, guess.confidence).commit(chosen)
        if revisers and steps_left > 1:
            step = Step(guess, canvas.is_reviewed, chosen, constraint.fixed(canvas), steps_left - 1)
            for revise in revisers:
                canvas = revise(canvas, step)
        canvas = constraint.resize(canvas, is_last=steps_left == 1)
        if syntax and steps_left > 1:
            canvas = syntax(canvas, constraint.fixed(canvas))
        pace.advance()
        yield canvas
