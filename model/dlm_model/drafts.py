"""Canvas → `Draft`: what stands in the hole after a step, as text.

A row's bytes are its tokens' spellings, guesses included; the boundaries' head and tail belong to the document and
are taken off again. Byte-level tokens may end inside a character, so runs are decoded one after the other by an
incremental decoder: the pieces always join to the decoding of the whole.
"""

import codecs
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from dlm_model.boundaries import Boundaries
from dlm_model.canvas import Canvas
from dlm_model.length import mean_log_confidence, rank
from dlm_model.request import Candidate, FinishReason, Piece, PieceState
from dlm_model.vocabulary import Vocabulary


class _Position(NamedTuple):
    state: PieceState
    spelling: bytes
    confidence: float


def best_pieces(canvas: Canvas, vocabulary: Vocabulary, boundaries: Boundaries) -> tuple[Piece, ...]:
    """The best-ranked row of the canvas, in runs of one state."""
    return _pieces(_positions(canvas, rank(canvas)[0], vocabulary), boundaries)


def candidates(canvas: Canvas, vocabulary: Vocabulary, boundaries: Boundaries, limit: int) -> tuple[Candidate, ...]:
    """At most `limit` different texts, best first."""
    certainty = mean_log_confidence(canvas).exp().tolist()
    lengths = canvas.lengths.tolist()
    found: dict[str, Candidate] = {}
    for row in rank(canvas):
        text = "".join(piece.text for piece in _pieces(_positions(canvas, row, vocabulary), boundaries))
        found.setdefault(text, Candidate(text, certainty[row], lengths[row]))
    return tuple(found.values())[:limit]


def finish_reason(canvas: Canvas, *, is_cancelled: bool, is_resizing: bool) -> FinishReason:
    """Why the best row ended as it did. A model that could have ended the row and never did ran out of canvas."""
    if canvas.is_masked.any():
        return "cancelled" if is_cancelled else "deadline"
    return "stop" if not is_resizing or canvas.was_shortened[rank(canvas)[0]] else "length"


def _positions(canvas: Canvas, row: int, vocabulary: Vocabulary) -> Iterator[_Position]:
    length = int(canvas.lengths[row])
    columns = (canvas.token_ids, canvas.guessed_ids, canvas.is_masked, canvas.confidence)
    for token_id, guessed_id, is_masked, confidence in zip(
        *(column[row, :length].tolist() for column in columns), strict=True
    ):
        if not is_masked:
            yield _Position("committed", vocabulary.token_bytes[token_id], confidence)
        elif guessed_id != canvas.mask_token_id:
            yield _Position("guessed", vocabulary.token_bytes[guessed_id], confidence)
        else:
            yield _Position("masked", b"", 0.0)


def _pieces(positions: Iterator[_Position], boundaries: Boundaries) -> tuple[Piece, ...]:
    runs = [(state, list(run)) for state, run in groupby(positions, key=lambda position: position.state)]
    spellings = _without_fragments([b"".join(place.spelling for place in run) for _, run in runs], boundaries)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    pieces = []
    for index, ((state, run), spelling) in enumerate(zip(runs, spellings, strict=True)):
        text = decoder.decode(spelling, final=index == len(runs) - 1)
        pieces.append(Piece(text, state, sum(place.confidence for place in run) / len(run), len(run)))
    return tuple(pieces)


def _without_fragments(spellings: list[bytes], boundaries: Boundaries) -> list[bytes]:
    """Take head and tail off the runs; off a draft whose frontiers are not respelled yet, whatever agrees with them."""
    whole = b"".join(spellings)
    start = _shared_length(whole, boundaries.head)
    end = len(whole) - _shared_length(whole[start:][::-1], boundaries.tail[::-1])
    trimmed, offset = [], 0
    for spelling in spellings:
        trimmed.append(spelling[max(0, start - offset) : max(0, end - offset)])
        offset += len(spelling)
    return trimmed


def _shared_length(left: bytes, right: bytes) -> int:
    """Bytes that both begin with."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
