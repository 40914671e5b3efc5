"""The part of a document that matters to one place in it, parsed as it would be after an edit.

To parse a whole file takes milliseconds, and to find and judge one fill takes several parses. An excerpt is much
smaller, for it holds only the definition around the place and its neighbours, between the opening and closing lines of
their classes and namespaces.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from typing import NamedTuple, Self

from tree_sitter import Node

from dlm_lsp.documents.document import Snapshot, SourceText
from dlm_lsp.holes.definitions import is_worded, opened_at, unwrapped
from dlm_lsp.languages import Language

NEARBY_BYTES = 8192
"""Upper bound on the bytes of a definition beside the place; a larger one costs more to parse than it is worth."""

_CODE = re.compile(rb"\S")


class Edit(NamedTuple):
    """Replace `[start, end)` of the document, in character offsets, by a text."""

    start: int
    end: int
    text: str


class Container(NamedTuple):
    """A class, namespace or the like that an excerpt stands in; byte offsets into the document.

    Attributes:
        start: First byte, decorators and indentation included.
        opened: Just after the opener of the members: a brace, a colon, or a preprocessor line.
        closing: First byte of their closer; equal to `end` if there is none.
        end: Just after the last byte.
        members: The nodes side by side in it.
    """

    start: int
    opened: int
    closing: int
    end: int
    members: list[Node]


@dataclass(frozen=True, eq=False)
class ParsedExcerpt:
    """An excerpt's syntax tree after one edit.

    Attributes:
        excerpt: The part of the document that was parsed.
        source: The text that was parsed.
        root: Root of its tree; byte offsets into `source`.
        num_errors: ERROR and MISSING nodes.
        edit: The edit that was made.
        shift: Character offset in the document minus character offset in `source`, before the edit.
    """

    excerpt: "Excerpt"
    source: SourceText
    root: Node
    num_errors: int
    edit: Edit
    shift: int

    @property
    def edit_byte(self) -> int:
        """Where the edit's text begins in the tree, whitespace skipped; finds the nodes at the edited place."""
        indent = len(self.edit.text) - len(self.edit.text.lstrip())
        return self.source.to_byte(self.edit.start + indent - self.shift)

    @property
    def edit_end_byte(self) -> int:
        """Where the edit's text ends in the tree."""
        return self.source.to_byte(self.edit.start + len(self.edit.text) - self.shift)

    @property
    def edit_last_byte(self) -> int:
        """The last byte of the edit's text in the tree, whitespace skipped."""
        return self.source.to_byte(self.edit.start + len(self.edit.text.rstrip()) - self.shift) - 1

    @property
    def _growth(self) -> int:
        return len(self.edit.text) - (self.edit.end - self.edit.start)

    def to_byte(self, offset: int) -> int:
        """The place of a document offset in the tree; an offset inside the edited range is where the edit begins."""
        if offset >= self.edit.end and offset > self.edit.start:
            offset += self._growth
        elif offset > self.edit.start:
            offset = self.edit.start
        return self.source.to_byte(offset - self.shift)

    def to_offset(self, byte: int) -> int:
        """The document offset of a place in the tree; a place inside the edit is where the edited range begins."""
        offset = self.source.to_offset(byte) + self.shift
        if offset <= self.edit.start:
            return offset
        is_after = offset >= self.edit.start + len(self.edit.text)
        return offset - self._growth if is_after else self.edit.start


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The part of a document that is parsed again to judge an edit.

    Attributes:
        snapshot: The document.
        containers: The classes and namespaces around it, outermost first.
        start: Character offset at which the part taken from the document begins.
        end: Where it ends.
    """

    snapshot: Snapshot
    containers: tuple[Container, ...]
    start: int
    end: int

    @classmethod
    def around(cls, snapshot: Snapshot, start: int, end: int) -> Self:
        """The excerpt in which `[start, end)` may be edited."""
        start_byte, end_byte = snapshot.to_byte(start), snapshot.to_byte(end)
        containers: list[Container] = []
        members = snapshot.top_level
        while container := _container_at(snapshot, members, start_byte, end_byte):
            containers.append(container)
            members = container.members
        floor = containers[-1].opened if containers else 0
        ceiling = next((c.closing for c in reversed(containers) if c.closing < c.end), len(snapshot.encoded))
        first, last = _neighbourhood(snapshot.language, members, start_byte, end_byte)
        taken_start = max(floor, _line_start(snapshot.encoded, min(first, start_byte)))
        last = max(_without_blank_end(snapshot.encoded, last), end_byte)
        taken_end = min(ceiling, _line_end(snapshot.encoded, last))
        return cls(snapshot, tuple(containers), snapshot.to_offset(taken_start), snapshot.to_offset(taken_end))

    def parse(self, edit: Edit) -> ParsedExcerpt:
        """Parse the excerpt as it would be after an edit inside `[start, end)`."""
        text = self.snapshot.text
        header = self._code_tag + "".join(f"{self._slice(c.start, c.opened)}\n" for c in self.containers)
        footer = "".join(f"\n{self._slice(c.closing, c.end)}" for c in reversed(self.containers))
        middle = text[self.start : edit.start] + edit.text + text[edit.end : self.end]
        source = SourceText(header + middle + footer)
        root = self.snapshot.language.parse(source.encoded).root_node
        return ParsedExcerpt(self, source, root, sum(1 for _ in errors_in(root)), edit, self.start - len(header))

    def best(self, edits: Iterable[Edit]) -> ParsedExcerpt:
        """The first of some edits, tried in order, that parses without errors, or else the one with the fewest errors.

        Raises:
            ValueError: no edit was given.
        """
        parses: list[ParsedExcerpt] = []
        for edit in edits:
            parses.append(self.parse(edit))
            if parses[-1].num_errors == 0:
                return parses[-1]
        return min(parses, key=lambda parsed: parsed.num_errors)

    @cached_property
    def _code_tag(self) -> str:
        """The line that makes code of the excerpt, if the language wants one and there is none in the excerpt."""
        snapshot, language = self.snapshot, self.snapshot.language
        start = self.containers[0].start if self.containers else snapshot.to_byte(self.start)
        if not language.code_tag or not start:
            return ""
        code = _CODE.search(snapshot.encoded, start)
        start = code.start() if code else start
        node = snapshot.tree.root_node.descendant_for_byte_range(start, start + 1)
        return "" if node is not None and node.type in language.outside_code else f"{language.code_tag}\n"

    def _slice(self, start_byte: int, end_byte: int) -> str:
        return self.snapshot.encoded[start_byte:end_byte].decode("utf-8", "surrogatepass")


def errors_in(root: Node) -> Iterator[Node]:
    """ERROR and MISSING nodes at and below a node, each before those within it; parts without any are not visited.

    Grammars hide some tokens, and a hidden one that is missing, such as the line break between two statements, is no
    child of any node: the node that lacks it stands for it.

    A sum of a few hundred terms is a tree as deep, deeper than Python's own stack.
    """
    waiting = [root] if root.has_error else []
    while waiting:
        node = waiting.pop()
        broken = [child for child in node.children if child.has_error]
        if node.is_error or node.is_missing or not broken:
            yield node
        waiting += reversed(broken)


def _container_at(snapshot: Snapshot, members: list[Node], start: int, end: int) -> Container | None:
    """The container among some members that `[start, end)` lies in; byte offsets."""
    language = snapshot.language
    index = bisect_left(members, start, key=lambda node: node.start_byte) - 1
    while index >= 0 and members[index].type in language.comments:
        index -= 1
    if index < 0:
        return None
    outer = members[index]
    definition = unwrapped(language, outer)
    if definition.type not in language.containers:
        return None
    container = _opened(snapshot, outer, definition)
    if language.is_indented:
        # A blank line after an indented block is outside every node, but may be meant as the block's next line.
        is_after = start >= container.end and all(node.start_byte >= end for node in members[index + 1 : index + 2])
        is_inside = container.opened <= start and (end <= container.end or is_after)
    else:
        is_inside = container.opened <= start and end <= container.closing < container.end
    return container if is_inside else None


def _opened(snapshot: Snapshot, outer: Node, definition: Node) -> Container:
    body = snapshot.language.body_of(definition)
    if body is None:  # conditional compilation: the members follow its first line
        opened = min(_line_end(snapshot.encoded, definition.start_byte), definition.end_byte)
        last = definition.children[-1]
    else:
        opened = opened_at(definition, body)
        closed = definition if is_worded(definition) else body
        last = closed.children[-1] if closed.child_count else closed
    is_closed = not last.is_named and not last.is_missing and not snapshot.language.is_indented
    members = [node for node in (body or definition).named_children if node.start_byte >= opened]
    start = _line_start(snapshot.encoded, outer.start_byte)
    if snapshot.encoded[start : outer.start_byte].strip():
        start = outer.start_byte
    semicolon = outer.next_sibling
    end = semicolon.end_byte if semicolon is not None and semicolon.type == ";" else outer.end_byte
    return Container(start, opened, last.start_byte if is_closed else end, end, members)


def _neighbourhood(language: Language, members: list[Node], start: int, end: int) -> tuple[int, int]:
    """From the member that holds or precedes a place to the one that follows it; byte offsets.

    Half-typed code makes errors beside it that a fill may mend: what is broken nearby takes part.
    """
    before = bisect_left(members, start, key=lambda node: node.start_byte)
    after = bisect_left(members, end, key=lambda node: node.start_byte)
    above = list(takewhile(lambda node: node.end_byte > start - NEARBY_BYTES, reversed(members[:before])))
    below = list(takewhile(lambda node: node.start_byte < end + NEARBY_BYTES, members[after:]))
    above = above[: _num_involved(language, above) + any(node.has_error for node in above)]
    below = [node for node in below[: _num_involved(language, below)] if node.end_byte <= end + NEARBY_BYTES]
    pieces = (_pieces(node, start - NEARBY_BYTES, end + NEARBY_BYTES) for node in above)
    involved = [*chain.from_iterable(pieces), *members[before:after], *below]
    return min([start, *(node.start_byte for node in involved)]), max([end, *(node.end_byte for node in involved)])


def _pieces(node: Node, start: int, end: int) -> list[Node]:
    """What of a node is involved: all of it, unless the parser made nothing of a text that reaches far beyond a range.

    So it does of a whole file, where something in its midst is half typed.
    """
    if not node.is_error or node.end_byte - node.start_byte <= end - start:
        return [node]
    return [child for child in node.children if start <= child.start_byte and child.end_byte <= end]


def _num_involved(language: Language, nodes: list[Node]) -> int:
    """How many of the nodes beside a place, nearest first: up to the first that is code, and all that are broken."""
    code = next((number for number, node in enumerate(nodes, 1) if node.type not in language.comments), len(nodes))
    return max([code, *(number for number, node in enumerate(nodes, 1) if node.has_error)])


def _without_blank_end(source: bytes, byte: int) -> int:
    """The end of the text before a byte: some nodes reach to the beginning of the next, lines below."""
    while source[byte - 1 : byte].isspace():
        byte -= 1
    return byte


def _line_start(source: bytes, byte: int) -> int:
    return max(source.rfind(b"\n", 0, byte), source.rfind(b"\r", 0, byte)) + 1


def _line_end(source: bytes, byte: int) -> int:
    ends = [at for at in (source.find(b"\n", byte), source.find(b"\r", byte)) if at >= 0]
    return min(ends, default=len(source))
