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


class Drafts:
    """Makes the drafts of one request from its canvases.

    Args:
        ready: The request, prepared.
        decoding: What decodes it.
        pace: Counts its steps.
        cancel: Whether nobody wants it any more.
    """

    def __init__(self, ready: Prepared, decoding: Decoding, pace: Pace, cancel: CancelToken) -> None:
        self._ready, self._decoding, self._pace, self._cancel = ready, decoding, pace, cancel

    def of(self, steps: Iterator[Canvas]) -> Iterator[Draft]:
        """One draft of the canvas after each step, and one more of the last canvas, with all candidates."""
        reader, constraint = self._ready.reader, self._ready.constraint
        latest, shown, suits = self._ready.canvas, None, None
        with device_errors():
            for latest in steps:
                # Keep showing the row that looked best first: a draft should sharpen, not jump between candidates.
                if shown is None:
                    suits = None if constraint.is_resizing else suitability(latest, self._ready.rows)
                    shown = reader.rank(latest, suits=suits)[0]
                yield self._after_step(latest, shown)
            finished = latest if self._cancel.is_cancelled else constraint.cut_off(latest)
            is_late = self._cancel.is_cancelled or self._pace.is_over
            likelihoods = None if is_late else self._decoding.log_likelihoods(finished)
            order = reader.rank(finished, likelihoods, constraint.flaws(finished), suits)
        is_cut_short = constraint.is_cut_short(latest)
        yield self._final(finished, order, finish_reasons(latest, is_cut_short, is_cancelled=self._cancel.is_cancelled))

    def _after_step(self, canvas: Canvas, row: int) -> Draft:
        return Draft(
            pieces=self._ready.reader.pieces(canvas, row),
            step=self._pace.step,
            num_steps=self._ready.options.num_steps,
            num_forwards=self._ready.num_forwards + self._decoding.num_forwards,
            elapsed_ms=self._pace.elapsed_ms,
            num_final=self._decoding.num_final(row),
            is_resizing=self._ready.constraint.is_resizing,
        )

    def _final(self, canvas: Canvas, order: list[int], reasons: list[FinishReason]) -> Draft:
        return replace(
            self._after_step(canvas, order[0]),
            num_final=None,
            finish_reason=reasons[order[0]],
            candidates=self._ready.reader.candidates(canvas, order, reasons, self._ready.options.num_candidates),
        )


def finish_reasons(canvas: Canvas, is_cut_short: Tensor, *, is_cancelled: bool) -> list[FinishReason]:
    """Why each row ended.

    Args:
        canvas: The last one. A row with masks was stopped early.
        is_cut_short: Rows [B] that had no room to go on.
        is_cancelled: Whether the caller stopped what was stopped early, and not the deadline.
    """

    def reason(has_masks: bool, is_short: bool) -> FinishReason:
        if has_masks:
            return "cancelled" if is_cancelled else "deadline"
        return "length" if is_short else "stop"

    return list(map(reason, canvas.is_masked.any(dim=1).tolist(), is_cut_short.tolist()))
