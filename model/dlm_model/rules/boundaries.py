"""Where typed text and canvas meet inside a token: the prompt backs up, and the model respells the fragment.

A cursor is mostly inside a token, and the model has never seen a prompt whose last token is half a word. So the
unfinished word left of the hole (the *head*) and the begun word right of it (the *tail*) are moved from the prompt into
the canvas, as masks. One rule holds: the canvas spells text that begins with the head's bytes and ends with the tail's.
Autoregressive decoders call this token healing; here it works on both sides, and for masks filled in any order.

The rule never excludes the true text, because the fragments' own tokens are always an allowed spelling. Each side keeps
a position of its own, so a word whose halves join again is spelled in two pieces.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary

MAX_FRAGMENT_BYTES = 32
"""Upper bound on the bytes of a fragment. Of a longer run (a ruler of dashes, deep indentation) only the last tokens
are backed up over, at least one: every byte of a fragment may hold back one canvas position until the fragment is
respelled."""


class Fragment(NamedTuple):
    """Bytes that the canvas must respell, and the number of prompt tokens that they were."""

    spelling: bytes
    num_tokens: int


class Frontier(NamedTuple):
    """How far a fragment has been respelled: the canvas position that comes next, and the bytes still to be spelled."""

    position: int
    remaining: bytes


def split_prefix(tokenizer: Tokenizer, prefix: str) -> tuple[list[int], Fragment]:
    """Token ids of the prefix without its last word, and that word as the head."""
    encoding = tokenizer.encode(prefix)
    start = num_tokens = len(encoding.ids)
    size = 0
    while start > 0 and encoding.word_ids[start - 1] == encoding.word_ids[num_tokens - 1]:
        size += len(tokenizer.token_bytes[encoding.ids[start - 1]])
        if size > MAX_FRAGMENT_BYTES and start < num_tokens:
            break
        start -= 1
    return encoding.ids[:start], Fragment(tokenizer.spell(encoding.ids[start:]), num_tokens - start)


def split_suffix(tokenizer: Tokenizer, suffix: str) -> tuple[list[int], Fragment]:
    """Token ids of the suffix without its first word, and that word as the tail.

    A line break always begins a word of its own, so a suffix that starts with one is left alone.
    """
    encoding = tokenizer.encode(suffix)
    end = size = 0
    if suffix[:1] not in ("", "\n"):
        while end < len(encoding.ids) and encoding.word_ids[end] == encoding.word_ids[0]:
            size += len(tokenizer.token_bytes[encoding.ids[end]])
            if size > MAX_FRAGMENT_BYTES and end > 0:
                break
            end += 1
    return encoding.ids[end:], Fragment(tokenizer.spell(encoding.ids[:end]), end)


def split_nothing(tokenizer: Tokenizer, text: str) -> tuple[list[int], Fragment]:
    """Token ids of a whole text, from which the canvas takes nothing over."""
    return tokenizer.encode(text).ids, Fragment(b"", 0)


class Boundaries:
    """The text that every row begins with (`head`) and ends with (`tail`), and the tokens that may spell it."""

    def __init__(self, vocabulary: Vocabulary, head: bytes, tail: bytes) -> None:
        self.head, self.tail = head, tail
        self._vocabulary = vocabulary

    def middle(self, token_ids: Iterable[int]) -> bytes:
        """What a row's first tokens add to the document, which has the head already."""
        return self._vocabulary.spell(token_ids)[len(self.head) :]

    def text(self, canvas: Canvas, row: int, num_columns: int) -> str:
        """What the first columns of a row add to the document, without a character that is incomplete."""
        return self.middle(canvas.token_ids[row, :num_columns].tolist()).decode(errors="ignore")

    def frontiers(self, canvas: Canvas, row: int) -> tuple[Frontier, Frontier]:
        """How far a row has respelled the head, and the tail."""
        length = int(canvas.lengths[row])
        ids, masked = canvas.token_ids[row, :length].tolist(), canvas.is_masked[row, :length].tolist()
        return self._head_frontier(ids, masked), self._tail_frontier(ids, masked)

    def spelled(self, canvas: Canvas) -> Tensor:
        """Positions [B, T] that spell the head or the tail, as far as they are spelled yet."""
        is_spelled = torch.zeros_like(canvas.is_valid)
        for row in range(len(canvas.lengths)):
            head, tail = self.frontiers(canvas, row)
            is_spelled[row, : head.position] = True
            is_spelled[row, tail.position + 1 :] = True
        return is_spelled & canvas.is_valid

    def _head_frontier(self, token_ids: Sequence[int], is_masked: Sequence[bool]) -> Frontier:
        """Walk one row's committed tokens from the left until the head is spelled or a mask is met."""
        position, remaining = 0, self.head
        while remaining and position < len(token_ids) and not is_masked[position]:
            remaining = remaining[len(self._vocabulary.token_bytes[token_ids[position]]) :]
            position += 1
        return Frontier(position, remaining)

    def _tail_frontier(self, token_ids: Sequence[int], is_masked: Sequence[bool]) -> Frontier:
        """Walk one row's committed tokens from the right until the tail is spelled or a mask is met."""
        position, remaining = len(token_ids) - 1, self.tail
        while remaining and position >= 0 and not is_masked[position]:
            remaining = remaining[: max(0, len(remaining) - len(self._vocabulary.token_bytes[token_ids[position]]))]
            position -= 1
        return Frontier(position, remaining)

    def head_tokens(self, remaining: bytes, room: int) -> list[int]:
        """Tokens that spell the start of `remaining`, or all of it and more; see `Spellings.compatible`."""
        return self._vocabulary.beginnings.compatible(remaining, room)

    def tail_tokens(self, remaining: bytes, room: int) -> list[int]:
        """Tokens that spell the end of `remaining`, or all of it and more before it."""
        return self._vocabulary.endings.compatible(remaining[::-1], room)


def frontier_columns(head: Frontier, tail: Frontier) -> list[int]:
    """Columns where the next piece of each unspelled boundary may stand."""
    # With less room than a position for every byte, the two could take it from each other: the tail waits.
    is_tight = tail.position + 1 - head.position < len(head.remaining) + len(tail.remaining)
    columns = [head.position] if head.remaining else []
    return columns + ([tail.position] if tail.remaining and not (head.remaining and is_tight) else [])


def hold_frontiers(
    limited: Tensor, logits: Tensor, canvas: Canvas, frontier_tokens: Mapping[tuple[int, int], Sequence[int]]
) -> None:
    """Let each frontier take its own tokens, whatever is banned elsewhere, and no others; changes `limited` in place.

    Args:
        limited: [N, V], logits of the positions that the canvas asks about, -inf for what other rules have banned.
        logits: [N, V], before those rules.
        canvas: Before the step.
        frontier_tokens: For one masked (row, column) at least, the tokens that may stand there.
    """
    rows, columns = torch.tensor(list(frontier_tokens)).unbind(dim=1)
    order = canvas.is_asked.flatten().cumsum(0).view_as(canvas.is_asked) - 1
    places = send(order[rows, columns], logits.device)
    is_out = torch.ones(len(rows), logits.shape[1], dtype=torch.bool)
    for tokens, is_out_here in zip(frontier_tokens.values(), is_out, strict=True):
        is_out_here[tokens] = False
    allowed = logits[places].masked_fill(send(is_out, logits.device), -torch.inf)
    # A boundary needs a token, if need be one that was rejected.
    best = allowed.masked_fill(~limited[places].isfinite(), -torch.inf)
    limited[places] = torch.where(best.isfinite().any(dim=1, keepdim=True), best, allowed)
