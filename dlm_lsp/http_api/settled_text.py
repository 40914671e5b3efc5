"""A middle of plain text, as the model writes it: which part is kept, and which may be sent before the end.

Text that was sent is never taken back. So everything that may still be cut is held back: the beginning of a stop, line
breaks that the suffix has already, a text that so far only repeats the suffix.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from dlm_lsp.fitting.repairs import without_repeated_text
from dlm_lsp.languages.brackets import OPENERS, num_unmatched
from dlm_model.request import Draft

_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")


@dataclass(frozen=True, slots=True)
class Seam:
    r"""What a middle of plain text has to fit between. Line breaks are `\n`.

    Attributes:
        prompt: All that stands before it.
        suffix: All that stands after it.
        stops: Texts before which it ends.
    """

    prompt: str
    suffix: str
    stops: tuple[str, ...] = ()

    def until_stop(self, text: str) -> tuple[str, bool]:
        """A text up to the first stop in it, and whether there is one; at the start of a document, no blank lines."""
        return before_first_stop(text if self.prompt.strip() else text[_blank_lines(text) :], self.stops)

    def fitted(self, text: str) -> str:
        """What a whole text adds to both sides: nothing where it only repeats what the suffix begins with."""
        if self.suffix.startswith("\n"):
            text = text[: _end_of_last_line(text)]
        return "" if self._repeats(text) and not self._closes(text) else text

    def num_certain(self, text: str) -> int:
        """How many characters of a text without a stop so far are sure to be kept by `fitted`, however it goes on."""
        if not self.prompt.strip() and not text.strip():
            return 0
        # Of a loop, only the first copy is kept.
        end = min(len(text) - _held_back(text, self.stops), len(without_repeated_text(text)))
        if self.suffix.startswith("\n"):
            end = min(end, _end_of_last_line(text), _end_of_last_line(text[:end]))
        # What is held back may be cut off by its stop, and what is left is then the whole text.
        return 0 if self._repeats(text[:end]) else end

    def _repeats(self, text: str) -> bool:
        """Whether a text is nothing but a beginning of the suffix; blanks after it do not count."""
        return self.suffix.startswith(text) or (bool(text.strip()) and self.suffix.startswith(text.rstrip()))

    def _closes(self, text: str) -> bool:
        """Whether a text closes brackets that the prompt leaves open and the suffix does not close."""
        closed = (opener for opener in OPENERS if num_unmatched(text, opener)[1])
        return any(num_unmatched(self.prompt, kind)[0] > num_unmatched(self.suffix, kind)[1] for kind in closed)


class SettledText:
    """The final text of a verbatim middle as it grows.

    Attributes:
        text: What is final so far, and may be sent.
        stopped: The whole text, once a stop ends it and nothing after the stop matters.
    """

    def __init__(self, seam: Seam) -> None:
        """Nothing is final yet."""
        self._seam = seam
        self._before_stop: str | None = None
        self.text = ""
        self.stopped: str | None = None

    def advance(self, draft: Draft) -> str:
        """What has become final with this draft."""
        settled, is_cut = self._seam.until_stop(draft.settled_text)
        committed, has_stop = self._seam.until_stop(_committed(draft))
        if has_stop:
            self._before_stop = committed
        # A text that may still end at the stop or behind it is the same either way. Without any settled text, nothing
        # is known of where it may end.
        if is_cut or (has_stop and 0 < len(committed) <= len(settled)):
            self.stopped = self._seam.fitted(committed)
            return ""
        added = settled[len(self.text) : self._seam.num_certain(settled)]
        self.text += added
        return added

    def ends_at_stop(self, text: str) -> bool:
        """Whether the model has written a stop at the end of this text, or after a longer one that begins with it."""
        return bool(text) and self._before_stop is not None and self._before_stop.startswith(text)


def before_first_stop(text: str, stops: Iterable[str]) -> tuple[str, bool]:
    """A text up to the stop in it that is complete first, whatever follows, and whether there is one."""
    starts = {stop: text.find(stop) for stop in stops}
    found = min(((start + len(stop), start) for stop, start in starts.items() if start >= 0), default=None)
    return (text[: found[1]], True) if found else (text, False)


def _committed(draft: Draft) -> str:
    """The text before the first open position, some of which may still be cut off."""
    return "".join(piece.text for piece in takewhile(lambda piece: piece.state == "committed", draft.pieces))


def _held_back(text: str, stops: Iterable[str]) -> int:
    """Characters at the end of a text that a stop may begin with."""
    longest = len(text) + 1
    lengths = (n for stop in stops for n in range(1, min(len(stop), longest)) if text.endswith(stop[:n]))
    return max(lengths, default=0)


def _blank_lines(text: str) -> int:
    """Characters of the blank lines that a text begins with."""
    found = _BLANK_LINES.match(text)
    return found.end() if found else 0


def _end_of_last_line(text: str) -> int:
    """Where the last line of a text ends that is not blank; its own blanks stay."""
    num_visible = len(text.rstrip())
    line_break = text.find("\n", num_visible)
    return len(text) if line_break < 0 else line_break
