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
        parse_valid: The document has no more ERROR or MISSING nodes with the fill than with a neutral statement in its
            place, and no definition below gets a decorator that was meant for another. A header may lack its block, and
            a decorator its definition. In what `infilling.fills_of` returns, they may only where somebody types on
            (`HoleRequest.is_typed`); elsewhere, the whole document parses no worse with the fill than now. When there
            is nothing to show, true says that nothing is missing: the document already goes on with all of the model's
            text.
    """

    text: str
    start: int
    end: int
    parse_valid: bool


@dataclass(frozen=True, slots=True)
class RankedFill:
    """One alternative, ready for the document.

    Attributes:
        fill: The replacement.
        candidate: The engine's text and confidence.
    """

    fill: Fill
    candidate: Candidate


class Filled(NamedTuple):
    """A finished draft and its fills: never empty, best first."""

    draft: Draft
    fills: tuple[RankedFill, ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """Text that a fill must hold.

    Attributes:
        keep: Texts that occur in it, in this order.
        closing: The text that it ends with; for statements, their last line. Empty for any ending.
    """

    keep: tuple[str, ...] = ()
    closing: str = ""

    def are_in(self, text: str, following: str) -> bool:
        """Whether a fill still holds them; line breaks and indentation are those of its place, and do not count.

        Args:
            text: The fill's.
            following: The document after the fill, which may have the end of the closing text so that the fill does not
                repeat it.
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
