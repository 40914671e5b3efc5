"""Definitions in a syntax tree: those around a node, and where a body opens.

Byte offsets throughout; knows nothing about documents.
"""

from collections.abc import Iterator, Set

from tree_sitter import Node

from dlm_lsp.languages import Language

_HEADER_FIELDS = ("name", "parameters", "superclass", "value")
"""Fields of what stands between the first word of a definition and its body."""


def ancestors(node: Node | None, kinds: Set[str]) -> Iterator[Node]:
    """A node and all that it stands in, the innermost first: those of some kinds."""
    while node is not None:
        if node.type in kinds:
            yield node
        node = node.parent


def unwrapped(language: Language, node: Node) -> Node:
    """The definition inside decorators, an export, or a template head."""
    while node.type in language.wrappers and node.named_children:
        node = node.named_children[-1]
    return node


def opened_at(definition: Node, body: Node | None) -> int:
    """The byte just after what opens a body: its brace, the colon before it, or the header where a word closes it."""
    brace = next((child for child in body.children if child.type == "{"), None) if body is not None else None
    if brace is not None and not is_worded(definition):
        return brace.end_byte
    if is_worded(definition):
        named = (definition.child_by_field_name(field) for field in _HEADER_FIELDS)
        return max([definition.children[0].end_byte, *(node.end_byte for node in named if node is not None)])
    assert body is not None, "only a word closes what has no body"
    colons = [
        child.end_byte for child in definition.children if child.type == ":" and child.end_byte <= body.start_byte
    ]
    return colons[-1] if colons else body.start_byte


def is_worded(definition: Node) -> bool:
    """Whether a word closes a definition; its body is no node while there is nothing in it."""
    last = definition.children[-1] if definition.child_count else None
    return last is not None and last.type == "end"
