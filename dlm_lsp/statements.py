"""Where statements begin and end, as the parser sees it: in a document, in a fill, in one that is still being written.

Knows syntax trees and lines; knows nothing about holes or models.
"""

import re

from tree_sitter import Node

from dlm_lsp.excerpts import ParsedExcerpt
from dlm_lsp.languages import Language

_FIRST_WORD = re.compile(r"\s*[@#]?(\w+)\W")
_WORD = re.compile(r"\s*(\w+)")
_CLAUSES = frozenset({"else", "elif", "except", "finally", "catch"})


def leading_statement_lines(parsed: ParsedExcerpt, num_statements: int = 1) -> int | None:
    """How many lines of an edit's text are its first statements and what speaks of them above.

    None where it has no others; where the parser makes nothing of one of them, that is not known either.
    """
    language, end = parsed.excerpt.snapshot.language, parsed.edit_end_byte
    statement = _statement_at(parsed, parsed.edit_byte)
    while statement is not None:
        if statement.has_error or statement.end_byte >= end:
            return None
        num_statements -= statement.type not in language.comments | language.attributes
        if not num_statements:
            return parsed.source.encoded.count(b"\n", parsed.edit_byte, statement.end_byte) + 1
        statement = _next_statement(language, statement)
    return None


def statements_between(language: Language, root: Node, start: int, end: int) -> list[Node]:
    """The statements and definitions side by side that the bytes `[start, end)` are, blanks between them, none cut.

    Without comments and what speaks of a definition below; empty where the bytes are anything else.
    """
    node = root.descendant_for_byte_range(start, start + 1)
    while node is not None and node.parent is not None and node.parent.start_byte == start and node.end_byte <= end:
        if _lists_statements(language, node.parent):
            break
        node = node.parent
    if node is None or node.parent is None or not _lists_statements(language, node.parent):
        return []
    beside: list[Node] = []
    while node is not None and node.start_byte < end:
        beside.append(node)
        node = node.next_sibling
    speaks_of_another = language.comments | language.attributes
    is_exact = beside[0].start_byte == start and beside[-1].end_byte == end
    return [each for each in beside if each.is_named and each.type not in speaks_of_another] if is_exact else []


def begins_statement(line: str) -> bool:
    """Whether a line, however it goes on, is a statement of its own, and no clause or operand of the one above."""
    first = _FIRST_WORD.match(line)
    return first is not None and first[1] not in _CLAUSES


def first_word(line: str) -> str:
    """The word that a line begins with; empty where it begins with none."""
    first = _WORD.match(line)
    return first[1] if first else ""


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


def _next_statement(language: Language, statement: Node) -> Node | None:
    """The node beside another; behind a comment that a block begins with, the block's first: it stands outside."""
    lists = language.statement_lists | (language.blocks if language.is_indented else frozenset())
    beside = statement.next_named_sibling
    return beside.named_child(0) if beside is not None and beside.type in lists else beside


def _lists_statements(language: Language, node: Node) -> bool:
    """Whether what stands in a node are statements or definitions: a block, a file, a class, what is compiled if."""
    if node.parent is None or node.type in language.blocks | language.statement_lists | language.containers:
        return True
    return node.parent.type in language.containers and node.parent.child_by_field_name("body") == node
