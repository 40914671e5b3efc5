"""The denoise loop: the heart of the product. It knows token ids and probabilities, and nothing of text.

This is one step, on a canvas of B candidates with up to T positions each. It asks the network about N positions: all
masks, and the committed positions that are reviewed.

    predict   one forward pass: logits [N, V], of which the constraint rules tokens out
    guess     a token for each position, and a score to rank it by; judges may change both
    choose    positions to commit: as many of the best-scored as it takes to be done in time, and all that are certain
    commit    their guesses become tokens of the canvas
    revise    tokens that look wrong by now are reopened or replaced
    resize    a row that turns out too long or too short for its text shrinks or grows
    end       a row is cut back to where the suffix follows best

A decoding method (`dlm_model.methods` lists them) is an object in the `Decoding`, or an option of `guess_tokens` or
`choose`; the loop is the same for all.
"""

from collections.abc import Iterator

import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodePlan
from dlm_model.decoding import Decoding
from dlm_model.pace import Pace
from dlm_model.request import CancelToken
from dlm_model.rules.constraint import Constraint
from dlm_model.steps.revision import Step
from dlm_model.steps.schedule import choose
from dlm_model.steps.selection import guess_tokens


def denoise(
    canvas: Canvas,
    decoding: Decoding,
    constraint: Constraint,
    options: DecodePlan,
    *,
    pace: Pace,
    cancel: CancelToken,
) -> Iterator[Canvas]:
    """Fill every mask of a canvas; yields the canvas after each step, and the caller may stop after any.

    Ends when nothing is masked or under review, when the deadline has passed, or when the caller cancels. In the last
    two cases, the remaining masks keep their guesses.
    Each step commits at least one position of every unfinished row, and the last step commits them all.

    Args:
        canvas: What to fill, one candidate per row.
        decoding: Predicts, judges, revises and ends the rows.
        constraint: Says which tokens may stand where, and which rows have to grow or shrink.
        options: The schedule, the selection, the seed.
        pace: Says how many steps are left, by number or by the clock.
        cancel: Polled once per step.
    """
    generator = torch.Generator().manual_seed(options.seed)
    while _has_work(canvas, pace) and not cancel.is_cancelled and not pace.is_over:
        steps_left = pace.steps_left
        is_last = steps_left == 1
        rules = constraint.rules(canvas, is_last=is_last)
        logits = constraint.limit(decoding.predict(canvas), canvas, rules)

        is_asked = canvas.is_asked
        current_ids = canvas.as_draft().token_ids[is_asked]
        row_of_each = is_asked.nonzero()[:, 0]
        guess = guess_tokens(logits, decoding.temperature[row_of_each], current_ids, options, generator)
        for judge in decoding.judges:
            logits, guess = judge(canvas, logits, guess)
        guess = guess.spread(is_asked)  # from [N] to [B, T]

        filled = 0.0 if options.early_commit is None else constraint.filled(canvas)
        chosen = choose(guess, rules.eligibility, steps_left, options, filled) | rules.is_urgent
        canvas = canvas.guess(guess.predicted_ids, guess.confidence).commit(chosen)

        if decoding.revisers and not is_last:
            step = Step(guess, canvas.is_reviewed, chosen, constraint.fixed(canvas), rules.eligibility.is_open)
            for revise in decoding.revisers:
                canvas = revise(canvas, step)
        canvas = constraint.resize(canvas, is_last=is_last)
        if decoding.suffix_end:
            canvas = decoding.suffix_end(canvas, constraint.is_cut_short(canvas))
        if decoding.syntax and not is_last:
            canvas = decoding.syntax(canvas, constraint.fixed(canvas))
        pace.advance()
        yield canvas


def _has_work(canvas: Canvas, pace: Pace) -> bool:
    """Whether a step has anything to do: masks to fill, or a review to end that some step has begun.

    The last step revises nothing. An earlier draft that is kept whole is not reviewed.
    """
    is_review_due = pace.step > 0 and pace.steps_left > 1 and bool(canvas.is_reviewed.any())
    return bool(canvas.is_masked.any()) or is_review_due
