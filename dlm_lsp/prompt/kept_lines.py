"""The lines on one side of a hole, kept as far as a budget of tokens reaches. Knows texts and lines, not documents."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

from dlm_lsp.documents.positions import LineIndex
from dlm_lsp.holes.indentation import indentation

LANDMARK_SHARE = 0.25
"""Share of the lines kept above, from the topmost on, among which the prompt begins at a landmark
(`begin_at_landmark`). So it begins with the same line for many keys, and shares keys and values with the prompt before.
"""

LONGEST_TOKEN = 16
"""Characters that a token of source code rarely exceeds: bounds what is counted of one huge line."""

_WORD = re.compile(r"\w+")
_LAST_WORD = re.compile(r"\w+$")


@dataclass
class Budget:
    """Tokens left to spend."""

    left: int
    count_tokens: Callable[[str], int]

    def spend(self, text: str, *, reserve: int = 0) -> bool:
        """Whether a text fits and leaves the reserve; if so, it is paid for."""
        cost = self.count_tokens(text)
        if self.left - cost < reserve:
            return False
        self.left -= cost
        return True

    def spend_on_end(self, text: str, *, reserve: int) -> str:
        """As much of the end of a text as fits, from the beginning of a word."""
        kept = text[-max(self.left, 1) * LONGEST_TOKEN :]
        while kept and not self.spend(kept, reserve=reserve):
            kept = kept[len(kept) // 4 + 1 :]
        is_cut_in_word = _WORD.match(text[: len(text) - len(kept)][-1:]) is not None
        return _WORD.sub("", kept, count=1) if is_cut_in_word and _WORD.match(kept) else kept

    def spend_on_start(self, text: str) -> str:
        """As much of the start of a text as fits, to the end of a word."""
        kept = text[: max(self.left, 1) * LONGEST_TOKEN]
        while kept and not self.spend(kept):
            kept = kept[: len(kept) - len(kept) // 4 - 1]
        is_cut_in_word = _WORD.match(text[len(kept) :]) is not None
        return _LAST_WORD.sub("", kept) if is_cut_in_word else kept


class KeptLines:
    """Whole lines of one side, each paid for once."""

    def __init__(self, source: LineIndex, budget: Budget) -> None:
        self._source = source
        self._budget = budget
        self._lines: dict[int, str] = {}
        self._above: list[int] = []

    @property
    def text(self) -> str:
        """The lines in order."""
        return "".join(self._lines[line] for line in sorted(self._lines))

    def fits(self, lines: Sequence[int]) -> bool:
        """Whether the budget allows all of these lines."""
        return sum(self._budget.count_tokens(self._line(line)) for line in lines) <= self._budget.left

    def keep(self, line: int, *, reserve: int = 0) -> bool:
        """Keep a line if the budget allows."""
        if line in self._lines:
            return True
        text = self._line(line)
        if not self._budget.spend(text, reserve=reserve):
            return False
        self._lines[line] = text
        return True

    def keep_upwards(self, below: int, first: int, *, reserve: int) -> int:
        """Keep the lines above `below`, up to `first`, until one does not fit; the topmost line kept."""
        while below > first:
            is_new = below - 1 not in self._lines
            if not self.keep(below - 1, reserve=reserve):
                break
            below -= 1
            if is_new:
                self._above.append(below)
        return below

    def begin_at_landmark(self) -> None:
        """Drop the lines that were kept only for being near, and that come before their landmark.

        Which line is the landmark depends on the lines' texts alone, as in winnowing (Schleimer et al., 2003): it stays
        the same while the window slides over it.
        """
        topmost = sorted(self._above)[: int(len(self._above) * LANDMARK_SHARE)]
        landmark = min(topmost, key=self._landmark_rank, default=0)
        for line in topmost:
            if line < landmark:
                del self._lines[line]

    def _landmark_rank(self, line: int) -> tuple[bool, int, int]:
        """The lowest rank makes the landmark: code before blank lines, little indentation first, then by a hash."""
        text = self._lines[line]
        return not text.strip(), len(indentation(text)), crc32(text.encode("utf-8", "surrogatepass"))

    def keep_downwards(self, line: int) -> None:
        """Keep the lines from `line` on until one does not fit."""
        while line < self._source.num_lines and self.keep(line):
            line += 1

    def _line(self, line: int) -> str:
        return self._source.line_text(line) + ("\n" if line + 1 < self._source.num_lines else "")
