"""Where a middle ends: what only the place that it will stand in can say.

In a hole of one line, a line break that may not stand there is a way of saying that nothing more does. A model that
expects the line to be over says so with its delete token and, as every language model does, with a line break. Merely
ruling the line breaks out would hand their probability to whatever comes next, and the line would run on.

In a hole of several lines, whoever makes the request knows that a block is left, or the suffix begun again. What is
masked behind that would be filled in vain.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.vocabulary import Vocabulary


class LineEnd:
    """Adds the probability of all line breaks to the delete token's, wherever the line has something on it already.

    Before that, a line break is only a blank line above the one that is asked for.

    Args:
        vocabulary: What the tokens spell.
        delete_token_id: The model's.
        is_begun: Whether the prefix has something on the hole's line.
    """

    def __init__(self, vocabulary: Vocabulary, delete_token_id: int, *, is_begun: bool) -> None:
        self._delete = delete_token_id
        self._ends = torch.cat((vocabulary.has_line_break.nonzero()[:, 0], torch.tensor([delete_token_id])))
        self._is_visible, self._has_line_break = vocabulary.is_visible, vocabulary.has_line_break
        self._is_begun = is_begun

    def fold(self, logits: Tensor, canvas: Canvas) -> Tensor:
        """Logits [N, V] of the positions that the canvas asks about, with that sum at the delete token."""
        columns = 1 + torch.arange(canvas.is_masked.shape[1])
        is_written, is_broken = (
            canvas.is_committed & tokens[canvas.token_ids] for tokens in (self._is_visible, self._has_line_break)
        )
        last_written = (columns * is_written).cummax(dim=1).values
        last_broken = (columns * (is_broken & ~is_written)).cummax(dim=1).values
        is_begun = (last_written > last_broken) | (self._is_begun & (last_broken == 0))
        is_begun = is_begun[canvas.is_asked].to(logits.device)
        self._ends = self._ends.to(logits.device)
        ends = logits[:, self._ends].logsumexp(dim=-1)
        folded = logits.clone()
        folded[:, self._delete] = torch.where(is_begun, ends, logits[:, self._delete])
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
