"""Where one statement ends, as the parser sees it: of a finished text, and of one that is still being written.

Knows syntax trees and lines; knows nothing about holes or models.
"""

import re

from tree_sitter import Node

from dlm_lsp.excerpts import ParsedExcerpt

_FIRST_WORD = re.compile(r"\s*[@#]?(\w+)\W")
_CLAUSES = frozenset({"else", "elif", "except", "finally", "catch"})


def first_statement_lines(parsed: ParsedExcerpt) -> int | None:
    """How many lines of an edit's text are its first statement and what speaks of it above; None where it has no other.

    Where the parser makes nothing of the statement, that is not known either.
    """
    language, start, end = parsed.excerpt.snapshot.language, parsed.edit_byte, parsed.edit_end_byte
    statement = _statement_at(parsed, start)
    while statement is not None and statement.type in language.comments | language.attributes:
        statement = statement.next_named_sibling
    if statement is None or statement.has_error or statement.end_byte >= end:
        return None
    return parsed.source.encoded.count(b"\n", start, statement.end_byte) + 1


def begins_statement(line: str) -> bool:
    """Whether a line, however it goes on, is a statement of its own, and no clause or operand of the one above."""
    first = _FIRST_WORD.match(line)
    return first is not None and first[1] not in _CLAUSES


def _statement_at(parsed: ParsedExcerpt, byte: int) -> Node | None:
    """The outermost node that begins at a byte and is no block of them."""
    language = parsed.excerpt.snapshot.language
    lists = language.blocks | language.statement_lists
    node = parsed.root.descendant_for_byte_range(byte, byte + 1)
    while node is not None and node.parent is not None and node.parent.start_byte == byte:
        if node.parent.parent is None or (node.is_named and node.parent.type in lists):
            break
        node = node.parent
    return node
