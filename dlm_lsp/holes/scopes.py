"""Functions in a syntax tree: where they open and close, what stands in them, and what they are called.

Also the definitions around an edit. Byte offsets throughout; knows nothing about cursors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Node, QueryCursor

from dlm_lsp.documents.document import SourceText
from dlm_lsp.holes.definitions import ancestors, is_worded, opened_at
from dlm_lsp.holes.excerpts import ParsedExcerpt
from dlm_lsp.holes.indentation import indentation
from dlm_lsp.languages import Language

_NAME_FIELDS = ("name", "key", "left", "property")
_NAMING_PARENTS = frozenset(
    {
        *(
            "assignment_expression",
            "field",
            "field_definition",
            "pair",
            "property_declaration",
            "public_field_definition",
        ),
        "variable_declarator",
    }
)


@dataclass(frozen=True, eq=False)
class Function:
    """A function whose body holds statements.

    Attributes:
        language: The language it is written in.
        node: The definition, without decorators.
        body: Its body; None for an empty one that a word closes.
    """

    language: Language
    node: Node
    body: Node | None

    @cached_property
    def opened(self) -> int:
        """Just after the brace, the colon or the header that opens the body."""
        return opened_at(self.node, self.body)

    @cached_property
    def closing(self) -> int:
        """Where the closing brace or word begins; the end of the body where there is none."""
        if self._closer is not None:
            return self._closer.start_byte
        return max(self.body.end_byte, self.opened) if self.body is not None else self.opened

    @property
    def is_closed(self) -> bool:
        """Whether a brace or a word closes the body."""
        return self._closer is not None and not self._closer.is_missing

    @cached_property
    def _closer(self) -> Node | None:
        if is_worded(self.node):
            return self.node.children[-1]
        last = self.body.children[-1] if self.body is not None and self.body.child_count else None
        return last if last is not None and last.type == "}" else None

    @cached_property
    def items(self) -> list[Node]:
        """Comments and statements of the body in order, and comments around the block between what opens and closes."""
        inner = [] if self.body is None else [*_flattened(self.language, self.body)]
        around = (node for node in self.node.named_children if node != self.body)
        found = {node.id: node for node in (*around, *inner) if self.opened <= node.start_byte < self.closing}
        return sorted(found.values(), key=lambda node: node.start_byte)

    @cached_property
    def docstring(self) -> Node | None:
        """The string statement that a Python body begins with."""
        if not self.language.is_indented:
            return None
        first = next((node for node in self.items if node.type not in self.language.comments), None)
        is_string = first is not None and first.named_child_count == 1
        return first if is_string and first and first.named_children[0].type in self.language.strings else None

    @cached_property
    def notes(self) -> list[Node]:
        """The docstring and every comment directly in the body."""
        return [node for node in self.items if self._is_note(node)]

    @cached_property
    def statements(self) -> list[Node]:
        """The body without docstring and comments."""
        return [node for node in self.items if not self._is_note(node)]

    def _is_note(self, node: Node) -> bool:
        return node.type in self.language.comments or node == self.docstring

    def qualified_name(self, source: SourceText) -> tuple[str, ...]:
        """Names of the classes and functions around it, outermost first, then its own; empty if it has none.

        Args:
            source: The text as it stands.
        """
        own = _name(self.language, source, self.node)
        if not own:
            return ()
        parts = [*_receiver(source, self.node), *own]
        for around in ancestors(self.node.parent, self.language.containers | self.language.functions):
            parts = [*_name(self.language, source, around), *parts]
        return tuple(parts)


def functions_in(language: Language, root: Node) -> Iterator[Function]:
    """Every function below a node, in the order in which they begin."""
    if language.functions:
        yield from _functions(language, QueryCursor(language.functions_query), root)


def functions_around(language: Language, root: Node, byte: int) -> list[Function]:
    """The functions whose bodies a place lies in, outermost first; both ends of a body belong to it."""
    if not language.functions:
        return []
    cursor = QueryCursor(language.functions_query)
    cursor.set_byte_range(max(byte - 1, 0), byte + 1)
    functions = _functions(language, cursor, root)
    return [function for function in functions if function.opened <= byte <= function.closing]


def definitions_around(parsed: ParsedExcerpt) -> list[Node]:
    """Functions and containers around the edit, innermost first; those the excerpt itself stands in left out."""
    language = parsed.excerpt.snapshot.language
    innermost = parsed.root.descendant_for_byte_range(parsed.edit_byte, parsed.edit_byte)
    around = ancestors(innermost, language.functions | language.containers)
    return [node for node in around if parsed.shift + parsed.source.to_offset(node.start_byte) >= parsed.excerpt.start]


def header_indentation(parsed: ParsedExcerpt) -> str | None:
    """The indentation of the innermost definition around an edit; None at the top level."""
    snapshot = parsed.excerpt.snapshot
    definitions = definitions_around(parsed)
    if definitions:
        start = parsed.to_offset(definitions[0].start_byte)
    elif parsed.excerpt.containers:
        start = snapshot.to_offset(parsed.excerpt.containers[-1].opened - 1)
    else:
        return None
    return indentation(snapshot.lines.line_text(snapshot.lines.line_of(start)))


def _functions(language: Language, cursor: QueryCursor, root: Node) -> Iterator[Function]:
    nodes = cursor.captures(root).get("function", [])
    for node in sorted(nodes, key=lambda node: (node.start_byte, -node.end_byte)):
        body = language.body_of(node)
        if (body is None and is_worded(node)) or (body is not None and body.type in language.blocks):
            yield Function(language, node, body)


def _flattened(language: Language, body: Node) -> Iterator[Node]:
    for node in body.named_children:
        if node.type in language.statement_lists:
            yield from _flattened(language, node)
        else:
            yield node


def _name(language: Language, source: SourceText, node: Node) -> list[str]:
    """The name of a definition, or of what it is assigned to; C++ may qualify it."""
    if node.type in language.called_by_keyword:
        keyword = next(child for child in node.children if child.type != "modifiers")
        return source.text_of(keyword).split()[:1]
    if node.type == "impl_item":
        named = node.child_by_field_name("type")
        named = (named.child_by_field_name("type") or named) if named is not None else None
    else:
        named = node.child_by_field_name("name") or _declared(node)
    if named is None and node.parent is not None and node.parent.type in _NAMING_PARENTS:
        fields = (node.parent.child_by_field_name(field) for field in _NAME_FIELDS)
        named = next((field for field in fields if field is not None), None)
    named = _assigned(node) if named is None and is_worded(node) else named
    return source.text_of(named).replace("::", ".").replace(":", ".").split(".") if named is not None else []


def _assigned(node: Node) -> Node | None:
    """What Lua assigns a function to, if that is all that is assigned."""
    values = node.parent
    assignment = values.parent if values is not None and values.named_child_count == 1 else None
    return assignment.named_child(0) if assignment is not None and assignment.type == "assignment_statement" else None


def _declared(node: Node) -> Node | None:
    """The identifier inside C's nest of declarators."""
    declared = node.child_by_field_name("declarator")
    while declared is not None and (inner := declared.child_by_field_name("declarator")) is not None:
        declared = inner
    return declared if declared is not None and not declared.type.startswith("abstract_") else None


def _receiver(source: SourceText, node: Node) -> list[str]:
    """The type a Go method belongs to."""
    receiver = node.child_by_field_name("receiver")
    while receiver is not None and receiver.type != "type_identifier":
        types = [receiver.child_by_field_name("type"), *receiver.named_children]
        receiver = next((child for child in types if child is not None and child.type != "comment"), None)
    return [source.text_of(receiver)] if receiver is not None else []
