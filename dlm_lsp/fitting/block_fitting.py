"""Fits the model's statements into a hole: at the right depth, without what the document already has.

Applies `reindent` and `repairs`, which know only lines, to the hole at hand.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tree_sitter import Node

from dlm_lsp.fitting.reindent import is_sound, reindented
from dlm_lsp.fitting.repairs import (
    OPEN_LITERALS,
    breaks_off,
    without_blank_ends,
    without_repeated_lines,
    without_suffix,
)
from dlm_lsp.holes.block import Block
from dlm_lsp.holes.excerpts import ParsedExcerpt
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.indentation import IndentStyle, indent_style, line_below
from dlm_lsp.holes.scopes import header_indentation
from dlm_lsp.holes.statements import (
    before_label,
    begins_label,
    begins_statement,
    first_word,
    is_simple,
    lacks_brackets,
    leading_statement_lines,
    methods_beside,
    takes_what_follows,
    unclosed_around,
)
from dlm_lsp.holes.unclosed import (
    NOTHING_UNCLOSED,
    Unclosed,
    with_brackets_closed,
    without_unmatched_closers,
)

MAX_SUFFIX_LINES = 30
"""Lines below the hole that are searched for text that the fill repeats."""

_ANY_LINE = "\0"


@dataclass(frozen=True, eq=False)
class BlockFitter:
    """One hole for statements.

    Attributes:
        hole: Where the statements go.
    """

    hole: Hole

    @cached_property
    def style(self) -> IndentStyle:
        """How the lines around the hole are indented."""
        return indent_style(self.hole.snapshot, self.hole.first_line)

    def fit(self, text: str) -> list[str]:
        """The lines to set into the hole, the first without its indentation; none if nothing is left of the text."""
        lines = self._at_depth(text)
        if not lines or (self._methods_beside and not self.hole.language.member_start.match(lines[0])):
            return []
        wanted = self._wanted(lines)
        return self.without_repeats(wanted) if wanted else []

    def without_repeats(self, lines: list[str]) -> list[str]:
        """Fitted lines, at least one, without loops, blank ends, and repeats of the lines below."""
        full = without_repeated_lines([self.hole.placement.indent + lines[0], *lines[1:]])
        full = without_blank_ends(without_suffix(self.hole.language, full, self._lines_below(), self._unclosed))
        return [full[0].removeprefix(self.hole.placement.indent), *full[1:]] if full else []

    def is_over(self, text: str) -> bool:
        """Whether nothing that the model writes after this beginning of its text would be kept.

        That is the case when the text has left the block, has ended the requested statement, has returned from the
        outermost block, has closed something that it never opened, has come to the next `case`, or repeats several of
        the lines below. While a string or a comment is open, none of that is known.
        """
        language = self.hole.language
        if any(mark in language.code_only(text) for mark in OPEN_LITERALS):
            return False
        ends = self.within_braces(text) != text and (self._unclosed.lacks_some or not lacks_brackets(self.hole.neutral))
        if ends or self._within_case(text) != text:
            return True
        lines = self._at_depth(text)
        if lines and (len(self._within_block(lines)) < len(lines) or self._is_whole(text, lines)):
            return True
        complete = self._at_depth(text.rpartition("\n")[0])
        whole = [self.hole.placement.indent + line for line in complete[:1]] + complete[1:]
        # More text may follow, so that a repetition that ends here may be none.
        return len(without_suffix(language, [*whole, _ANY_LINE], self._lines_below(), self._unclosed)) <= len(whole)

    def is_sound(self, lines: list[str]) -> bool:
        """Whether the parser reads fitted lines as they are meant.

        Their depths must form valid blocks where indentation makes them, and the last line must not seem cut off.
        """
        if not self.hole.language.is_indented:
            return not breaks_off(self.hole.language, lines, self.hole.placement.indent)
        depth = self._depth
        return is_sound(Block.of(self.hole.language, lines), self.style, depth, self._depth_below)

    def within_braces(self, text: str) -> str:
        """The text before the first closer of a bracket that neither the text nor the document opened."""
        return without_unmatched_closers(self.hole.language, text, self._unclosed)

    @cached_property
    def _unclosed(self) -> Unclosed:
        may_lack_some = self.hole.neutral.num_errors and not self.hole.language.is_indented
        return unclosed_around(self.hole.neutral) if may_lack_some else NOTHING_UNCLOSED

    def _at_depth(self, text: str) -> list[str]:
        """The lines between the blank ends, the first at the hole's depth and the others relative to it."""
        lines = without_blank_ends(self._within_case(text).split("\n"))
        if not lines:
            return []
        block = Block.of(self.hole.language, lines).trimmed()
        first_depth = self.style.depth(lines[0]) if self._is_absolute(text) else None
        return reindented(block, self.style, self.hole.placement.indent, first_depth, self._floor)

    def _is_absolute(self, text: str) -> bool:
        """Whether the model began on a line of its own, so that the indentation of its first line counts."""
        starts_line = self.hole.placement.starts_line and not self.hole.left
        return starts_line or text.lstrip(" \t").startswith("\n")

    @property
    def _depth(self) -> int:
        """Columns at which the hole's statements stand."""
        return self.style.columns(self.hole.placement.indent)

    @cached_property
    def _depth_below(self) -> int:
        """Columns of the next line with text; −1 where there is none."""
        below = line_below(self.hole.snapshot, self.hole.last_line)
        return self.style.depth(self.hole.snapshot.lines.line_text(below)) if below is not None else -1

    @cached_property
    def _floor(self) -> int:
        """Columns below which a statement would leave the block it is meant for.

        The last statements of a function may end the blocks they stand in, one after the other, but not the function:

            def f(x):
                if x:
                    ▢           with nothing of `f` below, the floor is 1: right of `def`

        Where the function goes on below, they stay in their block.
        """
        target = self._depth
        if self.hole.kind == "range" and self.hole.language.is_indented:
            return 0
        if self.hole.kind != "statements" or not self.hole.language.is_indented:
            return target
        header = header_indentation(self.hole.neutral)
        outermost = self.style.columns(header) + 1 if header is not None else 0
        return target if self._depth_below >= outermost else min(target, outermost)

    def _wanted(self, lines: list[str]) -> list[str]:
        """The lines of a finished text that are asked for."""
        lines = self._within_block(lines)
        return self._first_statements(lines) if self.hole.kind == "statement" else self._reached(lines)

    def _is_whole(self, text: str, lines: list[str]) -> bool:
        """Whether the requested statements have ended within their block, whatever follows them."""
        language, is_line_whole = self.hole.language, "\n" in text[len(text.rstrip()) :]
        followed = [*lines, language.neutral_statement] if is_line_whole else lines
        block = Block.of(language, followed)
        starts = (0, *block.statement_lines)
        if self.hole.kind != "statement":
            return any(self._leaves_outermost(lines, start) for start in starts[:-1])
        if self._wants_header:
            return len(starts) > 1
        depth = self._depth
        ends_item = [line.rstrip().endswith(",") for line in block.code]
        beginnings = (each for each in starts[1:] if begins_statement(language, followed[each]) or ends_item[each - 1])
        beside = (start for start in beginnings if self.style.depth(followed[start]) <= depth)
        ends = [start for start in beside if self._is_complete(lines[:start])]
        ends_with_line = is_line_whole and starts[-1] == len(lines) and starts[-2] in (0, *ends)
        if ends_with_line and is_simple(language, lines[starts[-2] :]) and self._is_complete(lines):
            ends.append(len(lines))
        return len(ends) >= self.hole.num_statements

    def _is_complete(self, lines: list[str]) -> bool:
        """Whether some lines are complete statements, and not the beginning or a comment of later ones."""
        last = next(line for line in reversed(lines) if line.strip())
        if self.hole.language.comment_start.match(last.lstrip()) or not self.is_sound(lines):
            return False
        parsed = self._parsed(lines)
        return parsed.num_errors <= self.hole.neutral.num_errors and not takes_what_follows(parsed)

    def _reached(self, lines: list[str]) -> list[str]:
        """The lines up to a statement that nothing can follow: it leaves the outermost block that is to be filled."""
        block = Block.of(self.hole.language, [*lines, self.hole.language.neutral_statement])
        for start, end in pairwise((0, *block.statement_lines)):
            if self._leaves_outermost(lines, start):
                return lines[: max(number for number in range(start, end) if block.code[number].strip()) + 1]
        return lines

    def _leaves_outermost(self, lines: list[str], start: int) -> bool:
        """Whether the statement that begins on a line is a `return` or its like, in no block within the outermost."""
        # Where braces make blocks, a label or a `case` may follow.
        ends_block = self.hole.language.block_end.match(lines[start].lstrip()) is not None
        depth = self.style.depth(lines[start]) if start else self._depth
        return ends_block and depth < self._floor + self.style.width

    def _first_statements(self, lines: list[str]) -> list[str]:
        """The lines of the requested number of statements, and the comments above them, as the parser sees them.

        If the lines below are deeper, only their header is missing.
        """
        below = Block.of(self.hole.language, lines).statement_lines
        if not below:
            return lines
        if self._wants_header:
            return lines[: below[0]]
        return lines[: leading_statement_lines(self._parsed(lines), self.hole.num_statements)]

    def _parsed(self, lines: list[str]) -> ParsedExcerpt:
        text = self.hole.placement.set("\n".join(lines))
        return self.hole.neutral.excerpt.parse(self.hole.edit(text))

    @property
    def first_words(self) -> tuple[str, ...]:
        """Words of which one must begin the text, if only a header fits the hole; empty if any text may.

        Between methods, such a header is a method's, unless it may be decorated: decorators begin with no word.
        """
        if self._methods_beside:
            is_plain = all(node.type in self.hole.language.functions for node in self._methods_beside)
            return tuple(sorted(self.hole.language.function_headers)) if is_plain else ()
        if self.hole.kind != "statement" or not self._wants_header:
            return ()
        language, depth = self.hole.language, self._depth
        above = map(self.hole.snapshot.lines.line_text, range(self.hole.first_line - 1, -1, -1))
        beside = next((line for line in above if line.strip() and self.style.depth(line) <= depth), "")
        may_go_on = self.style.depth(beside) == depth and first_word(beside) in language.claused | language.clauses
        return tuple(sorted(language.headers | (language.clauses if may_go_on else frozenset())))

    @cached_property
    def _methods_beside(self) -> list[Node]:
        """The two methods that the hole is between, where indentation makes a class; in braces none is taken apart."""
        beside = methods_beside(self.hole.neutral) if self.hole.language.is_indented else []
        return beside if len(beside) == 2 and self.hole.kind != "range" else []

    @property
    def _wants_header(self) -> bool:
        is_deeper = self._depth_below > self._depth
        return is_deeper and self.hole.language.is_indented

    def _within_block(self, lines: list[str]) -> list[str]:
        """The lines before the first statement that leaves the block, in a language where indentation makes blocks.

        No bracket is open where a definition begins: one that the text left open above is closed.
        """
        language = self.hole.language
        if not language.is_indented:
            return lines
        block = Block.of(language, lines)
        for number in range(1, len(lines)):
            if number in block.statement_lines:
                if self.style.depth(lines[number]) < self._floor:
                    return lines[:number]
            elif number not in block.literal_lines and language.definition_start.match(block.code[number].lstrip()):
                return with_brackets_closed(language, without_blank_ends(lines[:number]))
        return lines

    def _within_case(self, text: str) -> str:
        """The text before the label of another `case`, if the hole is what one does; its depth would mislead."""
        return before_label(self.hole.language, text) if self._is_in_case else text

    @cached_property
    def _is_in_case(self) -> bool:
        """Whether the hole is deeper than a `case` that it belongs to, where braces make the blocks."""
        depth = self._depth
        numbers = range(self.hole.first_line + (not self.hole.placement.starts_line))
        above = map(self.hole.snapshot.lines.line_text, reversed(numbers))
        opener = next((line for line in above if line.strip() and self.style.depth(line) < depth), "")
        language = self.hole.language
        return begins_label(opener) and not language.is_indented and language.words is None

    def _lines_below(self) -> list[str]:
        """The first lines after the hole's last line."""
        first, lines = self.hole.last_line + 1, self.hole.snapshot.lines
        last = min(first + MAX_SUFFIX_LINES, lines.num_lines)
        return [lines.line_text(line).rstrip() for line in range(first, last)]
