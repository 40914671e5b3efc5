"""Documents as they are edited: text, version and syntax tree, kept together.

Knows edits by character offset; knows nothing about LSP messages, positions' encodings or holes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import tree_sitter

from dlm_lsp.languages import Language
from dlm_lsp.positions import LineIndex


@dataclass(frozen=True, eq=False)
class SourceText:
    """A text beside its UTF-8, because tree-sitter counts bytes and everything else counts characters.

    Lone surrogates survive as three bytes each, so that offsets stay exact in broken text too.
    """

    text: str

    @cached_property
    def encoded(self) -> bytes:
        """The bytes that are parsed."""
        return self.text.encode("utf-8", "surrogatepass")

    def to_byte(self, offset: int) -> int:
        """Byte offset of a character offset; O(1) where the text is ASCII."""
        if len(self.encoded) == len(self.text):
            return offset
        return len(self.text[:offset].encode("utf-8", "surrogatepass"))

    def to_offset(self, byte: int) -> int:
        """Character offset of a byte offset that lies between two characters."""
        if len(self.encoded) == len(self.text):
            return byte
        return len(self.encoded[:byte].decode("utf-8", "surrogatepass"))

    def point(self, byte: int) -> tuple[int, int]:
        r"""Tree-sitter's row and column of a byte offset: rows break at `\n` alone, columns are bytes."""
        return self.encoded.count(b"\n", 0, byte), byte - self.encoded.rfind(b"\n", 0, byte) - 1


@dataclass(frozen=True, eq=False)
class Snapshot(SourceText):
    """One version of a document, immutable: safe to hand to another thread.

    Attributes:
        uri: Where the document lives.
        language: How it is parsed.
        text: The whole text, line breaks as they are in the file.
        version: The client's count of edits; None outside an editor.
        tree: The syntax tree, in byte offsets of `encoded`.
    """

    uri: str
    language: Language
    version: int | None
    tree: tree_sitter.Tree

    @classmethod
    def parse(cls, uri: str, language: Language, text: str, version: int | None = None) -> Self:
        """A snapshot of a text that was not parsed before."""
        tree = language.parse(SourceText(text).encoded)
        return cls(text=text, uri=uri, language=language, version=version, tree=tree)

    @cached_property
    def lines(self) -> LineIndex:
        """Where the lines begin."""
        return LineIndex(self.text)

    def replaced(self, start: int, end: int, new_text: str, version: int | None) -> Self:
        """The snapshot after `[start, end)` became `new_text`; only what the edit touched is parsed again.

        Raises:
            ValueError: the range is not inside the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"range {start}-{end} is not inside a text of {len(self.text)} characters")
        after = SourceText(self.text[:start] + new_text + self.text[end:])
        start_byte, old_end_byte = self.to_byte(start), self.to_byte(end)
        new_end_byte = len(after.encoded) - (len(self.encoded) - old_end_byte)
        old_tree = self.tree.copy()
        old_tree.edit(
            start_byte=start_byte,
            old_end_byte=old_end_byte,
            new_end_byte=new_end_byte,
            start_point=self.point(start_byte),
            old_end_point=self.point(old_end_byte),
            new_end_point=after.point(new_end_byte),
        )
        tree = self.language.parse(after.encoded, old_tree)
        return type(self)(text=after.text, uri=self.uri, language=self.language, version=version, tree=tree)


class Document:
    """A live document; edits make a new snapshot and leave the old ones alone."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Begin with a parsed snapshot."""
        self._snapshot = snapshot

    @classmethod
    def open(cls, uri: str, language: Language, text: str, version: int | None = None) -> Self:
        """Parse a text that was not seen before."""
        return cls(Snapshot.parse(uri, language, text, version))

    def replace(self, start: int, end: int, new_text: str, version: int | None = None) -> None:
        """Edit `[start, end)`, in character offsets.

        Raises:
            ValueError: the range is not inside the text.
        """
        self._snapshot = self._snapshot.replaced(start, end, new_text, version)

    def snapshot(self) -> Snapshot:
        """The document as it stands."""
        return self._snapshot
