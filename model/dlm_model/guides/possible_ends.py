"""Where a text may end before a suffix: between two of its tokens, within one, or as its row stands."""

import codecs
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from dlm_model.canvas import Canvas
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary

NUM_READ_TOKENS = 12
"""Tokens of the suffix that an end is judged by, its first word included."""


class Text(NamedTuple):
    """A row's text from its left end to its first mask, or to the tail.

    Attributes:
        token_ids: As committed.
        num_fixed: Columns that every middle keeps: those that spell the head, or that must be kept.
        rest_ids: What stands after it if nothing is masked any more; None while something is.
        length: Positions of the whole row.
        num_filled: Columns that are not masked: the text's own, and those that spell the tail.
    """

    token_ids: tuple[int, ...]
    num_fixed: int
    rest_ids: tuple[int, ...] | None
    length: int
    num_filled: int

    @property
    def is_complete(self) -> bool:
        """Whether the whole row is filled, so that no more of the text will come."""
        return self.rest_ids is not None


class End(NamedTuple):
    """One place where a text may end.

    Attributes:
        num_kept: Columns, from the left, that stay as they are.
        added_ids: Tokens that follow them, up to the end of the row.
        read_ids: What a guide reads to judge this end: the text up to it, then the beginning of the suffix.
        num_before: How many of these are the text's own.
        middle: What the row adds to the document then.
    """

    num_kept: int
    added_ids: tuple[int, ...]
    read_ids: tuple[int, ...]
    num_before: int
    middle: bytes

    @property
    def following(self) -> tuple[int, ...]:
        """What is read of the suffix; nothing where the text's last token holds it all."""
        return self.read_ids[self.num_before :]


class PossibleEnds:
    """Finds the ends of one request's texts.

    Args:
        vocabulary: What the tokens spell.
        boundaries: What every row begins and ends with.
    """

    def __init__(self, vocabulary: Vocabulary, boundaries: Boundaries) -> None:
        self._vocabulary = vocabulary
        self._boundaries = boundaries
        self._tail_ids = self._spelled(boundaries.tail)

    def text(self, canvas: Canvas, row: int) -> Text | None:
        """What is written of a row; None while a boundary is unspelled, or something is committed after a mask."""
        length = int(canvas.lengths[row])
        ids, masked = canvas.token_ids[row, :length].tolist(), canvas.is_masked[row, :length].tolist()
        head, tail = self._boundaries.frontiers(canvas, row)
        tail_start = tail.position + 1
        if head.remaining or tail.remaining or tail_start < head.position:
            return None
        written = next((column for column in range(tail_start) if masked[column]), tail_start)
        if not all(masked[written:tail_start]):
            return None
        anchored = canvas.is_anchored[row, :written].nonzero()
        num_fixed = max(head.position, int(anchored[-1]) + 1 if len(anchored) else 0)
        rest_ids = tuple(ids[tail_start:]) if written == tail_start else None
        num_filled = written + length - tail_start
        return Text(tuple(ids[:written]), num_fixed, rest_ids, length=length, num_filled=num_filled)

    def of(self, text: Text, suffix_ids: Sequence[int]) -> list[End]:
        """Every place where the text may end, plus the row as it stands.

        The text must leave something visible in the hole and split no character. Before a suffix that begins with a
        line break, it ends where one of its lines does.
        """
        spelling_of = self._vocabulary.token_bytes
        num_read = max(0, NUM_READ_TOKENS - len(self._tail_ids))
        suffix_ids = tuple(each for each in suffix_ids[:num_read] if spelling_of[each])
        following = (*self._tail_ids, *suffix_ids)
        spelled = (self._between_tokens(text, following), self._within_tokens(text, following))
        ends = [end for end in chain(*spelled) if _is_shown(end.middle)]
        if text.rest_ids not in {None, self._tail_ids}:  # a token spells the tail and something before it
            read_ids = (*text.token_ids, *text.rest_ids, *suffix_ids)
            middle = self._boundaries.middle(text.token_ids + text.rest_ids).removesuffix(self._boundaries.tail)
            ends.append(End(len(text.token_ids), text.rest_ids, read_ids, len(text.token_ids), middle))
        return ends

    def _between_tokens(self, text: Text, following: tuple[int, ...]) -> Iterator[End]:
        spelled, is_line_over = (
            self._boundaries.middle(text.token_ids),
            self._vocabulary.spell(following).startswith(b"\n"),
        )
        for column, middle in enumerate(self._middles(text)[text.num_fixed :], text.num_fixed):
            goes_on = spelled[len(middle) :]
            may_end = not is_line_over or goes_on.startswith(b"\n") or (not goes_on and text.is_complete)
            if may_end and column + len(self._tail_ids) <= text.length:
                yield End(column, self._tail_ids, text.token_ids[:column] + following, column, middle)

    def _within_tokens(self, text: Text, following: tuple[int, ...]) -> Iterator[End]:
        """Ends within a token that holds the beginning of the suffix, too, as `)]` may."""
        follows = self._vocabulary.spell(following)
        for column, middle in enumerate(self._middles(text)[text.num_fixed : -1], text.num_fixed):
            if column + len(self._tail_ids) >= text.length:
                return
            token = self._vocabulary.token_bytes[text.token_ids[column]]
            for size in range(1, len(token)):
                part, shared = self._vocabulary.beginnings.exact(token[:size]), token[size:]
                if part and follows.startswith(shared):
                    read_ids = text.token_ids[: column + 1] + self._without(following, len(shared))
                    added_ids = (part[0], *self._tail_ids)
                    yield End(column, added_ids, read_ids, column + 1, middle + token[:size])

    def _middles(self, text: Text) -> list[bytes]:
        """What the first columns of a text add to the document: of none, of one, …, of all."""
        spellings = [self._vocabulary.token_bytes[token_id] for token_id in text.token_ids]
        return [spelled[len(self._boundaries.head) :] for spelled in accumulate(spellings, initial=b"")]

    def _without(self, token_ids: Sequence[int], num_bytes: int) -> tuple[int, ...]:
        """Tokens without their first bytes; one that is cut within is spelled anew."""
        for index, token_id in enumerate(token_ids):
            spelling = self._vocabulary.token_bytes[token_id]
            if num_bytes < len(spelling):
                return (*self._spelled(spelling[num_bytes:]), *token_ids[index + 1 :])
            num_bytes -= len(spelling)
        return ()

    def _spelled(self, text: bytes) -> tuple[int, ...]:
        """A text in the fewest tokens."""
        beginnings = self._vocabulary.beginnings
        return tuple(beginnings.exact(piece)[0] for piece in beginnings.shortest(text))


def _is_shown(middle: bytes) -> bool:
    """Whether a middle has something to see, and ends with a whole character: a token may end within one."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    is_visible, (unfinished, _) = bool(decoder.decode(middle).strip()), decoder.getstate()
    return is_visible and not unfinished
