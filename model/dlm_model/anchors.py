"""Fixed text inside the hole: canvas positions that are committed before the first step (ICE, arXiv 2508.10736).

    masks | keep[0] | masks | keep[1] | masks | closing

The masks are shared out evenly. A model that resizes finds how many each part needs; any other fills what it is given.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dlm_model.boundaries import Fragment
from dlm_model.canvas import Canvas
from dlm_model.request import InfillRequest
from dlm_model.tokenizer import Tokenizer


class AnchorTokens(NamedTuple):
    """Token ids of the kept texts, in order, and of the closing one."""

    keep: tuple[list[int], ...]
    closing: list[int]

    @classmethod
    def of(cls, request: InfillRequest, tokenizer: Tokenizer) -> "AnchorTokens":
        """Tokenise each text on its own."""
        return cls(tuple(tokenizer.encode(text).ids for text in request.keep), tokenizer.encode(request.closing).ids)

    @property
    def num_tokens(self) -> int:
        """Positions that they take."""
        return sum(map(len, self.keep)) + len(self.closing)

    @property
    def num_parts(self) -> int:
        """Runs of masks between them, each of which should have one mask at least."""
        return len(self.keep) + 1

    def place(self, canvas: Canvas, num_masks: Sequence[int], head: Fragment, tail: Fragment) -> Canvas:
        """Put them into a canvas that has room for them, for its masks [B], and for the fragments at both ends."""
        for row, masks in enumerate(num_masks):
            column = head.num_tokens
            for part, token_ids in enumerate((*self.keep, self.closing)):
                column += masks // self.num_parts + (part < masks % self.num_parts)
                canvas = canvas.anchor(row, range(column, column + len(token_ids)), token_ids)
                column += len(token_ids)
            assert column + tail.num_tokens == canvas.lengths[row], "every position is accounted for"
        return canvas
