"""Canvas, Canvas, … → `Draft`, `Draft`, …: what the caller sees of a request, step by step."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decoding import Decoding, Prepared
from dlm_model.device import device_errors
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, Draft, FinishReason
from dlm_model.rules.length import suitability


def drafts_of(
    steps: Iterator[Canvas], ready: Prepared, decoding: Decoding, *, pace: Pace, cancel: CancelToken
) -> Iterator[Draft]:
    """One draft of the canvas after each step, and one more of the last canvas, with all candidates.

    Args:
        steps: The canvas after each denoise step; the next step is taken when the next draft is asked for.
        ready: The request that is filled.
        decoding: Takes the steps.
        pace: Counts them.
        cancel: Says whether the request was cancelled.

    Raises:
        DeviceError: the device runs out of memory in a step, or fails.
    """
    reader, constraint = ready.reader, ready.constraint
    latest, shown, suits = ready.canvas, None, None
    with device_errors():
        for latest in steps:
            # Keep showing the row that looked best first: a draft should sharpen, not jump between candidates.
            if shown is None:
                suits = None if constraint.is_resizing else suitability(latest, ready.rows)
                shown = reader.rank(latest, suits=suits)[0]
            yield _draft(latest, shown, ready, decoding, pace)
        finished = latest if cancel.is_cancelled else constraint.cut_off(latest)
        is_late = cancel.is_cancelled or pace.is_over
        likelihoods = None if is_late else decoding.log_likelihoods(finished)
        order = reader.rank(finished, likelihoods, constraint.flaws(finished), suits)
    reasons = finish_reasons(latest, constraint.is_cut_short(latest), is_cancelled=cancel.is_cancelled)
    last = _draft(finished, order[0], ready, decoding, pace)
    yield replace(
        last,
        num_final=len(last.pieces),
        finish_reason=reasons[order[0]],
        candidates=reader.candidates(finished, order, reasons, ready.options.num_candidates),
    )


def _draft(canvas: Canvas, row: int, ready: Prepared, decoding: Decoding, pace: Pace) -> Draft:
    """What a row reads after the last step that the pace has counted."""
    return Draft(
        pieces=ready.reader.pieces(canvas, row),
        step=pace.step,
        num_steps=ready.options.num_steps,
        num_forwards=ready.num_forwards + decoding.num_forwards,
        elapsed_ms=pace.elapsed_ms,
        num_final=decoding.num_final(canvas, row),
        is_resizing=ready.constraint.is_resizing,
    )


def finish_reasons(canvas: Canvas, is_cut_short: Tensor, *, is_cancelled: bool) -> list[FinishReason]:
    """Why each row ended.

    Args:
        canvas: The last one. A row with masks was stopped early.
        is_cut_short: Rows [B] that had no room to go on.
        is_cancelled: Whether rows that stopped early were stopped by the caller, and not by the deadline.
    """

    def reason(has_masks: bool, is_short: bool) -> FinishReason:
        if has_masks:
            return "cancelled" if is_cancelled else "deadline"
        return "length" if is_short else "stop"

    return list(map(reason, canvas.is_masked.any(dim=1).tolist(), is_cut_short.tolist()))
