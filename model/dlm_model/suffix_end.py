"""Where a text goes over into the suffix, found by reading the suffix after every beginning of the text.

What is written from the left knows no end of its own: to a causal guide, `len(` goes on with `string)` whether or not
that stands there already, and with more code after it. So of all middles that begin like the text written so far, the
one is sought that fits best between prefix and suffix, as the guide reads it:

    fit = w · log P(middle | prefix) + log P(beginning of the suffix | prefix, middle)

With w = 1, as InCoder (arXiv 2204.05999) ranks whole middles, short ones win: each further token costs, although it
stands for many that might have been written in its place. With w = 0 the text may wander off until the suffix follows
by chance. `TEXT_WEIGHT` is between the two.

Both terms are negative. Once the text alone fits worse than the best middle with the suffix, no longer middle can be
better, and the text is cut back to the best one: branch and bound. It is cut without being sure after `PATIENCE`
tokens, or where the canvas is full. A token that holds the end of the middle and the beginning of the suffix in one, as
`)]` may, is read as it is and cut within.
"""

from collections.abc import Callable, Sequence
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
from dlm_model.possible_ends import End, PossibleEnds, Text
from dlm_model.request import InfillRequest
from dlm_model.vocabulary import Vocabulary

TEXT_WEIGHT = 0.4
"""How much the text counts beside the suffix.

Measured on 163 fills that had gone on until the canvas was full (random spans of HumanEval-Infilling, lines of its
programs, bodies of functions of Python's library). Cut back with a weight of 0, 0.4 and 1, they left 115, 131 and 128
programs that parse, and were as similar to what stood there as 0.42, 0.42 and 0.40 (0.27 before they were cut).
"""

STRIDE = 8
"""Tokens that a text grows by before its ends are looked at again."""

PATIENCE = 32
"""Tokens after the best end from which on no better one is waited for, where the bound takes longer to say so."""

NUM_TOGETHER = 4
"""Ends that are read in one forward, the most promising first."""

MAX_FORWARDS = 2
"""Of them in one look at a text that goes on, besides the one that tells which ends are promising."""


def ends_at_suffix(request: InfillRequest, options: DecodeOptions) -> bool:
    """Whether nothing but the suffix says where the middle ends.

    Before a line break that stands there already, a hole of one line ends with the line (`ending.LineEnd`), and whoever
    knows the document says where its statements end (`request.Ending`).
    """
    is_ruled = options.grammar != "none" or options.middle_length is not None or bool(request.closing)
    is_line_left = bool(request.suffix.partition("\n")[0].strip())
    is_raw = not request.single_line and request.ending is None and bool(request.suffix)
    return not is_ruled and (is_line_left or is_raw)


class _Look(NamedTuple):
    """What one look at a text knows before it reads any end.

    Attributes:
        text: What is looked at.
        so_far: The fit of the text alone up to each of its tokens, [len + 1], in nats.
        bounds: How well the middle that ends at each end can fit at most.
    """

    text: Text
    so_far: list[float]
    bounds: dict[End, float]


class SuffixEnd:
    """Cuts the rows of one request back to where the suffix follows best.

    Args:
        reader: The guide.
        vocabulary: What the tokens spell.
        boundaries: What every row begins and ends with.
        is_late: Whether there is no time left for another forward.
    """

    def __init__(
        self, reader: CausalReader, vocabulary: Vocabulary, boundaries: Boundaries, is_late: Callable[[], bool]
    ) -> None:
        self._reader = reader
        self._possible_ends = PossibleEnds(vocabulary, boundaries)
        self._is_late = is_late
        self._looked_at: dict[int, Text] = {}
        self._num_settled: dict[int, int] = {}
        self._fits: dict[End, float] = {}

    @torch.inference_mode()
    def __call__(self, canvas: Canvas, is_cut_short: Tensor) -> Canvas:
        """The canvas after a step, each row that is over ended where it meets the suffix.

        Args:
            canvas: A row is not looked at while its boundaries are unspelled, or something is committed after a mask.
            is_cut_short: Rows [B] without room to go on. They remain so unless the text that they have is known to be
                too long.
        """
        for row, has_no_room in enumerate(is_cut_short.tolist()):
            text = self._possible_ends.text(canvas, row)
            if text is None or not self._is_due(row, text):
                continue
            look = self._look(canvas, text)
            if look and (best := self._best(canvas, look)):
                self._num_settled[row] = min(end.num_kept for end in (best, *self._rivals(look)))
                if self._is_over(look) and not _is_as_it_stands(text, best):
                    is_refused = has_no_room and not self._is_surpassed(look)
                    canvas = canvas.end(row, best.num_kept, best.added_ids, was_refused=is_refused)
        return canvas

    def num_settled(self, row: int) -> int:
        """How many positions from the left no later look will cut off."""
        return self._num_settled.get(row, 0)

    def _is_due(self, row: int, text: Text) -> bool:
        before = self._looked_at.get(row)
        num_new = len(text.token_ids) - (len(before.token_ids) if before else text.num_fixed)
        if text == before or (not text.is_complete and 0 <= num_new < STRIDE) or self._is_late():
            return False
        self._looked_at[row] = text
        return True

    def _look(self, canvas: Canvas, text: Text) -> _Look | None:
        """Find out how well a text fits, and each of its ends at most; one forward. None if it may end nowhere."""
        ends = self._possible_ends.of(text, canvas.suffix_ids.tolist())
        if not ends:
            return None
        own = [(0, column, token_id) for column, token_id in enumerate(text.token_ids)]
        next_ones = [(0, end.num_before, (*end.read_ids, 0)[end.num_before]) for end in ends]
        found = self._log_probabilities(canvas, [text.token_ids], [*own, *next_ones])
        so_far = list(accumulate((TEXT_WEIGHT * each for each in found[: len(own)]), initial=0.0))
        bounds = {}
        for end, next_one in zip(ends, found[len(own) :], strict=True):
            is_read_on = end.num_before < len(end.read_ids)
            bounds[end] = so_far[end.num_before] + (next_one if is_read_on else 0.0)
        return _Look(text, so_far, bounds)

    def _best(self, canvas: Canvas, look: _Look) -> End | None:
        """The best end of those that are read: the most promising, and all that may be better where the text is over.

        None where the time is up, or where no end is possible at all.
        """
        num_forwards = 0
        while (rivals := self._rivals(look)) and (num_forwards < MAX_FORWARDS or self._is_over(look)):
            if self._is_late():
                return None
            self._read(canvas, look, rivals[:NUM_TOGETHER])
            num_forwards += 1
        best = max(look.bounds, key=self._fit)
        return best if self._fit(best) > -torch.inf else None

    def _is_over(self, look: _Look) -> bool:
        """Whether a text ends at the best of its ends: no more of it comes, or none is waited for."""
        best = max(look.bounds, key=self._fit)
        is_waited_for = len(look.text.token_ids) - best.num_before < PATIENCE
        return look.text.is_complete or self._is_surpassed(look) or not is_waited_for

    def _is_surpassed(self, look: _Look) -> bool:
        """Whether the text alone fits worse than its best middle with the suffix, so that every longer one does."""
        return look.so_far[-1] < max(map(self._fit, look.bounds))

    def _fit(self, end: End) -> float:
        """In nats; -inf while the end is not read."""
        return self._fits.get(end, -torch.inf)

    def _rivals(self, look: _Look) -> list[End]:
        """Ends that are not read yet and may be better than those that are, the most promising first."""
        best = max(map(self._fit, look.bounds))
        unread = [end for end, bound in look.bounds.items() if end not in self._fits and bound > best]
        return sorted(unread, key=look.bounds.__getitem__, reverse=True)

    def _read(self, canvas: Canvas, look: _Look, ends: Sequence[End]) -> None:
        """Find out how well the suffix follows some ends; one forward."""
        suffixes = [
            [(row, column, token_id) for column, token_id in enumerate(end.read_ids) if column >= end.num_before]
            for row, end in enumerate(ends)
        ]
        found = iter(self._log_probabilities(canvas, [end.read_ids for end in ends], list(chain(*suffixes))))
        for end, suffix in zip(ends, suffixes, strict=True):
            self._fits[end] = look.so_far[end.num_before] + sum(islice(found, len(suffix)))

    def _log_probabilities(
        self, canvas: Canvas, rows: Sequence[Sequence[int]], asked: Sequence[tuple[int, int, int]]
    ) -> list[float]:
        """How the guide expects tokens after what stands left of them, in nats; one forward, one transfer.

        Args:
            canvas: Holds the prefix.
            rows: Texts after it.
            asked: Row, column, and a token that may stand there; a column may be the one after the text's end.

        Returns:
            One for each that is asked; 0 for a token that the guide does not know, and has no say in.
        """
        token_ids = pad_sequence([torch.tensor([*row, 0]) for row in rows], batch_first=True)
        asked_rows, columns, wanted_ids = torch.tensor(asked).unbind(dim=1)
        is_asked = torch.zeros(token_ids.shape, dtype=torch.bool).index_put((asked_rows, columns), torch.tensor(True))
        logits = self._reader.logits(canvas.prefix_ids, token_ids, is_asked).float()
        places = (is_asked.flatten().cumsum(dim=0) - 1).view_as(is_asked)[asked_rows, columns]
        is_known = wanted_ids < logits.shape[1]
        places, wanted_ids = send(places, logits.device), send(wanted_ids * is_known, logits.device)
        found = logits[places, wanted_ids] - logits.logsumexp(dim=1)[places]
        found_list: list[float] = found.cpu().masked_fill(~is_known, 0.0).tolist()
        return found_list


def _is_as_it_stands(text: Text, end: End) -> bool:
    """Whether nothing changes where a text ends so."""
    return text.rest_ids is not None and text.token_ids + text.rest_ids == (
        *text.token_ids[: end.num_kept],
        *end.added_ids,
    )
