"""The rest of an earlier draft that the document has almost followed, as tokens to open a canvas with.

The text is tokenised anew, together with the words that the boundaries take over on both sides, because a token of the
draft may begin in text that was typed since. The tokens of those words are certain. Any other token is as sure as the
least sure draft position that it spells.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from dlm_model.request import Piece
from dlm_model.rules.boundaries import Fragment
from dlm_model.tokens.tokenizer import Tokenizer


class Proposal(NamedTuple):
    """One canvas position: its token, None for a mask, and how sure it is; 1 for the text of a boundary."""

    token_id: int | None
    confidence: float


class _Stretch(NamedTuple):
    """Text with one confidence."""

    text: str
    confidence: float


_MASK = Proposal(None, 0.0)


def propose(pieces: Sequence[Piece], head: Fragment, tail: Fragment, tokenizer: Tokenizer) -> list[Proposal]:
    """The positions of a canvas with the text of some pieces; empty if they have none.

    A boundary that meets a mask keeps its own positions as masks, so that it is respelled with what the model puts
    there.
    """
    try:
        head_text, tail_text = head.spelling.decode(), tail.spelling.decode()
    except UnicodeDecodeError:  # a long fragment that was cut within a character
        return []
    pieces = [piece for piece in pieces if piece.text or piece.state == "masked"]
    if not any(piece.text for piece in pieces):
        return []
    runs = [(is_masked, list(run)) for is_masked, run in groupby(pieces, key=lambda piece: piece.state == "masked")]
    proposals = [_MASK] * head.num_tokens if runs[0][0] else []
    for number, (is_masked, run) in enumerate(runs):
        if is_masked:
            proposals += [_MASK] * sum(piece.num_tokens for piece in run)
            continue
        stretches = [_Stretch(piece.text, piece.confidence) for piece in run]
        if number == 0:
            stretches.insert(0, _Stretch(head_text, 1.0))
        if number == len(runs) - 1:
            stretches.append(_Stretch(tail_text, 1.0))
        is_first, is_last = number == 0 and bool(head_text), number == len(runs) - 1 and bool(tail_text)
        proposals += _spelled(stretches, tokenizer, is_first=is_first, is_last=is_last)
    return proposals + ([_MASK] * tail.num_tokens if runs[-1][0] else [])


def _spelled(
    stretches: Sequence[_Stretch], tokenizer: Tokenizer, *, is_first: bool, is_last: bool
) -> Iterator[Proposal]:
    """The tokens of a text; those that spell any of its first or last stretch are certain where that is a boundary."""
    ids = tokenizer.encode("".join(stretch.text for stretch in stretches)).ids
    byte_sureness = [stretch.confidence for stretch in stretches for _ in stretch.text.encode()]
    head_end = len(stretches[0].text.encode()) if is_first else 0
    tail_start = len(byte_sureness) - (len(stretches[-1].text.encode()) if is_last else 0)
    start = 0
    for token_id in ids:
        end = start + len(tokenizer.token_bytes[token_id])
        is_certain = start < head_end or end > tail_start
        yield Proposal(token_id, 1.0 if is_certain else min(byte_sureness[start:end], default=1.0))
        start = end
