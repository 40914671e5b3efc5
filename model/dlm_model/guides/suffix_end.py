"""Where a text goes over into the suffix, found by reading the suffix after every beginning of the text.

Text written from the left does not know where to end. A causal guide continues `len(` with `string)` and more code,
even if `string)` follows already. So of all middles that begin like the text so far, the search takes the one that the
guide finds to fit best between prefix and suffix:

    fit = w · log P(middle | prefix) + log P(beginning of the suffix | prefix, middle) − cost of a syntax error

With w = 1, as InCoder (arXiv 2204.05999) ranks whole middles, short ones win: every further token costs, though it
stands for many that might have come instead. With w = 0 the text may wander off until the suffix follows by chance.
`TEXT_WEIGHT` is between the two.

All terms are negative. Once the text alone fits worse than the best middle with the suffix, a longer middle cannot be
better, and the text is cut back to the best one: branch and bound. Text that the guide expects costs little, so the
search more often ends because no better end comes for `PATIENCE` tokens, or the canvas is full. A token such as `)]`
may hold the end of the middle and the beginning of the suffix; it is read whole and cut inside.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, count, islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.device import send
from dlm_model.guides.causal_reader import CausalReader, Reading
from dlm_model.guides.possible_ends import End, PossibleEnds, Text
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest, SyntaxChecker
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary

TEXT_WEIGHT = 0.4
"""Weight of the text against the suffix.

Measured on 163 fills that had gone on until the canvas was full (random spans of HumanEval-Infilling, lines of its
programs, bodies of functions of Python's library). Cut back with a weight of 0, 0.4 and 1, they left 115, 131 and 128
programs that parse, and were as similar to what stood there as 0.42, 0.42 and 0.40 (0.27 before they were cut).
"""

SYNTAX_ERROR_COST = 10.0
"""Cost of a middle that adds a syntax error to its document, in nats; 0 if nobody checks."""

STRIDE = 8
"""Tokens by which a text grows before its ends are looked at again."""

PATIENCE = 24
"""Tokens past the best end to wait for a better one, unless the bound rules one out before.

Of the same fills, 12, 16, 24 and 32 left 129, 132, 131 and 131 programs that parse, after 25, 29, 33 and 36 tokens.
Decoded anew, five of 82 random spans parse with 24 and 32 alone: the statement after the best end so far was needed.
"""

NUM_TOGETHER = 4
"""Ends that are read in one forward, the most promising first."""

MAX_FORWARDS = 2
"""Forwards in one look at a text that goes on, not counting the one that finds the promising ends."""


def ends_at_suffix(request: InfillRequest, options: DecodeOptions) -> bool:
    """Whether nothing but the suffix says where the middle ends.

    If a line break follows, a hole of one line ends with the line (`ending.LineEnd`). A caller that knows the document
    says where its statements end (`request.Ending`).
    """
    is_ruled = options.grammar != "none" or options.middle_length is not None or bool(request.closing)
    is_line_left = bool(request.suffix.partition("\n")[0].strip())
    is_raw = not request.single_line and request.ending is None and bool(request.suffix)
    return not is_ruled and (is_line_left or is_raw)


class _Look(NamedTuple):
    """What one look at a text has found before it reads any end.

    Attributes:
        text: What is looked at.
        so_far: The fit of the text alone up to each of its tokens, [len + 1], in nats.
        bounds: Upper bound on the fit of the middle with each end, if it adds no syntax error.
        reading: The text as the guide has read it, so that only the rest is read for each end.
    """

    text: Text
    so_far: list[float]
    bounds: dict[End, float]
    reading: Reading


class SuffixEnd:
    """Cuts the rows of one request back to where the suffix follows best.

    Args:
        guide: Reads the texts and the suffix.
        vocabulary: The bytes of each token.
        boundaries: The text that every row begins and ends with.
        pace: Once it is late, only complete rows are looked at, and only the most promising of their ends are read.
        cancel: Polled before each forward but the first two of a look.
        syntax: Knows which middles add a syntax error; None if nobody does.
    """

    def __init__(
        self,
        guide: CausalReader,
        vocabulary: Vocabulary,
        boundaries: Boundaries,
        *,
        pace: Pace,
        cancel: CancelToken,
        syntax: SyntaxChecker | None,
    ) -> None:
        self._guide = guide
        self._syntax = syntax
        self._possible_ends = PossibleEnds(vocabulary, boundaries)
        self._pace = pace
        self._cancel = cancel
        self._looked_at: dict[int, Text] = {}
        self._num_settled: dict[int, int] = {}
        self._fits: dict[End, float] = {}
        self._costs: dict[bytes, float] = {}

    @torch.inference_mode()
    def __call__(self, canvas: Canvas, is_cut_short: Tensor) -> Canvas:
        """The canvas after a step, with each finished row cut back to where it meets the suffix.

        Args:
            canvas: A row is not looked at while its boundaries are unspelled, or something is committed after a mask.
            is_cut_short: Rows [B] without room to go on. They remain so unless the text that they have is known to be
                too long.
        """
        with self._pace.reserved():
            for row, has_no_room in enumerate(is_cut_short.tolist()):
                text = self._possible_ends.text(canvas, row)
                if text is not None and self._is_due(row, text) and not self._cancel.is_cancelled:
                    canvas = self._ended(canvas, row, text, has_no_room=has_no_room)
                    self._looked_at[row] = self._possible_ends.text(canvas, row) or text
        return canvas

    def num_settled(self, row: int) -> int:
        """Positions from the left that no later look will cut off."""
        return self._num_settled.get(row, 0)

    def _is_due(self, row: int, text: Text) -> bool:
        before = self._looked_at.get(row)
        if text.is_complete:
            return text != before
        num_new = len(text.token_ids) - (len(before.token_ids) if before else text.num_fixed)
        return not 0 <= num_new < STRIDE and not self._pace.is_late

    def _ended(self, canvas: Canvas, row: int, text: Text, *, has_no_room: bool) -> Canvas:
        """The canvas with a row ended at the best of its ends, if its text is over."""
        look = self._look(canvas, text)
        if look is None:
            return canvas
        self._read_rivals(canvas, look)
        best, fit = self._best(look)
        if fit == -torch.inf or self._cancel.is_cancelled:
            return canvas
        if best.num_kept + len(best.added_ids) <= text.num_filled:  # else it needs room that may yet be taken away
            self._num_settled[row] = min(end.num_kept for end in (best, *self._rivals(look)))
        if not self._is_over(look) or _is_as_it_stands(text, best):
            return canvas
        lacked_room = has_no_room and look.so_far[-1] >= fit
        return canvas.end(row, best.num_kept, best.added_ids, lacked_room=lacked_room)

    def _look(self, canvas: Canvas, text: Text) -> _Look | None:
        """Find out how well a text fits, and each of its ends at most; one forward. None if it may end nowhere."""
        ends = self._possible_ends.of(text, canvas.suffix_ids.tolist())
        if not ends:
            return None
        own = [(0, column, token_id) for column, token_id in enumerate(text.token_ids)]
        next_ones = [(0, end.num_before, end.following[0]) for end in ends if end.following]
        reading = Reading(is_fixed=True)
        found = iter(self._log_probabilities(canvas, [text.token_ids], [*own, *next_ones], reading))
        so_far = list(accumulate((TEXT_WEIGHT * next(found) for _ in own), initial=0.0))
        bounds = {end: so_far[end.num_before] + (next(found) if end.following else 0.0) for end in ends}
        # Where the text holds all of the suffix that is read, there is nothing to read after it.
        self._fits |= {end: bound - self._cost(end) for end, bound in bounds.items() if not end.following}
        return _Look(text, so_far, bounds, reading)

    def _read_rivals(self, canvas: Canvas, look: _Look) -> None:
        """Read the most promising ends, and all that may be better where the text is over and there is time."""
        for num_forwards in count():
            rivals = self._rivals(look)
            is_called_for = num_forwards < MAX_FORWARDS or self._is_over(look)
            is_hurried = num_forwards > 0 and (self._pace.is_late or self._cancel.is_cancelled)
            if not rivals or not is_called_for or is_hurried:
                return
            self._read(canvas, look, rivals[:NUM_TOGETHER])

    def _best(self, look: _Look) -> tuple[End, float]:
        """The best end of those that are read, and its fit in nats; -inf while none is."""
        best = max(look.bounds, key=self._fit)
        return best, self._fit(best)

    def _fit(self, end: End) -> float:
        return self._fits.get(end, -torch.inf)

    def _is_over(self, look: _Look) -> bool:
        """Whether a text ends at its best end: it is complete, no end can be better, or none has come in time."""
        best, fit = self._best(look)
        is_waited_for = len(look.text.token_ids) - best.num_before < PATIENCE
        return look.text.is_complete or look.so_far[-1] < fit or not is_waited_for

    def _rivals(self, look: _Look) -> list[End]:
        """Ends that are not read yet and may be better than those that are, the most promising first."""
        _, fit = self._best(look)
        unread = (end for end, bound in look.bounds.items() if end not in self._fits and bound > fit)
        bounds = {end: look.bounds[end] - self._cost(end) for end in unread}
        return sorted((end for end, bound in bounds.items() if bound > fit), key=bounds.__getitem__, reverse=True)

    def _read(self, canvas: Canvas, look: _Look, ends: Sequence[End]) -> None:
        """Find out how well the suffix follows some ends; one forward."""
        asked = [
            (row, column, token_id)
            for row, end in enumerate(ends)
            for column, token_id in enumerate(end.following, end.num_before)
        ]
        found = iter(self._log_probabilities(canvas, [end.read_ids for end in ends], asked, look.reading))
        for end in ends:
            follows = sum(islice(found, len(end.following)))
            self._fits[end] = look.so_far[end.num_before] + follows - self._cost(end)

    def _cost(self, end: End) -> float:
        if self._syntax is None:
            return 0.0
        if end.middle not in self._costs:
            has_error = self._syntax.errors(end.middle.decode(errors="replace"))
            self._costs[end.middle] = SYNTAX_ERROR_COST if has_error else 0.0
        return self._costs[end.middle]

    def _log_probabilities(
        self, canvas: Canvas, rows: Sequence[Sequence[int]], asked: Sequence[tuple[int, int, int]], reading: Reading
    ) -> list[float]:
        """The guide's log-probabilities of tokens given the text left of them, in nats; one forward, one transfer.

        Args:
            canvas: Holds the prefix.
            rows: Texts after it.
            asked: Row, column, and a token that may stand there; a column may be the one after the text's end.
            reading: Of the text that the rows begin with, or nothing yet.

        Returns:
            One for each that is asked. A token that the guide does not know is as likely as any other.
        """
        token_ids = pad_sequence([torch.tensor([*row, 0]) for row in rows], batch_first=True)
        asked_rows, columns, wanted_ids = torch.tensor(asked).unbind(dim=1)
        is_asked = torch.zeros(token_ids.shape, dtype=torch.bool).index_put((asked_rows, columns), torch.tensor(True))
        logits = self._guide.logits(canvas.prefix_ids, token_ids, is_asked, reading).float()
        places = (is_asked.flatten().cumsum(dim=0) - 1).view_as(is_asked)[asked_rows, columns]
        is_known = wanted_ids < logits.shape[1]
        places, wanted_ids = send(places, logits.device), send(wanted_ids * is_known, logits.device)
        found = logits[places, wanted_ids] - logits.logsumexp(dim=1)[places]
        found_list: list[float] = found.cpu().masked_fill(~is_known, -math.log(logits.shape[1])).tolist()
        return found_list


def _is_as_it_stands(text: Text, end: End) -> bool:
    """Whether nothing changes where a text ends so."""
    return text.rest_ids is not None and text.token_ids + text.rest_ids == (
        *text.token_ids[: end.num_kept],
        *end.added_ids,
    )
