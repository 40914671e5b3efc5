"""Syntax trees of training text, for holes that are whole bodies, statements or expressions.

The kinds follow from the tree's shape, so one rule serves all grammars. A body is the field `body` of a node; if a
grammar has no such field, its kinds are listed. A statement is a child of a body or of the file. Every other named node
with something inside is an expression. A window rarely parses as a whole. tree-sitter goes on after an error, and nodes
that hold one are never cut.
"""

import importlib
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from tree_sitter import Language, Node, Parser, Tree

Kind = Literal["body", "statement", "expression"]

GRAMMARS: dict[str, tuple[str, str]] = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "php": ("tree_sitter_php", "language_php_only"),  # a window begins behind the tag without which no code is seen
    "scala": ("tree_sitter_scala", "language"),
    "swift": ("tree_sitter_swift", "language"),
}
"""Languages that are learned: the module and the function that give the grammar."""

_BODIES = {"kotlin": frozenset({"block", "class_body", "enum_class_body"}), "swift": frozenset({"statements"})}
"""Node kinds that are bodies, where a grammar has no field of that name for them."""

SUFFIXES = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".c": "c",
    ".h": "cpp",  # whose grammar reads C, too, but for a few names that are words of C++
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hpp": "cpp",
    ".cs": "csharp",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".php": "php",
    ".scala": "scala",
    ".swift": "swift",
}


class SyntaxSpan(NamedTuple):
    """A node's range in characters."""

    kind: Kind
    start: int
    end: int


def language_of(path: str) -> str | None:
    """The language of a file by the end of its name; None for what is not learned."""
    return SUFFIXES.get(PurePosixPath(path).suffix.lower())


@cache
def parser_of(language: str) -> Parser:
    """A parser of one of `GRAMMARS`.

    Raises:
        ValueError: the grammar is not installed.
    """
    module, function = GRAMMARS[language]
    try:
        grammar = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"{language} needs its grammar: pip install {module.replace('_', '-')}") from error
    return Parser(Language(getattr(grammar, function)()))


def error_share(text: str, language: str) -> float:
    """The share of a text, in bytes, that its grammar makes nothing of."""
    encoded = text.encode("utf-8")
    unread, nodes = 0, [parser_of(language).parse(encoded).root_node]
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            unread += max(1, node.end_byte - node.start_byte)
        elif node.has_error:
            nodes += node.children
    return unread / max(1, len(encoded))


def spans_around(text: str, language: str, offset: int) -> list[SyntaxSpan]:
    """The nodes around a character, innermost first, that are worth cutting out: no names, no errors, not the file."""
    encoded = text.encode("utf-8")
    point = len(text[:offset].encode("utf-8"))
    node = _parse(encoded, language).root_node.descendant_for_byte_range(point, point)
    return [
        SyntaxSpan(kind, len(encoded[: node.start_byte].decode("utf-8")), len(encoded[: node.end_byte].decode("utf-8")))
        for node, kind in _climb(node, language)
    ]


@lru_cache(maxsize=1)  # Holes are cut out of one window after the other.
def _parse(encoded: bytes, language: str) -> Tree:
    return parser_of(language).parse(encoded)


def _climb(node: Node | None, language: str) -> Iterator[tuple[Node, Kind]]:
    while node is not None and node.parent is not None:
        parent = node.parent
        if node.is_named and node.child_count and not node.has_error:
            yield node, _kind(node, parent, language)
        node = parent


def _kind(node: Node, parent: Node, language: str) -> Kind:
    if _is_body(node, parent, language):
        return "body"
    grandparent = parent.parent
    is_in_body = grandparent is None or _is_body(parent, grandparent, language)
    return "statement" if is_in_body else "expression"


def _is_body(node: Node, parent: Node, language: str) -> bool:
    return node.type in _BODIES.get(language, ()) or parent.child_by_field_name("body") == node
