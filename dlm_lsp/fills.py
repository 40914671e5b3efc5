"""Fills, and the text that they must hold: values only, without the code that makes fills.

So a server can answer `initialize` before it imports that code.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dlm_model.request import Candidate, Draft


@dataclass(frozen=True, slots=True)
class Fill:
    """A replacement of the document's characters `[start, end)`.

    Attributes:
        text: With the document's line endings; empty when there is nothing to show.
        start: Character offset.
        end: Character offset.
        parse_valid: The document has no more ERROR or MISSING nodes with the fill than with a neutral statement in
            its place, and no definition below gets a decorator that was meant for another. A header may lack its
            block, and a decorator what it decorates. When there is nothing to show, true says that nothing is missing:
            all that the model has follows in the document already.
    """

    text: str
    start: int
    end: int
    parse_valid: bool


@dataclass(frozen=True, slots=True)
class RankedFill:
    """One alternative as the document would take it.

    Attributes:
        fill: What to write where.
        candidate: The engine's text and certainty that it is made from.
    """

    fill: Fill
    candidate: Candidate


class Filled(NamedTuple):
    """A finished draft and what it comes to: never empty, best first."""

    draft: Draft
    fills: tuple[RankedFill, ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """Text that a fill must hold.

    Attributes:
        keep: Texts that occur in it, in this order.
        closing: What it ends with; for statements, their last line. Empty for any ending.
    """

    keep: tuple[str, ...] = ()
    closing: str = ""

    def are_in(self, text: str, following: str) -> bool:
        """Whether a fill still holds them; line breaks and indentation are those of its place, and do not count.

        Args:
            text: The fill's.
            following: What comes next in the document; it has the end of the closing text where both would repeat it.
        """
        words, position = _words(text), 0
        for kept in map(_words, self.keep):
            found = words.find(kept, position)
            if found < 0:
                return False
            position = found + len(kept)
        closing, following = _words(self.closing), following.lstrip()
        splits = range(len(closing), 0, -1)
        return not closing or any(words.endswith(closing[:n]) and following.startswith(closing[n:]) for n in splits)


NO_ANCHORS = Anchors()


def _words(text: str) -> str:
    return " ".join(text.split())
