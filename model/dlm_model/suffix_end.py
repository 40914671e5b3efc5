"""Where a text goes over into the suffix, found by reading the suffix after every beginning of the text.

What is written from the left knows no end of its own: to a causal guide, `len(` goes on with `string)` whether or not
that stands there already, and with more code after it. So of all middles that begin like the text written so far, the
one is sought that is likeliest between prefix and suffix: log P(middle, beginning of the suffix | prefix), as the guide
reads it. InCoder (arXiv 2204.05999) ranks whole middles by that sum; here it ranks the places where one text may end.

A text is never likelier than its beginning. Once the text alone is less likely than the best middle with the suffix,
no longer middle can be likelier either, and the text is cut back to the best one that was read: branch and bound. It is
cut without being sure after `PATIENCE` tokens, or where the canvas is full. A token that holds the end of the middle
and the beginning of the suffix in one, as `)]` may, is read as it is and cut within.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dlm_model.boundaries import Boundaries
from dlm_model.canvas import Canvas
from dlm_model.causal_reader import CausalReader
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.request import InfillRequest
from dlm_model.vocabulary import Vocabulary

NUM_READ_TOKENS = 12
"""Tokens of the suffix that are read, its first word included."""

STRIDE = 8
"""Tokens that a text grows by before its ends are looked at again."""

PATIENCE = 32
"""Tokens after the best end from which on no better one is waited for, where the bound takes longer to say so."""

NUM_TOGETHER = 4
"""Ends that are read in one forward, the most promising first."""

MAX_FORWARDS = 2
"""Of them in one look, besides the one that tells which ends are promising."""


def ends_at_suffix(request: InfillRequest, options: DecodeOptions) -> bool:
    """Whether nothing but the suffix says where the middle ends.

    Before a line break that stands there already, a hole of one line ends with the line (`ending.LineEnd`), and whoever
    knows the document says where its statements end (`request.Ending`).
    """
    is_ruled = options.grammar != "none" or options.middle_length is not None or bool(request.closing)
    is_line_left = bool(request.suffix.partition("\n")[0].strip())
    is_raw = not request.single_line and request.ending is None and bool(request.suffix)
    return not is_ruled and (is_line_left or is_raw)


class _Text(NamedTuple):
    """A row's text from its left end to its first mask, or to the tail.

    Attributes:
        token_ids: As committed.
        first_end: Columns that every middle keeps: those that spell the head, or that must be kept.
        rest_ids: What stands after it if nothing is masked any more; None while something is.
        length: Of the whole row.
    """

    token_ids: list[int]
    first_end: int
    rest_ids: list[int] | None
    length: int


class _End(NamedTuple):
    """One place where a text may end.

    Attributes:
        num_kept: Columns that stay as they are.
        added_ids: What stands after them up to the end of the row.
        read_ids: The text up to there and the suffix's tokens, as they are read.
        num_before: How many of these are the text's own.
    """

    num_kept: int
    added_ids: tuple[int, ...]
    read_ids: tuple[int, ...]
    num_before: int


class SuffixEnd:
    """Cuts the rows of one request back to where the suffix follows best.

    Args:
        reader: The guide.
        vocabulary: What the tokens spell.
        boundaries: What every row begins and ends with.
    """

    def __init__(self, reader: CausalReader, vocabulary: Vocabulary, boundaries: Boundaries) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._boundaries = boundaries
        self._tail_ids = _spelled_shortest(vocabulary, boundaries.tail)
        self._looked_at: dict[int, _Text] = {}
        self._num_settled: dict[int, int] = {}
        self._likelihoods: dict[_End, float] = {}

    @torch.inference_mode()
    def __call__(self, canvas: Canvas) -> Canvas:
        """The canvas after a step, each row that is over ended where it meets the suffix.

        A row is not looked at while its boundaries are unspelled, or while something is committed after its first mask.
        """
        for row in range(len(canvas.lengths)):
            text = self._text(canvas, row)
            if text is not None and self._is_due(row, text) and (end := self._end(canvas, row, text)):
                canvas = canvas.end(row, end.num_kept, end.added_ids)
        return canvas

    def num_settled(self, row: int) -> int:
        """How many positions from the left no later look will cut off."""
        return self._num_settled.get(row, 0)

    def _text(self, canvas: Canvas, row: int) -> _Text | None:
        length = int(canvas.lengths[row])
        ids, masked = canvas.token_ids[row, :length].tolist(), canvas.is_masked[row, :length].tolist()
        head, tail = self._boundaries.head_frontier(ids, masked), self._boundaries.tail_frontier(ids, masked)
        tail_start = tail.position + 1
        if head.remaining or tail.remaining or tail_start < head.position:
            return None
        written = next((column for column in range(tail_start) if masked[column]), tail_start)
        if not all(masked[written:tail_start]):
            return None
        kept = canvas.is_kept[row, :written].nonzero()
        first_end = max(head.position, int(kept[-1]) + 1 if len(kept) else 0)
        return _Text(ids[:written], first_end, ids[tail_start:] if written == tail_start else None, length)

    def _is_due(self, row: int, text: _Text) -> bool:
        before = self._looked_at.get(row)
        num_new = len(text.token_ids) - (len(before.token_ids) if before else text.first_end)
        if text == before or (text.rest_ids is None and 0 <= num_new < STRIDE):
            return False
        self._looked_at[row] = text
        return True

    def _end(self, canvas: Canvas, row: int, text: _Text) -> _End | None:
        """Where a text ends; None if it may go on, or ends as it stands."""
        ends = list(self._ends(canvas, text))
        if not ends:
            return None
        so_far, bounds = self._bounds(canvas, text, ends)
        for _ in range(MAX_FORWARDS):
            if rivals := self._rivals(bounds):
                self._read(canvas, rivals[:NUM_TOGETHER], so_far)
        best = max(ends, key=self._likelihood)
        self._num_settled[row] = min(end.num_kept for end in (best, *self._rivals(bounds)))
        is_late = len(text.token_ids) - best.num_before >= PATIENCE
        is_over = text.rest_ids is not None or so_far[-1] < self._likelihood(best) or is_late
        ended = [*text.token_ids[: best.num_kept], *best.added_ids]
        is_as_it_stands = text.rest_ids is not None and ended == text.token_ids + text.rest_ids
        return best if is_over and not is_as_it_stands and self._likelihood(best) > -torch.inf else None

    def _likelihood(self, end: _End) -> float:
        """Of middle and suffix, in nats; -inf while it is not read."""
        return self._likelihoods.get(end, -torch.inf)

    def _bounds(self, canvas: Canvas, text: _Text, ends: Sequence[_End]) -> tuple[list[float], dict[_End, float]]:
        """How likely the text is up to each of its tokens, and therefore each end at most, in nats."""
        expected = self._expected(canvas, [text.token_ids], starts=[0])
        length = len(text.token_ids)
        next_ids = [(*end.read_ids, 0)[end.num_before] for end in ends]
        places = [*range(length), *(end.num_before for end in ends)]
        found = _picked(expected, places, [*text.token_ids, *next_ids])
        so_far = [0.0, *accumulate(found[:length])]
        bounds = {}
        for end, next_one in zip(ends, found[length:], strict=True):
            is_read_on = end.num_before < len(end.read_ids)
            bounds[end] = so_far[end.num_before] + (next_one if is_read_on else 0.0)
        return so_far, bounds

    def _rivals(self, bounds: Mapping[_End, float]) -> list[_End]:
        """Ends that are not read yet and may be likelier than those that are, the most promising first."""
        best = max(map(self._likelihood, bounds))
        unread = [end for end, bound in bounds.items() if end not in self._likelihoods and bound > best]
        return sorted(unread, key=bounds.__getitem__, reverse=True)

    def _read(self, canvas: Canvas, ends: Sequence[_End], so_far: Sequence[float]) -> None:
        """Find out how likely some ends are; one forward."""
        expected = self._expected(canvas, [end.read_ids for end in ends], [end.num_before for end in ends])
        suffixes = [end.read_ids[end.num_before :] for end in ends]
        starts = accumulate((len(suffix) + 1 for suffix in suffixes), initial=0)
        places = [
            start + index for start, suffix in zip(starts, suffixes, strict=False) for index in range(len(suffix))
        ]
        found = iter(_picked(expected, places, list(chain.from_iterable(suffixes))))
        for end, suffix in zip(ends, suffixes, strict=True):
            self._likelihoods[end] = so_far[end.num_before] + sum(islice(found, len(suffix)))

    def _expected(self, canvas: Canvas, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> Tensor:
        """What the guide expects from a start of each row up to the place after its end: log-probabilities [N, V]."""
        token_ids = pad_sequence([torch.tensor([*row, 0]) for row in rows], batch_first=True)
        columns, lengths = torch.arange(token_ids.shape[1]), torch.tensor([len(row) for row in rows])
        is_asked = (columns >= torch.tensor(starts)[:, None]) & (columns <= lengths[:, None])
        return self._reader.logits(canvas.prefix_ids, token_ids, is_asked).float().log_softmax(dim=-1)

    def _ends(self, canvas: Canvas, text: _Text) -> Iterator[_End]:
        """Every end that leaves something visible in the hole: between two tokens, within one, as the row stands."""
        spelling_of, tail_ids, own_ids = self._vocabulary.token_bytes, self._tail_ids, tuple(text.token_ids)
        num_read = max(0, NUM_READ_TOKENS - len(tail_ids))
        suffix_ids = tuple(each for each in canvas.suffix_ids[:num_read].tolist() if spelling_of[each])
        following = (*tail_ids, *suffix_ids)
        follows = b"".join(spelling_of[token_id] for token_id in following)
        middle = b"".join(spelling_of[each] for each in own_ids[: text.first_end])[len(self._boundaries.head) :]
        for column, token_id in enumerate(own_ids[text.first_end :], text.first_end):
            spelling, room = spelling_of[token_id], text.length - column - len(tail_ids)
            if _is_shown(middle) and room >= 0:
                yield _End(column, tail_ids, own_ids[:column] + following, column)
            for size in range(1, len(spelling) if room > 0 else 0):
                exact, shared = self._vocabulary.beginnings.exact(spelling[:size]), spelling[size:]
                if exact and _is_shown(middle + spelling[:size]) and follows.startswith(shared):
                    read_ids = own_ids[: column + 1] + self._without(following, len(shared))
                    yield _End(column, (exact[0], *tail_ids), read_ids, column + 1)
            middle += spelling
        if _is_shown(middle) and text.length >= len(own_ids) + len(tail_ids):
            yield _End(len(own_ids), tail_ids, own_ids + following, len(own_ids))
        if text.rest_ids is not None and tuple(text.rest_ids) != tail_ids:
            rest_ids = tuple(text.rest_ids)
            yield _End(len(own_ids), rest_ids, own_ids + rest_ids + suffix_ids, len(own_ids))

    def _without(self, token_ids: Sequence[int], num_bytes: int) -> tuple[int, ...]:
        """Tokens without their first bytes; one that is cut within is spelled anew."""
        for index, token_id in enumerate(token_ids):
            spelling = self._vocabulary.token_bytes[token_id]
            if num_bytes < len(spelling):
                return (*_spelled_shortest(self._vocabulary, spelling[num_bytes:]), *token_ids[index + 1 :])
            num_bytes -= len(spelling)
        return ()


def _is_shown(middle: bytes) -> bool:
    """Whether a middle has something to see, and ends with a whole character: a token may end within one."""
    try:
        return bool(middle.decode().strip())
    except UnicodeDecodeError as error:
        return error.end < len(middle)


def _picked(expected: Tensor, positions: Sequence[int], token_ids: Sequence[int]) -> list[float]:
    """One log-probability of each position, in one transfer; that of a token that the guide does not know is -inf."""
    columns = torch.tensor(list(token_ids), dtype=torch.long)
    is_known = columns < expected.shape[1]
    rows = torch.tensor(list(positions), dtype=torch.long)
    found = expected[send(rows, expected.device), send(columns * is_known, expected.device)].cpu()
    picked: list[float] = found.masked_fill(~is_known, -torch.inf).tolist()
    return picked


def _spelled_shortest(vocabulary: Vocabulary, text: bytes) -> tuple[int, ...]:
    return tuple(vocabulary.beginnings.exact(piece)[0] for piece in vocabulary.beginnings.shortest(text))
