"""An earlier draft, reused although the document no longer quite agrees with it.

Text that agrees with a draft to the letter is answered without the model. Here a word differs, or an edit elsewhere has
moved the hole. The rest of the draft probably holds, so the engine starts from it. Knows documents and drafts; knows
nothing about LSP.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from dlm_lsp.documents.positions import with_line_feeds
from dlm_lsp.holes.hole import Hole
from dlm_lsp.keystrokes.goal import shared_length
from dlm_model.request import Draft, Piece

MAX_DIVERGENCE = 2
"""How many words may be edited: replacing, inserting or deleting a word is one edit."""
MIN_AGREEMENT = 2
"""How many typed words have to agree for every edited word."""
SEAM_TOKENS = 2
"""Masks after a typed word that the draft does not have: the word may continue."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_SEAM = Piece("", "masked", 0.0, SEAM_TOKENS)


class EarlierDraft(NamedTuple):
    """A draft of a hole of a document as it was."""

    hole: Hole
    draft: Draft

    def rest_at(self, hole: Hole) -> tuple[Piece, ...]:
        """The rest of the draft for a hole of the present document; empty if it is of no use."""
        typed = self._typed(hole)
        return () if typed is None else remaining_pieces(self.draft.pieces, with_line_feeds(typed))

    def _typed(self, hole: Hole) -> str | None:
        """What stands between the beginning of the old hole and the new one, if nothing else is in the way."""
        before, after = self.hole.snapshot.text, hole.snapshot.text
        shared_start = shared_length(before, after)
        # Typed text may begin like what follows the hole, which is then shared as well.
        start = min(shared_start, self.hole.end)
        shared_end = min(shared_length(before[::-1], after[::-1]), len(before) - start, len(after) - start)
        end = len(before) - shared_end
        growth = len(after) - len(before)
        if start >= self.hole.start and end <= self.hole.end:
            is_inside = self.hole.start <= hole.start <= self.hole.end + growth
            return after[self.hole.start : hole.start] if is_inside else None
        # An edit that touches the hole from outside may have been typed into it, too.
        moved = growth if end < self.hole.start else 0
        is_elsewhere = end < self.hole.start or shared_start > self.hole.end
        return "" if is_elsewhere and hole.start == self.hole.start + moved else None


def remaining_pieces(pieces: Sequence[Piece], typed: str) -> tuple[Piece, ...]:
    """The pieces after the typed text; empty if that agrees too little or leaves nothing."""
    words, typed_words = (_WORD.findall(text) for text in ("".join(piece.text for piece in pieces), typed))
    num_edits, num_words = _nearest_beginning(typed_words, words)
    if num_edits > MAX_DIVERGENCE or len(typed_words) < num_edits * (1 + MIN_AGREEMENT):
        return ()
    num_chars, is_new_word = len("".join(words[:num_words])), False
    if typed_words and num_words and words[num_words - 1].startswith(typed_words[-1]):
        num_chars -= len(words[num_words - 1]) - len(typed_words[-1])
    elif typed_words:
        is_new_word = _kind(typed_words[-1]) == "word"
    rest = pieces_after(pieces, num_chars)
    if not any(piece.text.strip() for piece in rest):
        return ()
    return (_SEAM, *rest) if is_new_word else rest


def _nearest_beginning(typed: Sequence[str], words: Sequence[str]) -> tuple[int, int]:
    """The edits that lead from a draft's beginning to typed words, and the words of the beginning with the fewest.

    Uses Levenshtein's distance over words. The last typed word may be the beginning of the draft's. A word takes the
    place of another only if both are of one kind.
    """
    words = words[: len(typed) + MAX_DIVERGENCE]
    row = list(range(len(words) + 1))
    for number, word in enumerate(typed, 1):
        before, row = row, [number]
        for column, other in enumerate(words, 1):
            is_same = other.startswith(word) if number == len(typed) else other == word
            cost = 0 if is_same else 1 if _kind(other) == _kind(word) else 2
            row.append(min(before[column - 1] + cost, before[column] + 1, row[-1] + 1))
    num_words = min(range(len(row)), key=lambda column: (row[column], abs(column - len(typed))))
    return row[num_words], num_words


def _kind(word: str) -> str:
    return "space" if word.isspace() else "word" if word[0].isalnum() or word[0] == "_" else "sign"


def pieces_after(pieces: Sequence[Piece], num_chars: int) -> tuple[Piece, ...]:
    """The pieces without their first characters; a mask among those is gone, too."""
    rest = []
    for piece in pieces:
        if num_chars < len(piece.text) or (num_chars == 0 and not piece.text):
            rest.append(replace(piece, text=piece.text[num_chars:]))
        num_chars = max(0, num_chars - len(piece.text))
    return tuple(rest)
