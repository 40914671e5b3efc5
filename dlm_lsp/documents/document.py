"""Documents as they are edited: text, version and syntax tree, kept together.

Knows edits by character offset; knows nothing about LSP messages, position encodings or holes.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Self

import tree_sitter

from dlm_lsp.documents.positions import LineEnding, LineIndex, line_ending
from dlm_lsp.languages import Language

CHECKPOINT_INTERVAL = 4096
"""Characters from one place of a text whose byte offset is remembered to the next."""

SHORT_BYTES = 32_768
"""Bytes below which the tree of a text is always that of its last edit: to read all of it again takes milliseconds.

In a longer one, a bracket that is not closed yet makes the parser read on to the end at every key. Questions about a
place are answered from an excerpt that is parsed afresh; the tree around it may lag behind.
"""

RETRIED_AFTER_BYTES = 64
"""Bytes that are inserted or removed after a parse was given up, before it is tried again: to give up takes nearly as
long as what it saves at one key.
"""

MOST_BYTES_BEHIND = 256
"""Bytes that are inserted or removed after the last whole parse, before the next one is completed whatever it takes:
too rarely to be noticed.
"""

_LONE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")


@dataclass(frozen=True, eq=False)
class SourceText:
    r"""A text beside its UTF-8, because tree-sitter counts bytes and everything else counts characters.

    Lone surrogates survive as three bytes each, so that offsets stay exact in broken text too. A `\r` that ends a line
    by itself is parsed as `\n`, because grammars know no other single line break.
    """

    text: str

    @cached_property
    def encoded(self) -> bytes:
        """The bytes that are parsed."""
        return _encode(_LONE_CARRIAGE_RETURN.sub("\n", self.text) if "\r" in self.text else self.text)

    @cached_property
    def _checkpoints(self) -> list[int]:
        """Byte offset of every `CHECKPOINT_INTERVAL`-th character, so that no look-up encodes the whole text."""
        ends = range(CHECKPOINT_INTERVAL, len(self.text) + 1, CHECKPOINT_INTERVAL)
        return [0, *accumulate(len(_encode(self.text[end - CHECKPOINT_INTERVAL : end])) for end in ends)]

    def to_byte(self, offset: int) -> int:
        """Byte offset of a character offset; O(1) where the text is ASCII."""
        if len(self.encoded) == len(self.text):
            return offset
        number = offset // CHECKPOINT_INTERVAL
        return self._checkpoints[number] + len(_encode(self.text[number * CHECKPOINT_INTERVAL : offset]))

    def to_offset(self, byte: int) -> int:
        """Character offset of a byte offset that lies between two characters."""
        if len(self.encoded) == len(self.text):
            return byte
        number = bisect_right(self._checkpoints, byte) - 1
        after = self.encoded[self._checkpoints[number] : byte]
        return number * CHECKPOINT_INTERVAL + len(after.decode("utf-8", "surrogatepass"))

    def point(self, byte: int) -> tuple[int, int]:
        r"""Tree-sitter's row and column of a byte offset: rows break at `\n` alone, columns are bytes."""
        return self.encoded.count(b"\n", 0, byte), byte - self.encoded.rfind(b"\n", 0, byte) - 1

    def text_of(self, node: tree_sitter.Node) -> str:
        """What a node of this text's tree says.

        The node's own text is that of the last parse, which may lag behind. The parser may cut a lone surrogate.
        """
        return self.text_between(node.start_byte, node.end_byte)

    def text_between(self, start_byte: int, end_byte: int) -> str:
        """What the bytes `[start_byte, end_byte)` of this text say."""
        return self.encoded[start_byte:end_byte].decode("utf-8", "replace")


class _ParsedTree(NamedTuple):
    """A tree that knows where every edit was, though not always what it said.

    Attributes:
        tree: Its nodes are where they belong, and one that was edited knows its new end, but not its new content.
        num_bytes_behind: How much was inserted or removed since the text that was parsed.
        retried_from: How many bytes behind it has to be until it is worth trying to catch up.
    """

    tree: tree_sitter.Tree
    num_bytes_behind: int = 0
    retried_from: int = 0


class LazyTree:
    """A syntax tree that is parsed when it is first looked at, so that a hundred edits in a row cost one parse.

    Two threads may look at it: what it knows is one value, and each replaces it as a whole.
    """

    def __init__(self, language: Language, source: SourceText, outdated: _ParsedTree | None = None) -> None:
        """Parse nothing yet.

        Args:
            language: The grammar.
            source: What the tree will be of.
            outdated: A tree of an older text, with every edit since applied to its positions; only what these edits
                touched is parsed again.
        """
        self._language = language
        self._source = source
        self._outdated = outdated
        self._current: _ParsedTree | None = None

    def parse(self) -> tree_sitter.Tree:
        """The tree of the source; parsed by the first call, remembered for the others.

        In a long text, a parse that would take too long is given up (`Language.parse_briefly`), and the tree stays as
        it was but for the edits' places. It is tried again `RETRIED_AFTER_BYTES` later, and completed after
        `MOST_BYTES_BEHIND`.
        """
        if self._current is None:
            self._current = self._parsed()
        return self._current.tree

    def _parsed(self) -> _ParsedTree:
        source, outdated = self._source.encoded, self._outdated
        if outdated is None:
            return _ParsedTree(self._language.parse(source))
        tree, num_bytes_behind, retried_from = outdated
        if len(source) < SHORT_BYTES or num_bytes_behind >= MOST_BYTES_BEHIND:
            return _ParsedTree(self._language.parse(source, tree))
        if num_bytes_behind < retried_from:
            return outdated
        followed = self._language.parse_briefly(source, tree)
        if followed is None:
            return _ParsedTree(tree, num_bytes_behind, num_bytes_behind + RETRIED_AFTER_BYTES)
        return _ParsedTree(followed)

    def replaced(self, start: int, old_end: int, new_end: int, after: SourceText) -> "LazyTree":
        """The tree after the bytes `[start, old_end)` became `[start, new_end)` of another source."""
        if self._language.command_pattern:
            # One letter makes a command of a line, or code of a command, and the parser sees no more than a letter.
            return LazyTree(self._language, after)
        newest = self._current or self._outdated
        if newest is None:
            return LazyTree(self._language, after)
        tree = newest.tree.copy()
        tree.edit(start, old_end, new_end, self._source.point(start), self._source.point(old_end), after.point(new_end))
        num_bytes_behind = newest.num_bytes_behind + (old_end - start) + (new_end - start)
        return LazyTree(self._language, after, _ParsedTree(tree, num_bytes_behind, newest.retried_from))


@dataclass(frozen=True, eq=False)
class Snapshot(SourceText):
    """One version of a document, immutable: safe to hand to another thread.

    Attributes:
        uri: Where the document lives.
        language: How it is parsed.
        text: The whole text, line breaks as they are in the file.
        version: The client's count of edits; None outside an editor.
        lines: Where the lines begin.
        lazy_tree: The syntax tree, in byte offsets of `encoded`.
        notebook: URI of the notebook that the document is a cell of; None if it is none.
    """

    uri: str
    language: Language
    version: int | None
    lines: LineIndex
    lazy_tree: LazyTree
    notebook: str | None = None

    @classmethod
    def parse(cls, uri: str, language: Language, text: str, version: int | None = None) -> Self:
        """A snapshot of a new text, parsed at once."""
        snapshot = cls.unparsed(uri, language, text, version)
        snapshot.lazy_tree.parse()
        return snapshot

    @classmethod
    def unparsed(
        cls, uri: str, language: Language, text: str, version: int | None = None, *, notebook: str | None = None
    ) -> Self:
        """A snapshot of a new text, parsed when its tree is first asked for."""
        return cls(text, uri, language, version, LineIndex(text), LazyTree(language, SourceText(text)), notebook)

    @property
    def home(self) -> str:
        """URI of what is saved as one file: the document itself, or the notebook around it."""
        return self.notebook or self.uri

    @property
    def tree(self) -> tree_sitter.Tree:
        """The syntax tree."""
        return self.lazy_tree.parse()

    @cached_property
    def line_ending(self) -> LineEnding:
        """The line break the document uses."""
        return line_ending(self.text)

    @cached_property
    def top_level(self) -> list[tree_sitter.Node]:
        """The definitions and statements of the file itself."""
        return self.tree.root_node.named_children

    def replaced(self, start: int, end: int, new_text: str, version: int | None = None) -> Self:
        """The snapshot after `[start, end)` became `new_text`; only what the edit touched is parsed again.

        Raises:
            ValueError: the range is not inside the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"range {start}-{end} is not inside a text of {len(self.text)} characters")
        if self.text.startswith("\r", start - 1) and start:
            # Whether this \r ends a line by itself may change with what follows it: it is part of the edit.
            start, new_text = start - 1, f"\r{new_text}"
        after = SourceText(self.text[:start] + new_text + self.text[end:])
        start_byte, old_end_byte = self.to_byte(start), self.to_byte(end)
        new_end_byte = len(after.encoded) - (len(self.encoded) - old_end_byte)
        tree = self.lazy_tree.replaced(start_byte, old_end_byte, new_end_byte, after)
        lines = self.lines.replaced(start, end, new_text)
        return type(self)(after.text, self.uri, self.language, version, lines, tree, self.notebook)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
