"""Where statements begin and end, by the parser and by their words: in a document, in a fill, in one being written.

Knows syntax trees and lines; knows nothing about holes or models.
"""

import re

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.block import Block
from dlm_lsp.holes.definitions import unwrapped
from dlm_lsp.holes.excerpts import NEARBY_BYTES, ParsedExcerpt
from dlm_lsp.holes.indentation import opens_block
from dlm_lsp.holes.unclosed import Unclosed, outermost_open, unclosed_between, with_brackets_closed, with_closers
from dlm_lsp.languages import Language
from dlm_lsp.languages.brace_words import CASE_LABEL

HEADERS_CHARS = 4 * NEARBY_BYTES
"""Characters above a place that are searched for what it stands in; many more than below it, where only what is found
above is closed.
"""

_FIRST_WORD = re.compile(r"\s*[@#]?(\w+)\W")
_WORD = re.compile(r"\s*(\w+)")
_MAY_GO_ON = re.compile(r"(?:async\s+)?(?:if|for|while|try|do)\b")
"""Matches the beginning of a statement that may go on on the next line, by `else` or the like."""


def is_simple(language: Language, lines: list[str]) -> bool:
    """Whether the only statement of some lines, all brackets closed, ends with its line."""
    code = language.code_only("\n".join(lines)).strip()
    if _MAY_GO_ON.match(code):
        return False
    if not language.is_indented:
        return code.endswith(";")
    return bool(code) and not language.comment_start.match(code) and not opens_block(language, code)


def begins_label(line: str) -> bool:
    """Whether a line begins with the label of a `case`."""
    return CASE_LABEL.match(line) is not None


def before_label(language: Language, text: str) -> str:
    """The text before the first label of a `case` that is in no bracket of it."""
    lines = text.split("\n")
    block = Block.of(language, lines)
    labels = (number for number in (0, *block.statement_lines) if begins_label(block.code[number]))
    return "\n".join(lines[: next(labels, None)])


def unclosed_around(parsed: ParsedExcerpt) -> Unclosed:
    """The braces and block words around an edit's text that are open before it and not closed after it.

    Where the parser makes nothing of the document, the excerpt may lack the headers of what it stands in: there they
    are looked for in the document itself.
    """
    snapshot, edit, text, shift = parsed.excerpt.snapshot, parsed.edit, parsed.source.text, parsed.shift
    end = edit.start + len(edit.text)
    if snapshot.tree.root_node.is_error:
        shift, end = max(edit.start - HEADERS_CHARS, 0), edit.end
        text = snapshot.text[shift : end + NEARBY_BYTES]
    return unclosed_between(snapshot.language, text[: edit.start - shift], text[end - shift :])


def lacks_brackets(parsed: ParsedExcerpt) -> bool:
    """Whether errors may come of brackets, or block words, that are not closed."""
    language, text = parsed.excerpt.snapshot.language, parsed.source.text
    has_words = language.words is not None or language.spare_words is not None
    return bool(parsed.num_errors) and (has_words or with_brackets_closed(language, [text]) != [text])


def completes_headers(snapshot: Snapshot, start: int, text: str) -> bool:
    """Whether a text goes on soundly from the headers above it, where the parser makes nothing of their document.

    An excerpt that lacks them takes what closes their blocks for errors. No error at all proves more: that all parses
    from the outermost header to the end of the text, once what is still open of the document is closed.
    """
    language = snapshot.language
    is_broken = snapshot.tree.root_node.is_error and not language.is_indented
    if not is_broken or outermost_open(language, text) < len(text):
        return False
    above = snapshot.text[max(start - HEADERS_CHARS, 0) : start]
    code = above[outermost_open(language, above) :] + text
    closed = "\n".join([language.code_tag, *with_closers(language, code.split("\n"), "")])
    return not language.parse(closed.encode("utf-8", "surrogatepass")).root_node.has_error


def leading_statement_lines(parsed: ParsedExcerpt, num_statements: int = 1) -> int | None:
    """How many lines of an edit's text hold its first statements, and the comments above that belong to them.

    None where it has no others, and where the parser makes nothing of one of them, so that nobody knows.
    """
    language, end, source = parsed.excerpt.snapshot.language, parsed.edit_end_byte, parsed.source.encoded
    statement = _statement_at(parsed, parsed.edit_byte)
    while statement is not None:
        if statement.has_error or end_of(source, statement) >= end:
            return None
        if statement.type not in language.comments | language.attributes:
            num_statements -= 1
        if not num_statements:
            return source.count(b"\n", parsed.edit_byte, end_of(source, statement)) + 1
        statement = _next_statement(language, statement)
    return None


def takes_what_follows(parsed: ParsedExcerpt) -> bool:
    """Whether a statement of an edit's text goes on after it, as one does that begins with a label or `static`."""
    language, end = parsed.excerpt.snapshot.language, parsed.edit_end_byte
    node = parsed.root.descendant_for_byte_range(parsed.edit_last_byte, parsed.edit_last_byte + 1)
    while node is not None and node.parent is not None and node.start_byte >= parsed.edit_byte:
        if not _is_bare_list(language, node) and end_of(parsed.source.encoded, node) > end:
            return True
        node = node.parent
    return False


def methods_beside(parsed: ParsedExcerpt) -> list[Node]:
    """The methods directly above and below an edit's text in a class, decorators included.

    The one above alone where nothing stands below. Empty where something else is on either side, or no method is above:
    fields and methods may both follow there.
    """
    language = parsed.excerpt.snapshot.language
    node = parsed.root.descendant_for_byte_range(parsed.edit_byte, parsed.edit_byte + 1)
    while node is not None and node.parent is not None and node.parent.type not in language.blocks:
        node = node.parent
    owner = node.parent.parent if node is not None and node.parent is not None else None
    if node is None or owner is None or owner.type not in language.containers:
        return []
    above, below = _nearest(language, node, is_above=True), _nearest(language, node, is_above=False)
    beside = [each for each in (above, below) if each is not None]
    are_methods = above is not None and all(unwrapped(language, each).type in language.functions for each in beside)
    return beside if are_methods else []


def _nearest(language: Language, node: Node, *, is_above: bool) -> Node | None:
    """The node beside another that is no comment."""
    beside = node.prev_named_sibling if is_above else node.next_named_sibling
    while beside is not None and beside.type in language.comments:
        beside = beside.prev_named_sibling if is_above else beside.next_named_sibling
    return beside


def statements_between(language: Language, root: Node, source: bytes, start: int, end: int) -> list[Node]:
    """The statements, definitions or items side by side that the bytes `[start, end)` are, blanks between, none cut.

    Without comments and what speaks of a definition below; empty where the bytes are anything else.
    """
    node = root.descendant_for_byte_range(start, start + 1)
    while node is not None and not _is_statement(language, node):
        goes_on = node.end_byte <= end and node.parent is not None and node.parent.start_byte == start
        node = node.parent if goes_on else None
    beside: list[Node] = []
    while node is not None and node.start_byte < end:
        beside.append(node)
        node = _beside(language, node)
    speaks_of_another = language.comments | language.attributes
    is_exact = bool(beside) and beside[0].start_byte == start and end_of(source, beside[-1]) == end
    return [each for each in beside if each.is_named and each.type not in speaks_of_another] if is_exact else []


def begins_statement(language: Language, line: str) -> bool:
    """Whether a line, however it continues, is a statement of its own, and no clause or operand of the line above."""
    first = _FIRST_WORD.match(line)
    return first is not None and first[1] not in language.clauses


def first_word(line: str) -> str:
    """The word that a line begins with; empty where it begins with none."""
    first = _WORD.match(line)
    return first[1] if first else ""


def _statement_at(parsed: ParsedExcerpt, byte: int) -> Node | None:
    """The outermost node that begins at a byte and is no block of statements."""
    language = parsed.excerpt.snapshot.language
    lists = language.blocks | language.statement_lists
    node = parsed.root.descendant_for_byte_range(byte, byte + 1)
    while node is not None and node.parent is not None and node.parent.start_byte == byte:
        if node.parent.parent is None or (node.is_named and node.parent.type in lists):
            break
        node = node.parent
    return node


def _next_statement(language: Language, statement: Node) -> Node | None:
    """The node beside another; after a comment that a block begins with, the block's first: it stands outside."""
    beside = statement.next_named_sibling
    return beside.named_child(0) if beside is not None and _is_bare_list(language, beside) else beside


def _beside(language: Language, node: Node) -> Node | None:
    """The node right of another, named or not; what a list without braces holds is beside the comments at its ends."""
    right = node.next_sibling
    if right is None and node.parent is not None and _is_bare_list(language, node.parent):
        right = node.parent.next_sibling
        return right if right is not None and right.type in language.comments else None
    return right.child(0) if right is not None and _is_bare_list(language, right) else right


def _is_bare_list(language: Language, node: Node) -> bool:
    """Whether a node is nothing but the statements in it, so that comments at its ends may stand outside."""
    return node.type in language.statement_lists | (language.blocks if language.is_indented else frozenset())


def _is_statement(language: Language, node: Node) -> bool:
    """Whether a node is a statement, a definition, an item of a list, or a comment among them."""
    if not node.is_named or node.parent is None or _is_bare_list(language, node):
        return False  # what opens a block or a condition
    behind: Node | None = node
    while behind is not None and behind.type in language.comments:
        behind = behind.next_sibling
    is_at_head = behind is not None and behind != node and _is_bare_list(language, behind)
    is_listed = _lists_statements(language, node.parent) and not _is_head(language, node)
    return is_at_head or is_listed or _is_item(language, node)


def _is_item(language: Language, node: Node) -> bool:
    """Whether a node stands in a list beside others, and is not what the list begins with."""
    owner = node.parent
    return owner is not None and owner.type in language.lists and owner.start_byte < node.start_byte


def _is_head(language: Language, node: Node) -> bool:
    """Whether a definition begins with a node: a modifier, or what is asked before something is compiled."""
    owner = node.parent
    return owner is not None and owner.type in language.containers and owner.start_byte == node.start_byte


def _lists_statements(language: Language, node: Node) -> bool:
    """Whether what stands in a node are statements or definitions: a block, a file, a class, what is compiled if."""
    if node.parent is None or node.type in language.blocks | language.statement_lists:
        return True
    if node.type in language.containers and language.body_of(node) is None:
        return True
    return node.parent.type in language.containers and language.body_of(node.parent) == node


def end_of(source: bytes, node: Node) -> int:
    """The byte after a node's last that is not blank: nodes of the preprocessor's lines have their line break."""
    return node.start_byte + len(source[node.start_byte : node.end_byte].rstrip())
