"""Rows whose text ends before an anchor: what ends it is taken back, and a row that cannot be mended is ranked last."""

from collections.abc import Callable

import torch

from dlm_model.canvas import Canvas
from dlm_model.rules.boundaries import Boundaries


class AnchorOrder:
    """Keeps a row's text from ending before an anchor.

    Args:
        is_over: Whether nothing that follows this text would be kept.
        may_end: Whether a middle may end after this text.
        boundaries: The text that every row begins and ends with, and that the document already has.
    """

    def __init__(self, is_over: Callable[[str], bool], may_end: Callable[[str], bool], boundaries: Boundaries) -> None:
        self._is_over, self._may_end = is_over, may_end
        self._boundaries = boundaries

    def lead_to_anchor(self, canvas: Canvas, *, limit: int) -> Canvas:
        """Take back whatever ends a row's text before its next anchor.

        The token that ends the text is rejected, and everything written after it is reopened. If a full row breaks off
        before an anchor that is a line, its last lines are removed.

        Args:
            canvas: After a step.
            limit: How many positions of a row may be taken back at most.
        """
        if not canvas.is_anchored.any():
            return canvas
        ending, behind, unfinished = (torch.zeros_like(canvas.is_masked) for _ in range(3))
        for row in range(len(canvas.lengths)):
            if (found := self._passed_by(canvas, row)) is not None:
                column, next_anchor = found
                ending[row, column] = True
                behind[row, column + 1 : next_anchor] = True
            else:
                unfinished[row, self._unfinished(canvas, row)] = True
        canvas = canvas.reject(ending, limit=limit).reopen(behind, limit=limit)
        return canvas.remove(unfinished) if unfinished.any() else canvas

    def flaws(self, canvas: Canvas) -> list[int]:
        """For rows [B]: 0 if whole, 1 if the text may not end so, 2 if it passes an anchor by."""
        is_passed = (self._passed_by(canvas, row) is not None for row in range(len(canvas.lengths)))
        return [2 if passed else int(not self.is_whole(canvas, row)) for row, passed in enumerate(is_passed)]

    def is_whole(self, canvas: Canvas, row: int) -> bool:
        """Whether a full row passes no anchor by, and may end so."""
        if canvas.is_masked[row].any() or self._passed_by(canvas, row) is not None:
            return False
        return self._may_end(self._boundaries.text(canvas, row, int(canvas.lengths[row])))

    def _passed_by(self, canvas: Canvas, row: int) -> tuple[int, int] | None:
        """The column of a row that ends its text before an anchor, and where that anchor begins."""
        masks, anchored = canvas.is_masked[row].tolist(), canvas.is_anchored[row].tolist()
        starts = [column for column, here in enumerate(anchored) if here and not (column and anchored[column - 1])]
        written = masks.index(True) if True in masks else len(masks)
        start = next((start for start in starts if start > written), starts[-1] if starts else 0)
        end = next((column for column in range(start, len(anchored)) if not anchored[column]), len(anchored))
        # Not the last character: an anchor may itself end the text.
        anchor = self._boundaries.text(canvas, row, end)[len(self._boundaries.text(canvas, row, start)) : -1]
        written = min(written, start)
        if not anchor or not self._is_over(self._boundaries.text(canvas, row, written) + anchor):
            return None
        for column in range(written):
            if self._is_over(self._boundaries.text(canvas, row, column + 1) + anchor):
                return None if anchored[column] else (column, start)
        return None

    def _unfinished(self, canvas: Canvas, row: int) -> slice:
        """Columns to leave out of a full row that breaks off before its last anchor, if that is a line.

        They are whole lines, as few as it takes until the row may end so; none where no number of them is enough.
        """
        anchored = canvas.is_anchored[row].tolist()
        if canvas.is_masked[row].any() or True not in anchored:
            return slice(0)
        end = len(anchored) - anchored[::-1].index(True)
        start = end - next((size for size, here in enumerate(anchored[:end][::-1]) if not here), end)
        text, before = (self._boundaries.text(canvas, row, size) for size in (int(canvas.lengths[row]), start))
        behind = text[len(before) :]
        if not behind.startswith("\n") or self._may_end(text):
            return slice(0)
        for column in range(start - 1, 0, -1):
            if anchored[column]:
                break
            shorter = self._boundaries.text(canvas, row, column)
            if before[len(shorter) :].startswith("\n") and shorter.strip() and self._may_end(shorter + behind):
                return slice(column, start)
        return slice(0)
