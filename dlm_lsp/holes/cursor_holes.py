"""Cursor → hole: which text a fill would replace.

An unwritten body of a function is one hole; its docstring and leading comments stay. A blank line among statements is a
hole for the next one, or, at the end of a block, for all remaining ones. Anywhere else, the hole is the text missing at
the cursor. Knows syntax trees, and nothing of models, budgets or LSP.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.definitions import ancestors
from dlm_lsp.holes.excerpts import Edit, Excerpt, ParsedExcerpt
from dlm_lsp.holes.hole import Hole, HoleKind, literal_around
from dlm_lsp.holes.indentation import (
    blank_line_indentation,
    block_indentation,
    indent_style,
    indentation,
    line_above,
    line_below,
    opens_block,
    opens_lambda,
)
from dlm_lsp.holes.scopes import Function, functions_around
from dlm_lsp.languages import Language
from dlm_lsp.languages.brackets import growth

_ENDS_HEADER = re.compile(r"(?:[|)]|\b(?:begin|do|else|ensure|in|repeat|then))\s*\Z")
"""Matches the end of a complete header, where words make the blocks."""

_OPENERS = ("{", "->", "in")
"""What opens a block, and the block of a lambda with parameters."""


@dataclass(frozen=True, slots=True)
class _Cursor:
    """An offset, and the text left and right of it on its line."""

    offset: int
    line: int
    line_start: int
    line_end: int
    left: str
    right: str

    @property
    def is_blank(self) -> bool:
        return not self.left.strip() and not self.right.strip()

    @property
    def gap_end(self) -> int:
        """The end of the line if nothing but whitespace is right of the cursor, or else the cursor."""
        return self.offset if self.right.strip() else self.line_end


def find_hole(snapshot: Snapshot, offset: int) -> Hole:
    """The hole at a cursor; an offset outside the text is moved to its nearest end."""
    cursor = _cursor(snapshot, offset)
    for parsed in _probes(snapshot, cursor) if snapshot.language.functions else ():
        hole = _body_at(snapshot, cursor, parsed)
        if hole is not None:
            return hole
    return Hole(snapshot, cursor.offset, cursor.gap_end, _kind_at(snapshot, cursor))


def _cursor(snapshot: Snapshot, offset: int) -> _Cursor:
    offset = max(0, min(offset, len(snapshot.text)))
    line = snapshot.lines.line_of(offset)
    start, end = snapshot.lines.line_start(line), snapshot.lines.line_end(line)
    offset = min(offset, end)
    return _Cursor(offset, line, start, end, snapshot.text[start:offset], snapshot.text[offset:end])


def _kind_at(snapshot: Snapshot, cursor: _Cursor) -> HoleKind:
    """What a hole is at a cursor that is in no body to be written."""
    if literal_around(snapshot, cursor.offset, cursor.offset) is not None:
        return "line"
    if not cursor.is_blank:
        return "statements" if _opens_empty_block(snapshot, cursor) else "line"
    return gap_kind(snapshot, cursor.line, blank_line_indentation(snapshot, cursor.line, cursor.left))


def gap_kind(snapshot: Snapshot, line: int, indent: str) -> HoleKind:
    """The kind of a hole in place of statements that end with a line: `statement` if their block goes on below."""
    below = line_below(snapshot, line)
    if below is None or snapshot.language.closes(snapshot.lines.line_text(below)):
        return "statements"
    style = indent_style(snapshot, line)
    goes_on = style.depth(snapshot.lines.line_text(below)) >= style.columns(indent)
    return "statement" if goes_on else "statements"


def _opens_empty_block(snapshot: Snapshot, cursor: _Cursor) -> bool:
    """Whether a block begins just left of a cursor, and nothing stands in it yet."""
    if snapshot.language.is_indented:
        return _is_indented_block_missing(snapshot, cursor)
    if snapshot.language.words and not cursor.left.rstrip().endswith("{"):
        return _is_worded_block_missing(snapshot, cursor)
    if not cursor.left.rstrip().endswith("{") and not opens_lambda(snapshot.language, cursor.left):
        return False
    excerpt = Excerpt.around(snapshot, cursor.line_start, cursor.line_end)
    parsed = excerpt.parse(Edit(cursor.offset, cursor.offset, ""))
    block = _block_at(snapshot.language, parsed, parsed.edit_byte - 1)
    return block is not None and not _is_written(block, parsed.edit_byte)


def _is_worded_block_missing(snapshot: Snapshot, cursor: _Cursor) -> bool:
    """Whether a line ends at the cursor that begins a block, and the line below is not in it."""
    code = snapshot.language.code_only(cursor.left)
    if cursor.right.strip() or not (_ENDS_HEADER.search(code) and opens_block(snapshot.language, code)):
        return False
    below, style = line_below(snapshot, cursor.line), indent_style(snapshot, cursor.line)
    text_below = snapshot.lines.line_text(below) if below is not None else ""
    return style.depth(text_below) <= style.depth(cursor.left)


def _is_indented_block_missing(snapshot: Snapshot, cursor: _Cursor) -> bool:
    """Whether a line ends at the cursor that begins a block, the parser agrees, and the lines below are in none."""
    language, code = snapshot.language, snapshot.language.code_only(cursor.left)
    is_in_bracket = growth(code) > 0
    if cursor.right.strip() or is_in_bracket or not opens_block(language, code):
        return False
    depth, below = block_indentation(snapshot, cursor.line + 1), line_below(snapshot, cursor.line)
    if below is not None and snapshot.lines.line_text(below).startswith(depth):
        return False
    excerpt = Excerpt.around(snapshot, cursor.line_start, cursor.line_end)
    parsed = excerpt.parse(Edit(cursor.offset, cursor.line_end, f"\n{depth}{language.neutral_statement}"))
    block = _block_at(language, parsed, parsed.edit_byte)
    return block is not None and block.start_byte == parsed.edit_byte


def _block_at(language: Language, parsed: ParsedExcerpt, byte: int) -> Node | None:
    """The innermost block around a byte."""
    return next(ancestors(parsed.root.descendant_for_byte_range(byte, byte + 1), language.blocks), None)


def _is_written(block: Node, byte: int) -> bool:
    """Whether braces hold anything, or a place is not between them."""
    before = [node for node in block.children if node.end_byte <= byte]
    after = block.children[len(before) :]
    is_between = bool(before and after) and before[-1].type in _OPENERS and after[0].type == "}"
    return not is_between or after[0].start_byte < byte or after[0].is_missing


def _probes(snapshot: Snapshot, cursor: _Cursor) -> Iterator[ParsedExcerpt]:
    """Parses of what surrounds the cursor.

    Where indentation makes the blocks, an empty line belongs to no block and a comment ends none: only a statement
    in the place of the cursor shows which function it would be in.
    """
    excerpt = Excerpt.around(snapshot, cursor.line_start, cursor.line_end)
    for edit in _probe_edits(snapshot, cursor):
        yield excerpt.parse(edit)


def _probe_edits(snapshot: Snapshot, cursor: _Cursor) -> Iterator[Edit]:
    language, as_is = snapshot.language, Edit(cursor.offset, cursor.offset, "")
    if not language.is_indented:
        yield as_is
    elif cursor.is_blank:
        depths = [blank_line_indentation(snapshot, cursor.line, cursor.left)]
        above = line_above(snapshot, cursor.line)
        if not cursor.left and above is not None and above >= cursor.line - 2:
            depths.append(block_indentation(snapshot, cursor.line))
        for depth in dict.fromkeys(depths):
            yield Edit(cursor.line_start, cursor.line_end, depth + language.neutral_statement)
    else:
        yield as_is
        if language.comment_start.match(cursor.left.lstrip()) and not cursor.right.strip():
            next_line = f"\n{indentation(cursor.left)}{language.neutral_statement}"
            yield Edit(cursor.offset, cursor.line_end, next_line)


def _body_at(snapshot: Snapshot, cursor: _Cursor, parsed: ParsedExcerpt) -> Hole | None:
    """The body hole of the innermost function around the cursor, if the body is unwritten."""
    byte = parsed.edit_byte
    functions = functions_around(snapshot.language, parsed.root, byte)
    if not functions:
        return None
    function = functions[-1]
    statements = [node for node in function.statements if not (parsed.edit.text and node.start_byte == byte)]
    is_written = not all(is_placeholder(snapshot, parsed.source.text_of(node)) for node in statements)
    is_in_note = any(node.start_byte < byte < node.end_byte for node in function.notes)
    if is_written or is_in_note:
        return None
    opened, closing = parsed.to_offset(function.opened), parsed.to_offset(function.closing)
    if statements:
        start, end = parsed.to_offset(statements[0].start_byte), parsed.to_offset(statements[-1].end_byte)
        return body_hole(snapshot, *_joined_with_cursor(snapshot, cursor, start, end), opened, closing)
    if cursor.right.strip() and byte != function.opened and not _is_before_closing(parsed, function, byte):
        return None
    return body_hole(snapshot, cursor.offset, cursor.gap_end, opened, closing)


def _joined_with_cursor(snapshot: Snapshot, cursor: _Cursor, start: int, end: int) -> tuple[int, int]:
    """Placeholder statements, and the blank line that the cursor is on when nothing else lies between.

    Below them, it is the very next line alone, and that only if it is indented like them: other blank lines separate
    the function from what follows.
    """
    if not cursor.is_blank:
        return start, end
    text, lines = snapshot.text, snapshot.lines
    if cursor.offset < start and not text[cursor.offset : start].strip():
        return cursor.offset, end
    depth = text[lines.line_start(lines.line_of(start)) : start]
    is_next_line = cursor.line == lines.line_of(end) + 1 and not text[end : cursor.offset].strip()
    if is_next_line and (cursor.left + cursor.right).startswith(depth):
        return start, cursor.line_end
    return start, end


def body_hole(snapshot: Snapshot, start: int, end: int, opened: int, closing: int) -> Hole:
    """The body hole `[start, end)` of a function that opens and closes at two offsets.

    It includes the blanks that separate it from the header and the closer on the same lines, and a comment after a
    placeholder, which belongs to the placeholder.
    """
    before, after = snapshot.text[opened:start], snapshot.text[end:closing]
    if opened <= start and not before.strip() and not _has_line_break(before):
        start = opened
    rest_of_line = snapshot.text[end : snapshot.lines.line_end(snapshot.lines.line_of(end))]
    if snapshot.language.comment_start.match(rest_of_line.strip()) and not after.startswith(("\n", "\r")):
        end += len(rest_of_line)
    elif end <= closing and not after.strip() and not _has_line_break(after):
        end = closing
    return Hole(snapshot, start, max(start, end), "body")


def is_placeholder(snapshot: Snapshot, statement: str) -> bool:
    """Whether a statement only stands in for code that is missing."""
    return not statement.strip(";") or bool(snapshot.language.placeholder.fullmatch(statement))


def _is_before_closing(parsed: ParsedExcerpt, function: Function, byte: int) -> bool:
    return not parsed.source.encoded[byte : function.closing].strip() and function.is_closed


def _has_line_break(text: str) -> bool:
    return "\n" in text or "\r" in text
