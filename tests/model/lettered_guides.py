"""A vocabulary of a few letters, and causal guides whose opinion of every text can be said by hand; and
`SuffixEnd` with them.
"""

from collections.abc import Sequence
from itertools import pairwise, repeat
from typing import Any

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.guides.suffix_end import TEXT_WEIGHT, SuffixEnd
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, SyntaxChecker
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary

SPELLINGS = [b"", b"a", b"b", b"c", b" ", b")", b"]", b")]", "é".encode()[:1], "é".encode()[1:], b"\n", b";"]
END, A, B, C, SPACE, PAREN, BRACKET, BOTH, LEAD, TRAIL, BREAK, SEMICOLON = range(len(SPELLINGS))
MASK = 99
VOCABULARY = Vocabulary([*SPELLINGS, *[b""] * 90])


class Bigrams:
    """A causal guide that looks at one token only: a table of what follows what.

    Attributes:
        table: Logits, [V, V].
        num_forwards: Calls so far.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.num_forwards = 0

    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, _reading: object = None) -> Tensor:
        """As `CausalReader.logits`."""
        self.num_forwards += 1
        before = torch.cat((prefix_ids[-1:].expand(len(token_ids), 1), token_ids[:, :-1]), dim=1)
        return self.table[before[is_asked]]

    def fit(self, middle: Sequence[int], suffix: Sequence[int]) -> float:
        """Of a middle between the prefix `b` and a suffix, in nats."""
        expected = self.table.log_softmax(dim=-1)
        steps = [float(expected[before, after]) for before, after in pairwise([B, *middle, *suffix])]
        return TEXT_WEIGHT * sum(steps[: len(middle)]) + sum(steps[len(middle) :])


def drawn(seed: int) -> Bigrams:
    return Bigrams(3 * torch.randn(len(SPELLINGS), len(SPELLINGS), generator=torch.Generator().manual_seed(seed)))


def follows(*pairs: tuple[int, int]) -> Bigrams:
    """What is likely to follow what; everything else is not."""
    table = torch.zeros(len(SPELLINGS), len(SPELLINGS))
    for before, after in pairs:
        table[before, after] = 6.0
    return Bigrams(table)


def canvas(*rows: list[int], suffix: Sequence[int]) -> Canvas:
    """Rows after a prefix `b`; what is not a mask is committed."""
    opened = Canvas.open([B], suffix, [len(row) for row in rows], MASK)
    ids = torch.full_like(opened.token_ids, MASK)
    for row, own in enumerate(rows):
        ids[row, : len(own)] = torch.tensor(own)
    return opened.guess(ids, torch.ones(ids.shape)).commit(opened.is_valid & (ids != MASK))


class Counting:
    """A causal guide that expects `)` to be followed by `;` after so many `a` alone, and is torn before every `)`.

    Attributes:
        num_letters: After how many.
        reluctance: By how many nats `)` is less likely for each `a` that 24 lack.
        num_forwards: Calls so far.
    """

    def __init__(self, num_letters: int, *, reluctance: float = 0.0) -> None:
        self.num_letters = num_letters
        self.reluctance = reluctance
        self.num_forwards = 0

    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, _reading: object = None) -> Tensor:
        """As `CausalReader.logits`."""
        self.num_forwards += 1
        asked = is_asked.nonzero().tolist()
        return torch.stack(
            [self._after([*prefix_ids.tolist(), *token_ids[row, :column].tolist()]) for row, column in asked]
        )

    def _after(self, read: list[int]) -> Tensor:
        likely = {PAREN: SEMICOLON if read.count(A) == self.num_letters else C, SEMICOLON: C}.get(read[-1], A)
        table = torch.full((len(SPELLINGS),), -12.0)
        table[PAREN] = -1.0 - self.reluctance * (24 - read.count(A))
        table[likely] = 0.0
        return table


class Looking:
    """A `SuffixEnd` of rows that have room, unless told otherwise."""

    def __init__(self, end: SuffixEnd) -> None:
        self._end = end

    def __call__(self, canvas: Canvas, *, is_cut_short: bool = False) -> Canvas:
        return self._end(canvas, torch.full((len(canvas.lengths),), is_cut_short))

    def num_settled(self, row: int) -> int:
        return self._end.num_settled(row)


def suffix_end(
    guide: Bigrams | Counting,
    head: bytes = b"",
    tail: bytes = b"",
    *,
    cancel: CancelToken | None = None,
    is_late: bool = False,
    syntax: SyntaxChecker | None = None,
) -> Looking:
    hours = iter([0.0]) if is_late else repeat(0.0)
    pace = Pace(DecodeOptions(deadline_ms=1000), lambda: next(hours, 3600.0))
    boundaries, cancel = Boundaries(VOCABULARY, head, tail), cancel or CancelToken()
    reader: Any = guide
    return Looking(SuffixEnd(reader, VOCABULARY, boundaries, pace=pace, cancel=cancel, syntax=syntax))


def row_of(canvas: Canvas, row: int = 0) -> list[int]:
    canvas.check_integrity()
    ids: list[int] = canvas.token_ids[row, : int(canvas.lengths[row])].tolist()
    return ids
