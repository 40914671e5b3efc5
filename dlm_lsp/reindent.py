"""Lines of a fill, moved as one block to the depth at which they belong.

A model may write a block at the document's depth, from column 0, or one level off; its first line, which continues
what is typed already, carries no depth of its own. Knows lines and columns; knows nothing about documents or holes.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from dlm_lsp.indentation import IndentStyle, indentation, masked, opens_block
from dlm_lsp.languages import Language

_ENDS_BLOCK = re.compile(r"(?:return|raise|break|continue)\b")
_BEGINS_DEFINITION = re.compile(r"@|(?:async\s+)?def\b|class\b|if __name__\b")
_CONTINUES_LINE_ABOVE = re.compile(r"[.?:&|+\-*/%<>=,)\]}]")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines without line breaks, and which of them say how deep they are.

    Attributes:
        language: What they are written in.
        lines: The first begins with its text; all others with their indentation.
        literal_lines: Lines that begin inside a string, whose indentation is content.
        statement_lines: Lines after the first that begin a statement: none of the above, no comment, no continuation.
    """

    language: Language
    lines: tuple[str, ...]
    literal_lines: frozenset[int]
    statement_lines: tuple[int, ...]

    @classmethod
    def of(cls, language: Language, lines: list[str]) -> "Block":
        """Tell the lines apart."""
        literal_lines = _literal_lines(language, "\n".join(lines))
        code = masked(language, "\n".join(lines)).split("\n")
        brackets = re.compile(r"[(\[{]|([)\]}])" if language.is_indented else r"[(\[]|([)\]])")
        statement_lines, depth = [], 0
        for number, line in enumerate(code):
            is_continued = number > 0 and code[number - 1].rstrip().endswith("\\")
            text = lines[number].lstrip()
            is_comment = not line.strip() and language.comment_start.match(text) is not None
            is_code = bool(text) and not is_comment and not text.startswith("}")
            if number and is_code and depth <= 0 and number not in literal_lines and not is_continued:
                statement_lines.append(number)
            depth += sum(-1 if match.group(1) else 1 for match in brackets.finditer(line))
        return cls(language, tuple(lines), literal_lines, tuple(statement_lines))


def reindented(block: Block, style: IndentStyle, indent: str, first_depth: int | None, floor: int) -> list[str]:
    """The lines with the first at `indent`, not written out, and the others shifted to fit it.

    Args:
        block: The lines; tabs and spaces may be mixed.
        style: How the document is indented.
        indent: Where the first line will stand.
        first_depth: Columns the model gave the first line; None when it only continued the text to its left.
        floor: Columns below which no statement may lie.
    """
    shift = _shift(block, style, style.columns(indent), first_depth, floor)
    lines = [block.lines[0].lstrip(" \t")]
    for number, line in enumerate(block.lines[1:], start=1):
        if number in block.literal_lines or not line.strip():
            lines.append(line)
        else:
            depth = style.columns(indentation(line)) + shift
            lines.append(style.whitespace(max(depth, 0)) + line.lstrip(" \t"))
    return lines


def _shift(block: Block, style: IndentStyle, target: int, first_depth: int | None, floor: int) -> int:
    """Columns to add to every line but the first, which is at `target`."""
    if first_depth:
        return target - first_depth
    if not block.statement_lines:
        return 0
    depths = [style.columns(indentation(block.lines[number])) for number in block.statement_lines]
    below, lowest = depths[0], min(depths)
    line_below = block.lines[block.statement_lines[0]].lstrip()
    is_continuation = not block.language.is_indented and bool(_CONTINUES_LINE_ABOVE.match(line_below))
    first_statement = "\n".join(block.lines[: block.statement_lines[0]])
    if opens_block(block.language, first_statement) and not is_continuation:
        if below <= target:
            return target + style.width - below
        return target - lowest if target < lowest < below else 0
    if below > target:
        return 0 if is_continuation else target - below
    return target - below if below < floor and not _leaves_block(block, first_statement, below) else 0


def _leaves_block(block: Block, first_statement: str, depth_below: int) -> bool:
    """Whether a second statement left of the first has left the block, rather than being written from column 0."""
    if not block.language.is_indented:
        return False
    line_below = block.lines[block.statement_lines[0]]
    return depth_below > 0 or bool(_ENDS_BLOCK.match(first_statement.lstrip()) or _BEGINS_DEFINITION.match(line_below))


def is_sound(block: Block, style: IndentStyle, depth: int, depth_below: int) -> bool:
    """Whether Python would accept the depths of the lines; its grammar for editors accepts more.

    Args:
        block: The lines.
        style: How the document is indented.
        depth: Columns of the first line.
        depth_below: Columns of the first line with text below the block.
    """
    levels, starts = [depth], [0, *block.statement_lines, len(block.lines)]
    for start, end in pairwise(starts):
        is_last = end == len(block.lines)
        below = depth_below if is_last else style.columns(indentation(block.lines[end]))
        if opens_block(block.language, "\n".join(block.lines[start:end])):
            if below <= levels[-1]:
                return False
            levels.append(below)
        elif not is_last:
            levels = [level for level in levels if level <= below] or [below]
            if levels[-1] != below:
                return False
    return True


def _literal_lines(language: Language, text: str) -> frozenset[int]:
    numbers: set[int] = set()
    for match in language.literal.finditer(text):
        is_comment = language.comment_start.match(match.group()) is not None
        if "\n" in match.group() and not is_comment:
            first = text.count("\n", 0, match.start())
            numbers.update(range(first + 1, first + match.group().count("\n") + 1))
    return frozenset(numbers)
