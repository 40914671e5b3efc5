"""Words that open and close blocks, in languages where braces do not: `do … end`, `if … fi`.

Works on what `Language.code_only` leaves of a text; knows nothing about documents or syntax trees.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dlm_lsp.languages.brackets import BRACKET, CLOSER_OF

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class BlockWords:
    """The block words of a language.

    Attributes:
        closers: Each word that opens a block, with the one that closes it; empty where more than a word is needed.
        clauses: Words between two blocks of one statement.
        keyword_pattern: Matches one of these words where it opens, closes or divides a block; the word is the one group
            that matches.
        containers: Words that open a block of members rather than of statements.
    """

    closers: Mapping[str, str]
    clauses: frozenset[str]
    keyword_pattern: str
    containers: frozenset[str] = frozenset()

    @cached_property
    def keyword(self) -> re.Pattern[str]:
        """`keyword_pattern`, compiled."""
        return re.compile(self.keyword_pattern)

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The words that close blocks alone."""
        return tuple(sorted({*self.closers.values()} - {""}))

    def closes(self, line: str) -> bool:
        """Whether a line begins with a word that closes a block or divides two."""
        return self.divides(line) or self.num_closing(line) > 0

    def divides(self, line: str) -> bool:
        """Whether a line begins with a word between two blocks of one statement."""
        first = _WORD.match(line.lstrip())
        return first is not None and first.group() in self.clauses

    def num_closing(self, line: str) -> int:
        """Characters of the indentation of a line and the word that closes a block there; 0 if there is none."""
        match = self.keyword.match(line.lstrip())
        word = match[match.lastgroup or 0] if match is not None else ""
        is_closing = bool(word) and word not in self.closers and word not in self.clauses
        return len(line) - len(line.lstrip()) + len(word) if is_closing else 0

    def growth(self, line: str) -> int:
        """How many more blocks a line opens than it closes."""
        words = [match[match.lastgroup or 0] for match in self.keyword.finditer(line)]
        num_opened = sum(word in self.closers for word in words)
        return num_opened - sum(word not in self.closers and word not in self.clauses for word in words)

    def num_missing(self, before: str, after: str) -> tuple[int, int]:
        """How many blocks one text leaves open that the other does not close, and how many it leaves open at all.

        Both are counted within the innermost block of members.
        """
        opened, num_closed = self._unmatched(before)[0], self._unmatched(after)[1]
        num_inner = next((n for n, word in enumerate(reversed(opened)) if word in self.containers), len(opened))
        return min(max(len(opened) - num_closed, 0), num_inner), num_inner

    def _unmatched(self, code: str) -> tuple[list[str], int]:
        """The words of the blocks that some code leaves open, and how many it closes that it did not open."""
        opened: list[str] = []
        num_closed = 0
        for match in self.keyword.finditer(code):
            word = match[match.lastgroup or 0]
            if word in self.closers:
                opened.append(word)
            elif word not in self.clauses and opened:
                opened.pop()
            elif word not in self.clauses:
                num_closed += 1
        return opened, num_closed

    def end_of_own(self, code: str, num_missing: int = 0, *, is_last: bool = False) -> int:
        """Where the first word stands that closes or divides what the code did not open; else the code's length.

        Args:
            code: A text for a place in a document.
            num_missing: How many blocks around it the document leaves open: so many it may close, and divide.
            is_last: Whether nothing stands below the word that closes the last of these.
        """
        depth = num_missing
        for match in self.keyword.finditer(code):
            word, group = match[match.lastgroup or 0], match.lastgroup or 0
            depth += 1 if word in self.closers else -1 if word not in self.clauses else 0
            if depth < 0 or (not depth and word in self.clauses):
                return match.start(group)
            if not depth and is_last and word not in self.clauses:
                line_end = code.find("\n", match.end(group))
                return line_end if line_end >= 0 else len(code)
        return len(code)

    def ends_missing(self, code: str) -> list[str] | None:
        """The lines that close all blocks that some code leaves open, as deep as the lines that open them.

        What is open around a block is closed right after it. None where something else is open, which nobody can know
        the rest of.
        """
        opened: list[tuple[str, str]] = []
        for line in code.split("\n"):
            indent = line[: len(line) - len(line.lstrip(" \t"))]
            tokens = [
                (match.start(match.lastgroup or 0), match[match.lastgroup or 0])
                for match in self.keyword.finditer(line)
            ]
            tokens += [(match.start(), match.group()) for match in BRACKET.finditer(line)]
            for _, token in sorted(tokens):
                closer = self.closers.get(token, CLOSER_OF.get(token))
                if closer is not None:
                    opened.append((closer, indent))
                elif opened and token not in self.clauses:
                    opened.pop()
        lines: list[str] = []
        for closer, indent in reversed(opened):
            if _WORD.match(closer) or closer == "}":
                lines.append(indent + closer)
            elif closer and lines:
                lines[-1] += closer
            else:
                return None
        return lines
