"""Where a middle ends: what only the place that it will stand in can say.

In a hole of one line, a line break that may not stand there is a way of saying that nothing more does. A model that
expects the line to be over says so with its delete token or its end of text and, as every language model does, with a
line break. Merely ruling the line breaks out would hand their probability to whatever comes next, and the line would
run on.

In a hole of several lines, whoever makes the request knows that a block is left, or the suffix begun again. What is
masked behind that would be filled in vain.

A model that writes block by block knows no length beforehand: it goes on until it writes its end of text.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dlm_model.block_causal import BlockPipeline
from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.vocabulary import Vocabulary


class LineEnd:
    """Adds the probability of all line breaks to that of the model's own end, wherever the line is not empty any more.

    Before that, a line break is only a blank line above the one that is asked for.

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

    def fold(self, logits: Tensor, canvas: Canvas) -> Tensor:
        """Logits [N, V] of the positions that the canvas asks about, with that sum at the model's own end."""
        columns = 1 + torch.arange(canvas.is_masked.shape[1])
        is_written, is_broken = (
            canvas.is_committed & tokens[canvas.token_ids] for tokens in (self._is_visible, self._has_line_break)
        )
        last_written = (columns * is_written).cummax(dim=1).values
        last_broken = (columns * (is_broken & ~is_written)).cummax(dim=1).values
        is_begun = (last_written > last_broken) | (self._is_begun & (last_broken == 0))
        is_begun = send(is_begun[canvas.is_asked], logits.device)
        self._ends = send(self._ends, logits.device)
        ends = logits[:, self._ends].logsumexp(dim=-1)
        folded = logits.clone()
        folded[:, self._end] = torch.where(is_begun, ends, logits[:, self._end])
        return folded


class TextEnd:
    """Gives up what is masked behind a middle that is over.

    Args:
        vocabulary: What the tokens spell.
        is_over: Whether nothing that follows this beginning of a middle would be kept.
    """

    def __init__(self, vocabulary: Vocabulary, is_over: Callable[[str], bool]) -> None:
        self._vocabulary = vocabulary
        self._is_over = is_over
        self._last_read: dict[int, tuple[str, bool]] = {}

    def cut(self, canvas: Canvas, head: bytes, protected: Tensor) -> Canvas:
        """The canvas with the rows that are over cut off at their first mask, if nothing is committed behind it.

        What is committed stays: a draft has shown it as something that no later step changes.

        Args:
            canvas: After a step.
            head: What every row begins with and the document has already.
            protected: [B, T], masks that stay whatever stands left of them.
        """
        is_behind = canvas.is_valid & (canvas.is_masked.cumsum(dim=1) > 0)
        is_needed = is_behind & ~(canvas.is_masked & ~protected)
        is_over = torch.tensor([self._reads_over(canvas, row, head) for row in range(len(canvas.lengths))])
        surplus = is_behind & (is_over & ~is_needed.any(dim=1))[:, None]
        return canvas.remove(surplus) if surplus.any() else canvas

    def _reads_over(self, canvas: Canvas, row: int, head: bytes) -> bool:
        masks = canvas.is_masked[row].nonzero()
        if not len(masks):
            return False
        token_ids = canvas.token_ids[row, : int(masks[0])].tolist()
        text = b"".join(self._vocabulary.token_bytes[token_id] for token_id in token_ids)[len(head) :].decode(
            errors="ignore"
        )
        if self._last_read.get(row, ("",))[0] != text:
            self._last_read[row] = (text, self._is_over(text))
        return bool(text) and self._last_read[row][1]


class OpenEnd:
    """Lets a text that is written block by block go on, a block at a time, until its end of text is committed.

    That token stays as a row's last, as what is remembered of the row; it spells nothing.

    Args:
        end_token_ids: Each ends the text.
        blocks: Say when the next block begins.
        max_length: Rows of this length do not grow.
    """

    def __init__(self, end_token_ids: Sequence[int], blocks: BlockPipeline, max_length: int) -> None:
        self._end_token_ids = torch.tensor(end_token_ids)
        self._blocks = blocks
        self._max_length = max_length

    def ban(self, logits: Tensor, canvas: Canvas) -> Tensor:
        """Logits [N, V] of the positions that the canvas asks about, with no end before a token that is committed.

        A draft has shown that as something that no later step changes.
        """
        num_ahead = canvas.is_committed.flip(1).cumsum(dim=1).flip(1)
        rows = send((num_ahead > 0)[canvas.is_asked].nonzero(), logits.device)
        logits[rows, send(self._end_token_ids, logits.device)] = -torch.inf
        return logits

    def cut(self, canvas: Canvas) -> Canvas:
        """The canvas after a step without what stands behind the first end of each row."""
        is_end = self.is_end(canvas)
        is_behind = is_end.cumsum(dim=1) - is_end.long() > 0
        return canvas.remove(is_behind) if (is_behind & canvas.is_valid).any() else canvas

    def grow(self, canvas: Canvas) -> Canvas:
        """The canvas with the next block of every row that goes on."""
        goes_on = ~self.is_end(canvas).any(dim=1)
        missing = self._blocks.num_missing(canvas) * goes_on
        granted = missing.minimum((self._max_length - canvas.lengths).clamp_min(0))
        is_refused = (missing > granted) & (granted == 0)
        canvas = replace(canvas, was_refused=canvas.was_refused | is_refused)
        return canvas.extend(granted) if granted.any() else canvas

    def refuse(self, canvas: Canvas) -> Canvas:
        """The canvas after the last step without what `grow` would have had filled."""
        is_unfilled = canvas.is_masked.any(dim=1)
        return replace(canvas.remove(canvas.is_masked), was_refused=canvas.was_refused | is_unfilled)

    def is_end(self, canvas: Canvas) -> Tensor:
        """Committed ends of text, [B, T]."""
        return canvas.is_committed & torch.isin(canvas.token_ids, self._end_token_ids)
