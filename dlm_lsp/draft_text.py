"""What an editor shows of an unfinished draft: decided or probable text, and `…` where nothing is known.

Far from any decided position, the most probable token is little more than the most common one: the same word again and
again. A view of the canvas shows it; code should not.
"""

from collections.abc import Iterator
from itertools import accumulate, groupby, zip_longest
from typing import Literal, NamedTuple

from dlm_model.request import Draft, Piece

MIN_CONFIDENCE = 0.5
"""Of a guess that is shown, unless it repeats the word before it. In ten holes filled with the packaged
weights, all 14 guesses of this or more came true, and 7 of the 33 of 0.4 or more did not."""

UNKNOWN = "…"

_Kind = Literal["stable", "open", "unknown"]


class Stretch(NamedTuple):
    """Part of the text that is shown.

    Attributes:
        text: Not empty.
        is_stable: Whether no later step changes it.
    """

    text: str
    is_stable: bool


def visible_stretches(draft: Draft, num_typed: int) -> Iterator[Stretch]:
    """The visible parts of a draft, from left to right; all of a finished one.

    Args:
        draft: Its text begins with what was typed.
        num_typed: How many characters of the text are in the document already, and not shown.
    """
    ends = accumulate(len(piece.text) for piece in draft.pieces)
    before = ("", *(piece.text for piece in draft.pieces))
    parts = [
        (_kind(draft, piece, end, preceding), piece.text, end)
        for piece, end, preceding in zip(draft.pieces, ends, before, strict=False)
    ]
    # A position without text must not part what is not known.
    seen = [part for part in parts if part[0] == "unknown" or part[1]]
    runs = [(kind, [(text, end) for _, text, end in run]) for kind, run in groupby(seen, key=lambda part: part[0])]
    for (kind, texts), following in zip_longest(runs, (kind for kind, _ in runs[1:])):
        rest = "".join(text[max(num_typed - (end - len(text)), 0) :] for text, end in texts)
        last, end = texts[-1]
        if kind != "unknown" and rest:
            yield Stretch(rest, is_stable=kind == "stable")
        elif kind == "unknown" and (rest or (not last and end >= num_typed)):
            kept = _last_break(rest) if following == "stable" else ""
            yield Stretch(UNKNOWN + kept, is_stable=False)


def _last_break(hidden: str) -> str:
    """The line break and the indentation that a hidden text ends with, if it does.

    What is committed after it would otherwise stand on the line before, and jump once the text is known.
    """
    _, found, indentation = hidden.rpartition("\n")
    return found + indentation if found and not indentation.strip() else ""


def _kind(draft: Draft, piece: Piece, end: int, preceding: str) -> _Kind:
    """What is known of a piece that ends at an offset of the text, after one with the text `preceding`.

    A repeated word says little; code does repeat its brackets.
    """
    is_within = (start <= end - len(piece.text) and end <= stop for start, stop in draft.stable_ranges)
    if piece.state == "committed" and any(is_within):
        return "stable"
    if draft.finish_reason or piece.state == "committed":
        return "open"
    word = piece.text.strip()
    is_repeated = word.replace("_", "").isalnum() and word == preceding.strip()
    return "open" if piece.confidence >= MIN_CONFIDENCE and not is_repeated else "unknown"
