"""Revision by syntax: a finished draft that does not parse is reopened where it breaks, and filled again.

The engine knows no grammar: the request brings a `SyntaxChecker` along. Both tries and revisions are bounded.
"""

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import SyntaxChecker
from dlm_model.row_reader import RowReader


class SyntaxRepair:
    """Rejects the tokens at the syntax errors of rows that have no masks left.

    Unlike a `revision.Reviser` it runs after rows are resized, since only then does a row have its final text.

    Args:
        checker: Finds the errors.
        reader: Reads rows as text.
        options: Limit the tries per row, and the revisions.
    """

    def __init__(self, checker: SyntaxChecker, reader: RowReader, options: DecodeOptions) -> None:
        self._checker = checker
        self._reader = reader
        self._options = options
        self._num_tries: dict[int, int] = {}

    def __call__(self, canvas: Canvas, is_fixed: Tensor) -> Canvas:
        """Check every finished row that has tries left; positions `is_fixed` [B, T] stay."""
        is_broken = torch.zeros_like(canvas.is_masked)
        for row in (~canvas.is_masked.any(dim=1)).nonzero().flatten().tolist():
            if self._num_tries.get(row, 0) < self._options.syntax_tries:
                is_broken[row, self._broken_columns(canvas, row)] = True
                self._num_tries[row] = self._num_tries.get(row, 0) + 1
        return canvas.reject(is_broken & ~is_fixed, limit=self._options.max_revisions)

    def _broken_columns(self, canvas: Canvas, row: int) -> list[int]:
        spellings = self._reader.spellings(canvas, row)
        # Surrogates stand for bytes that are not UTF-8, so that character offsets still lead back to byte offsets.
        text = b"".join(spellings).decode("utf-8", "surrogateescape")
        ranges = [(len(_encoded(text[:start])), len(_encoded(text[:end]))) for start, end in self._checker.errors(text)]
        columns, offset = [], 0
        for column, spelling in enumerate(spellings):
            end = offset + len(spelling)
            # An error about missing text is empty: it counts against the token at its place.
            if spelling and any(start < end and offset < max(stop, start + 1) for start, stop in ranges):
                columns.append(column)
            offset = end
        return columns


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
