"""Where a middle ends. Which of three classes decides it depends on the hole and on the model.

LineEnd   In a hole of one line: a line break that may not stand there means that nothing more does. A model that
          expects the line to be over says so with its delete token or its end of text and, as every language model
          does, with a line break. Merely ruling the line breaks out would hand their probability to whatever comes
          next, and the line would run on.
TextEnd   Where the document is known (`request.Ending`): once a block has been left, or the suffix begun again,
          what is masked after it would be filled in vain. A canvas that is full in the middle of a statement gets
          more masks, where a model that finds the length by itself has asked for too few.
OpenEnd   For a model that writes block by block and knows no length beforehand: it goes on until it writes its end
          of text.

If text follows on the line, or nothing else decides, a guide also finds the end that leads best to the suffix:
`guides.suffix_end`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.request import Ending
from dlm_model.rules.anchor_order import AnchorOrder
from dlm_model.rules.block_pipeline import BlockPipeline
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary

NUM_MORE = 8
"""Masks that a row gets when it is full in the middle of a statement."""

MOST_TIMES_MORE = 4
"""How often a row gets more masks; a text without an end by then is a loop."""

MAX_REMEMBERED = 64
"""How many judgements are cached: those of the rows' texts, which seldom all change at once."""


class LineEnd:
    """Adds the probability of all line breaks to that of the model's own end, once the line is not empty.

    Before that, a line break is only a blank line above the requested one.

    Args:
        vocabulary: What the tokens spell.
        end_token_id: The model's delete token, or its end of text.
        is_begun: Whether the prefix has something on the hole's line.
    """

    def __init__(self, vocabulary: Vocabulary, end_token_id: int, *, is_begun: bool) -> None:
        self._end = end_token_id
        self._ends = torch.cat((vocabulary.has_line_break.nonzero()[:, 0], torch.tensor([end_token_id])))
        self._is_visible, self._has_line_break = vocabulary.is_visible, vocabulary.has_line_break
        self._is_begun = is_begun

    def fold(self, logits: Tensor, canvas: Canvas, positions: Tensor | None = None) -> Tensor:
        """The logits [N, V] with all line breaks' probability added to the own end's, wherever a line has begun.

        Args:
            logits: Of N positions, row by row.
            canvas: Holds the written part of each line.
            positions: [B, T], which they are; None for those that the canvas asks about.
        """
        columns = 1 + torch.arange(canvas.is_masked.shape[1])
        is_written, is_broken = (
            canvas.is_committed & tokens[canvas.token_ids] for tokens in (self._is_visible, self._has_line_break)
        )
        last_written = (columns * is_written).cummax(dim=1).values
        last_broken = (columns * (is_broken & ~is_written)).cummax(dim=1).values
        is_begun = (last_written > last_broken) | (self._is_begun & (last_broken == 0))
        is_begun = send(is_begun[canvas.is_asked if positions is None else positions], logits.device)
        self._ends = send(self._ends, logits.device)
        ends = logits[:, self._ends].logsumexp(dim=-1)
        folded = logits.clone()
        folded[:, self._end] = torch.where(is_begun, ends, logits[:, self._end])
        return folded


class TextEnd:
    """Drops the masks after a middle that is over, and gives more to one that may not end yet.

    Attributes:
        anchors: Takes back what ends a middle before an anchor.

    Args:
        ending: Says where the middle may end, and where it does.
        boundaries: The text that every row begins and ends with, and that the document already has.
        max_length: Rows of this length do not grow.
    """

    def __init__(self, ending: Ending, boundaries: Boundaries, max_length: int) -> None:
        self._is_over = lru_cache(maxsize=MAX_REMEMBERED)(ending.is_over)
        self._may_end = lru_cache(maxsize=MAX_REMEMBERED)(ending.may_end)
        self.anchors = AnchorOrder(self._is_over, self._may_end, boundaries)
        self._boundaries = boundaries
        self._max_length = max_length
        self._grown_after: defaultdict[int, list[str]] = defaultdict(list)  # row → its texts then

    def cut(self, canvas: Canvas, protected: Tensor) -> Canvas:
        """The canvas with finished rows cut off at their first mask, if nothing is committed after it.

        Committed tokens stay, because a draft has shown them as final.

        Args:
            canvas: After a step.
            protected: [B, T], masks that stay whatever stands left of them.
        """
        is_behind = canvas.is_valid & (canvas.is_masked.cumsum(dim=1) > 0)
        is_needed = is_behind & ~(canvas.is_masked & ~protected)
        surplus = is_behind & (self.is_over(canvas) & ~is_needed.any(dim=1))[:, None]
        return canvas.remove(surplus) if surplus.any() else canvas

    def is_over(self, canvas: Canvas) -> Tensor:
        """Rows [B] whose text left of their first mask is over."""
        return torch.tensor([self._reads_over(canvas, row) for row in range(len(canvas.lengths))])

    def grow(self, canvas: Canvas) -> Canvas:
        """The canvas with a few more masks in every row that is full and may not end so.

        A row does not grow if it ends with a boundary or an anchor, if it has not used all its masks, or if it was
        given more often enough. Of rows that are arranged around anchors, none grows once one is whole.
        """
        if canvas.is_anchored.any() and any(self.anchors.is_whole(canvas, row) for row in range(len(canvas.lengths))):
            return canvas
        missing = torch.zeros_like(canvas.lengths)
        for row in range(len(canvas.lengths)):
            if not self._is_full(canvas, row):
                continue
            text = self._boundaries.text(canvas, row, int(canvas.lengths[row]))
            if self._takes_more(row, text):
                self._grown_after[row].append(text)
                missing[row] = NUM_MORE
        if not missing.any():
            return canvas
        granted = missing.minimum((self._max_length - canvas.lengths).clamp_min(0))
        canvas = replace(canvas, lacked_room=canvas.lacked_room | (missing > granted))
        return canvas.extend(granted) if granted.any() else canvas

    def _reads_over(self, canvas: Canvas, row: int) -> bool:
        masks = canvas.is_masked[row].nonzero()
        text = self._boundaries.text(canvas, row, int(masks[0]) if len(masks) else int(canvas.lengths[row]))
        return bool(text) and self._is_over(text)

    def _is_full(self, canvas: Canvas, row: int) -> bool:
        """Whether a row has used all its masks, and nothing stands at its end that must stand there."""
        length = int(canvas.lengths[row])
        if not length or canvas.is_masked[row].any():
            return False
        return not canvas.is_anchored[row, length - 1] and not self._boundaries.tail

    def _takes_more(self, row: int, text: str) -> bool:
        """Whether a full row of this text may not end so, and more masks have not been tried in vain."""
        tried = self._grown_after[row]
        if len(tried) == MOST_TIMES_MORE or text in tried:
            return False
        return not self._is_over(text) and not self._may_end(text)


class OpenEnd:
    """Extends a text that is written block by block, a block at a time, until its end of text is committed.

    That token stays as the last of its row, to mark the end; it spells nothing.

    Args:
        end_token_ids: Each ends the text.
        blocks: Say when the next block begins.
        max_length: Rows of this length do not grow.
    """

    def __init__(self, end_token_ids: Sequence[int], blocks: BlockPipeline, max_length: int) -> None:
        self._end_token_ids = torch.tensor(end_token_ids)
        self._blocks = blocks
        self._max_length = max_length

    def without_early_end(self, logits: Tensor, canvas: Canvas) -> Tensor:
        """The logits [N, V] of the positions that the canvas asks about, -inf for an end before a committed token.

        A draft has shown the committed token as final.
        """
        num_ahead = canvas.is_committed.flip(1).cumsum(dim=1).flip(1)
        rows = send((num_ahead > 0)[canvas.is_asked].nonzero(), logits.device)
        end_ids = send(self._end_token_ids, logits.device)
        return logits.index_put((rows, end_ids), logits.new_full((), -torch.inf))

    def cut(self, canvas: Canvas) -> Canvas:
        """The canvas after a step, without the positions after the first end of each row."""
        is_end = self.is_end(canvas)
        is_behind = is_end.cumsum(dim=1) - is_end.long() > 0
        return canvas.remove(is_behind) if (is_behind & canvas.is_valid).any() else canvas

    def grow(self, canvas: Canvas) -> Canvas:
        """The canvas with the next block of every row that goes on."""
        goes_on = ~self.is_end(canvas).any(dim=1)
        missing = self._blocks.num_missing(canvas) * goes_on
        granted = missing.minimum((self._max_length - canvas.lengths).clamp_min(0))
        lacks_room = (missing > granted) & (granted == 0)
        canvas = replace(canvas, lacked_room=canvas.lacked_room | lacks_room)
        return canvas.extend(granted) if granted.any() else canvas

    def drop_unfilled(self, canvas: Canvas) -> Canvas:
        """The canvas after the last step, without the masks that `grow` opened; rows that had some lacked room."""
        is_unfilled = canvas.is_masked.any(dim=1)
        return replace(canvas.remove(canvas.is_masked), lacked_room=canvas.lacked_room | is_unfilled)

    def is_end(self, canvas: Canvas) -> Tensor:
        """Committed ends of text, [B, T]."""
        return canvas.is_committed & torch.isin(canvas.token_ids, self._end_token_ids)
