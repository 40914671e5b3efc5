"""Canvas → text: what each row would put into the hole, position by position.

A row's bytes are its tokens' spellings, guesses included. The boundaries' head and tail belong to the document and are
removed. Byte-level tokens may end inside a character, so an incremental decoder takes one position after the other; its
pieces joined are the decoding of the whole.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import NamedTuple

from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.request import Candidate, FinishReason, Piece, PieceState, geometric_mean
from dlm_model.rules.boundaries import Boundaries
from dlm_model.tokens.vocabulary import Vocabulary


class _Position(NamedTuple):
    """One canvas position; the spelling is what it adds to the middle."""

    state: PieceState
    spelling: bytes
    confidence: float
    is_anchored: bool


class _Row(NamedTuple):
    """One candidate, position by position."""

    positions: list[_Position]

    @property
    def text(self) -> str:
        return b"".join(position.spelling for position in self.positions).decode(errors="replace")

    @property
    def candidate(self) -> Candidate:
        """The row's text and confidence, by the positions that add to the middle alone.

        The model is always sure of deletions and of boundaries that it spells again.
        """
        added = [position.confidence for position in self.positions if position.spelling]
        return Candidate(self.text, geometric_mean(added), len(added))

    @property
    def is_written(self) -> bool:
        """Whether the model has written anything to see: otherwise nothing says how sure it is."""
        return any(position.spelling.strip() and not position.is_anchored for position in self.positions)


class RowReader:
    """Reads one request's canvases.

    Args:
        vocabulary: What the tokens spell.
        boundaries: What is taken off again at both ends.
        end_token_ids: Each ends the text: guesses right of one that is guessed are not shown.
    """

    def __init__(self, vocabulary: Vocabulary, boundaries: Boundaries, end_token_ids: Sequence[int] = ()) -> None:
        self._vocabulary = vocabulary
        self._boundaries = boundaries
        self._end_token_ids = frozenset(end_token_ids)

    def spellings(self, canvas: Canvas, row: int) -> list[bytes]:
        """What each position of a row adds to the middle."""
        return [position.spelling for position in self._row(canvas, row).positions]

    def pieces(self, canvas: Canvas, row: int) -> tuple[Piece, ...]:
        """One row, position by position."""
        positions = self._row(canvas, row).positions
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        pieces = []
        for number, position in enumerate(positions, 1):
            text = decoder.decode(position.spelling, final=number == len(positions))
            pieces.append(Piece(text, position.state, position.confidence, 1))
        return tuple(pieces)

    def rank(
        self,
        canvas: Canvas,
        likelihoods: Tensor | None = None,
        flaws: Sequence[int] | None = None,
        suits: Sequence[float] | None = None,
    ) -> list[int]:
        """Row indices, best first.

        Rows with a text come before empty ones, and among them those with the least flaw. Then likelihoods count or,
        without any, the confidence times how well the length suits. A row where the model has written nothing visible
        has no confidence. Ties go to the shorter text.

        Args:
            canvas: The rows, [B].
            likelihoods: [B], how probable a guide finds each, in nats; None where none was asked.
            flaws: [B], how badly each ends, as `AnchorOrder.flaws` counts; None for no flaws.
            suits: [B], how well each row's length suits, as `length.suitability` says; None where all have the same.
        """
        rows = [self._row(canvas, index) for index in range(len(canvas.lengths))]
        found = [row.candidate for row in rows]
        weights = suits or [1.0] * len(rows)
        sure = [each.confidence * row.is_written * own for row, each, own in zip(rows, found, weights, strict=True)]
        scores = sure if likelihoods is None else likelihoods.tolist()
        judged = zip(found, flaws or [0] * len(rows), scores, strict=True)
        keys = [(not each.text, flaw, -score, each.num_tokens) for each, flaw, score in judged]
        return sorted(range(len(rows)), key=keys.__getitem__)

    def candidates(
        self, canvas: Canvas, order: Sequence[int], reasons: Sequence[FinishReason], limit: int
    ) -> tuple[Candidate, ...]:
        """At most `limit` different texts of the rows, in the given order, each with the reason why its row ended."""
        found: dict[str, Candidate] = {}
        for index in order:
            candidate = replace(self._row(canvas, index).candidate, finish_reason=reasons[index])
            found.setdefault(candidate.text, candidate)
        return tuple(found.values())[:limit]

    def _row(self, canvas: Canvas, row: int) -> _Row:
        positions = list(self._positions(canvas, row))
        spellings = _without_fragments([position.spelling for position in positions], self._boundaries)
        trimmed = zip(positions, spellings, strict=True)
        return _Row([position._replace(spelling=spelling) for position, spelling in trimmed])

    def _positions(self, canvas: Canvas, row: int) -> Iterator[_Position]:
        length = int(canvas.lengths[row])
        columns = (canvas.token_ids, canvas.guessed_ids, canvas.is_masked, canvas.confidence, canvas.is_anchored)
        spelling_of = self._vocabulary.token_bytes
        is_over = False
        for token_id, guessed_id, is_masked, confidence, is_anchored in zip(
            *(column[row, :length].tolist() for column in columns), strict=True
        ):
            if not is_masked:
                yield _Position("committed", spelling_of[token_id], confidence, is_anchored)
            elif guessed_id != canvas.mask_token_id and not is_over:
                is_over = guessed_id in self._end_token_ids
                yield _Position("guessed", spelling_of[guessed_id], confidence, is_anchored)
            else:
                yield _Position("masked", b"", 0.0, is_anchored)


def _without_fragments(spellings: list[bytes], boundaries: Boundaries) -> list[bytes]:
    """The spellings of a row without head and tail, which the document has already.

    While a boundary is not fully respelled, a draft may spell only a part of it: then that part is taken off.
    """
    whole = b"".join(spellings)
    start = _shared_length(whole, boundaries.head)
    end = len(whole) - _shared_length(whole[start:][::-1], boundaries.tail[::-1])
    trimmed, offset = [], 0
    for spelling in spellings:
        trimmed.append(spelling[max(0, start - offset) : max(0, end - offset)])
        offset += len(spelling)
    return trimmed


def _shared_length(left: bytes, right: bytes) -> int:
    """How many bytes two spellings have in common from their start."""
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
