"""Indentation: what a document uses, and what a line should have.

Reads lines of a snapshot; knows nothing about holes, models or LSP.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.definitions import ancestors
from dlm_lsp.languages import Language
from dlm_lsp.languages.brackets import growth

STYLE_WINDOW = 100
"""Lines on each side that tell the style: files may mix, and nearby lines matter most."""

STATEMENT_WINDOW = 60
"""Lines that one statement is taken to span at most."""

DEFAULT_TAB_WIDTH = 4
"""Columns of a tab where a line mixes tabs and spaces, or the model writes one into spaces."""

MIXED_TAB_WIDTH = 8
"""Columns of a tab where a document writes shallow lines with spaces and deep ones with tabs."""

_BODY_FIELDS = ("body", "consequence")
_LAMBDA_HEAD = re.compile(r"\{[^{}]*(?:->|\bin)\Z")
_INDENTATIONS = re.compile(r"(?:^|(?<=[\r\n]))([ \t]+|(?=[^\r\n]))")
_OPENED = re.compile(r"\{[ \t]*(?://[^\r\n{]*)?[\r\n](?:[ \t]*(?:\w+:[ \t]*)?[\r\n])*([ \t]*)(?=\S)")
"""Matches a brace at the end of a line, and the indentation of the next line that is no label and not empty."""


@dataclass(frozen=True)
class IndentStyle:
    r"""One level of indentation.

    Attributes:
        unit: A tab, or some spaces.
        tab_width: Columns of a tab.
    """

    unit: str
    tab_width: int = DEFAULT_TAB_WIDTH

    @property
    def width(self) -> int:
        """Columns of one level."""
        return self.columns(self.unit)

    @property
    def _writes_tabs(self) -> bool:
        return self.unit == "\t" or self.tab_width == MIXED_TAB_WIDTH

    def columns(self, whitespace: str) -> int:
        """How wide some leading whitespace is."""
        return sum(self.tab_width if character == "\t" else 1 for character in whitespace)

    def depth(self, line: str) -> int:
        """Columns at which the text of a line begins."""
        return self.columns(indentation(line))

    def whitespace(self, columns: int) -> str:
        """Leading whitespace of a depth, written as the document writes it."""
        if not self._writes_tabs:
            return " " * columns
        return "\t" * (columns // self.tab_width) + " " * (columns % self.tab_width)


def indentation(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_style(snapshot: Snapshot, line: int) -> IndentStyle:
    """The style around a line: tabs if most indented lines begin with one, else the commonest step into a block.

    Where braces make blocks, continuation lines are deeper as well, by any amount: there, only lines after an opening
    brace count.
    """
    lines = snapshot.lines
    first, last = max(line - STYLE_WINDOW, 0), min(line + STYLE_WINDOW, lines.num_lines - 1)
    start, end = lines.line_start(first), lines.line_end(last)
    depths = _INDENTATIONS.findall(snapshot.text, start, end)
    tabs = sum(depth.startswith("\t") for depth in depths)
    spaces = [len(depth) for depth in depths if depth.startswith("  ")]
    if tabs > len(spaces):
        return IndentStyle("\t")
    tab_width = MIXED_TAB_WIDTH if tabs and max(spaces) < MIXED_TAB_WIDTH else DEFAULT_TAB_WIDTH
    pairs = [] if snapshot.language.is_indented else _around_openers(snapshot, start, end)
    columns = [[len(depth.expandtabs(tab_width)) for depth in pair] for pair in pairs or pairwise(depths)]
    steps = Counter(below - above for above, below in columns)
    unit = max((2, 3, 4, 8), key=lambda step: steps[step])
    return IndentStyle(" " * unit if steps[unit] else snapshot.language.indent, tab_width)


def _around_openers(snapshot: Snapshot, start: int, end: int) -> list[tuple[str, str]]:
    """The indentation of each line that a brace ends, and of the line below it."""
    found, lines = _OPENED.finditer(snapshot.text, start, end), snapshot.lines
    return [(indentation(lines.line_text(lines.line_of(match.start()))), match.group(1)) for match in found]


def opens_block(language: Language, line: str) -> bool:
    """Whether the next line should be deeper than this one."""
    return language.opening.search(language.code_only(line)) is not None or opens_lambda(language, line)


def opens_lambda(language: Language, line: str) -> bool:
    """Whether a line ends with the parameters that stand behind the brace of a lambda: `{ x ->`, `{ x in`."""
    return not language.is_indented and _LAMBDA_HEAD.search(language.code_only(line).rstrip()) is not None


def statement_indentation(snapshot: Snapshot, line: int, code: str) -> str:
    """The indentation of the statement that a line belongs to, `code` being as much of the line as is meant."""
    header_line = _header_line(snapshot, line, code)
    return indentation(snapshot.lines.line_text(_statement_line(snapshot, header_line)))


def indentation_after(snapshot: Snapshot, line: int, code: str) -> str:
    """The indentation of a statement that follows a line, deeper if the line opens a block.

    Args:
        snapshot: The document.
        line: The line above the statement.
        code: As much of its text as stays above the statement.
    """
    depth = statement_indentation(snapshot, line, code)
    return depth + indent_style(snapshot, line).unit if opens_block(snapshot.language, code) else depth


def block_indentation(snapshot: Snapshot, line: int) -> str:
    """The indentation of a statement on `line` that continues the block the text above belongs to, or opens."""
    above = line_above(snapshot, line)
    return indentation_after(snapshot, above, snapshot.lines.line_text(above)) if above is not None else ""


def blank_line_indentation(snapshot: Snapshot, line: int, typed: str) -> str:
    """The indentation a statement on a blank line should have, of which `typed` already stands there."""
    deepest, style = block_indentation(snapshot, line), indent_style(snapshot, line)
    above = line_above(snapshot, line)
    text_above = snapshot.lines.line_text(above) if above is not None else ""
    if above is not None and opens_block(snapshot.language, text_above):
        opener = statement_indentation(snapshot, above, text_above)
        if snapshot.language.nests_freely and (typed or _lists_below(snapshot, line, opener)):
            return typed or opener
        return typed if style.columns(typed) > style.columns(opener) else deepest
    return typed or min(deepest, _indentation_below(snapshot, line, style), key=style.columns)


def _lists_below(snapshot: Snapshot, line: int, indent: str) -> bool:
    """Whether the items of a list that is no deeper than its key go on below a line."""
    below = line_below(snapshot, line)
    return below is not None and snapshot.lines.line_text(below).startswith(f"{indent}- ")


def line_above(snapshot: Snapshot, line: int) -> int | None:
    """The nearest line above with text on it."""
    numbers = range(line - 1, -1, -1)
    return next((number for number in numbers if snapshot.lines.line_text(number).strip()), None)


def line_below(snapshot: Snapshot, line: int) -> int | None:
    """The nearest line below with text on it."""
    numbers = range(line + 1, snapshot.lines.num_lines)
    return next((number for number in numbers if snapshot.lines.line_text(number).strip()), None)


def _indentation_below(snapshot: Snapshot, line: int, style: IndentStyle) -> str:
    below = line_below(snapshot, line)
    text = snapshot.lines.line_text(below) if below is not None else ""
    is_closing = snapshot.language.closes(text)
    return indentation(text) + (style.unit if is_closing else "")


def _header_line(snapshot: Snapshot, line: int, code: str) -> int:
    """The line on which the definition or statement begins whose brace ends the code, unless the brace stands alone.

    Where a header takes several lines, the last of them is often deeper, and the body is not relative to it.
    """
    code = snapshot.language.code_only(code).rstrip()
    if not code.endswith("{") or code.strip() == "{":
        return line
    byte = snapshot.to_byte(snapshot.lines.line_start(line) + len(code) - 1)
    brace = snapshot.tree.root_node.descendant_for_byte_range(byte, byte + 1)
    owner = _owner(snapshot.language, brace.parent) if brace is not None and brace.parent is not None else None
    return line if owner is None else min(line, snapshot.lines.line_of(snapshot.to_offset(owner.start_byte)))


def _owner(language: Language, body: Node) -> Node | None:
    """The definition or statement that some braces are the body of, if they are one."""
    if body.type in language.blocks and body.children[0].type != "{":
        return body
    owner = body.parent
    if owner is None or body.type not in language.bodies:
        is_body = owner is not None and body in [owner.child_by_field_name(name) for name in _BODY_FIELDS]
        return owner if is_body else None
    return owner.parent if owner.type in language.bodies else owner


def _statement_line(snapshot: Snapshot, line: int) -> int:
    """The line on which the statement begins that ends on `line`: up through open brackets and long strings."""
    openers = "([{" if snapshot.language.is_indented else "(["
    depth, lowest = 0, max(line - STATEMENT_WINDOW, 0)
    while True:
        line = _string_line(snapshot, line)
        code = snapshot.language.code_only(snapshot.lines.line_text(line))
        depth -= growth(code, openers)
        if depth <= 0 or line <= lowest:
            return line
        line -= 1


def _string_line(snapshot: Snapshot, line: int) -> int:
    """The line on which the string begins that the last character of `line` belongs to; else `line` itself."""
    start, text = snapshot.lines.line_start(line), snapshot.lines.line_text(line)
    if not any(quote in text for quote in "\"'`"):
        return line
    byte = snapshot.to_byte(start + max(len(text.rstrip()) - 1, 0))
    innermost = snapshot.tree.root_node.descendant_for_byte_range(byte, byte + 1)
    string = next(ancestors(innermost, snapshot.language.strings), None)
    return line if string is None else min(line, snapshot.lines.line_of(snapshot.to_offset(string.start_byte)))
