r"""An editor and the server go through the same random edits: whatever happens, both hold the same text.

The editor is a model of its own: a plain string, columns counted by encoding what stands left of them, and an undo
stack. Only messages of LSP go to the server. No position lies between `\r` and `\n`, so that an edit that would begin
or end there takes the other half along.
"""

import random
import re
from typing import NamedTuple, get_args

import pytest
from lsprotocol import types

from dlm_lsp.documents.document_store import DocumentStore
from dlm_lsp.documents.positions import PositionEncoding
from dlm_lsp.fills import Fill
from dlm_lsp.ghost_text import ghost_item

URI = "file:///project/example.py"
ENCODINGS: tuple[PositionEncoding, ...] = get_args(PositionEncoding)
NUM_SEQUENCES = 10_000
BYTES_PER_UNIT = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
PIECES = [
    *"ab (:\t",
    "def f():",
    "    ",
    "é",
    "漢",
    "😀",
    "🦀🦀",
    "\u2028",
    "\x0c",
    "\ufeff",
    "e\u0301",
    "\n",
    "\n",
    "\n",
]


class Replacement(NamedTuple):
    start: int
    old: str
    new: str

    def reversed(self) -> "Replacement":
        return Replacement(self.start, self.new, self.old)


class Editor:
    """The editor's text; every method returns the changes that LSP sends for it."""

    def __init__(self, text: str, encoding: PositionEncoding) -> None:
        self.text, self.encoding = text, encoding
        self.undo_stack: list[list[Replacement]] = []
        self.redo_stack: list[list[Replacement]] = []

    def position(self, offset: int) -> types.Position:
        *above, left = re.split("\r\n|\r|\n", self.text[:offset])
        codec = self.encoding if self.encoding == "utf-8" else f"{self.encoding}-le"
        return types.Position(len(above), len(left.encode(codec)) // BYTES_PER_UNIT[self.encoding])

    def offset(self, position: types.Position) -> int:
        """By trying every place that a cursor can be at."""
        return next(offset for offset in self.places() if self.position(offset) == position)

    def places(self) -> list[int]:
        return [at for at in range(len(self.text) + 1) if not self._is_inside_a_break(at)]

    def edit(self, *replacements: Replacement) -> list[types.TextDocumentContentChangeEvent]:
        """One undo step; the later of several replacements are in terms of the text after the earlier ones."""
        self.undo_stack.append(list(replacements))
        self.redo_stack.clear()
        return [self._replace(each) for each in replacements]

    def undo(self) -> list[types.TextDocumentContentChangeEvent]:
        return self._take_back(self.undo_stack, self.redo_stack)

    def redo(self) -> list[types.TextDocumentContentChangeEvent]:
        return self._take_back(self.redo_stack, self.undo_stack)

    def _take_back(
        self, source: list[list[Replacement]], target: list[list[Replacement]]
    ) -> list[types.TextDocumentContentChangeEvent]:
        if not source:
            return []
        step = [each.reversed() for each in reversed(source.pop())]
        target.append(step)
        return [self._replace(each) for each in step]

    def _replace(self, replacement: Replacement) -> types.TextDocumentContentChangeEvent:
        start, old, new = replacement
        end = start + len(old)
        assert self.text[start:end] == old, "the model of the editor is wrong"
        if self._is_inside_a_break(start):
            start, new = start - 1, f"\r{new}"
        if self._is_inside_a_break(end):
            end, new = end + 1, f"{new}\n"
        where = types.Range(self.position(start), self.position(end))
        self.text = self.text[:start] + new + self.text[end:]
        return types.TextDocumentContentChangePartial(where, new)

    def _is_inside_a_break(self, offset: int) -> bool:
        return offset > 0 and self.text[offset - 1 : offset + 1] == "\r\n"


class Sequence:
    """One editor, one server, and a random source that decides what happens."""

    def __init__(self, seed: int, encoding: PositionEncoding) -> None:
        self.rng = random.Random(seed)
        self.line_breaks = self.rng.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
        self.editor = Editor(self._words(12), encoding)
        self.store = DocumentStore()
        self.store.open(types.TextDocumentItem(URI, "python", 1, self.editor.text))
        self.version = 1

    def step(self) -> None:
        choose = (self._replace, self._replace, self._at_several_cursors, self._accept, self._accept, self._whole)
        changes = self.rng.choice((*choose, self.editor.undo, self.editor.undo, self.editor.redo))()
        self.version += 1
        identifier = types.VersionedTextDocumentIdentifier(self.version, URI)
        self.store.change(identifier, changes, self.editor.encoding)

    def _words(self, at_most: int) -> str:
        pieces = self.rng.choices(PIECES, k=self.rng.randrange(at_most))
        return "".join(self.rng.choice(self.line_breaks) if piece == "\n" else piece for piece in pieces)

    def _random_replacement(self) -> Replacement:
        start, end = sorted(self.rng.choices(self.editor.places(), k=2))
        end = self.rng.choice([start, end])
        return Replacement(start, self.editor.text[start:end], self._words(5))

    def _replace(self) -> list[types.TextDocumentContentChangeEvent]:
        return self.editor.edit(self._random_replacement())

    def _at_several_cursors(self) -> list[types.TextDocumentContentChangeEvent]:
        """Type at several cursors; editors send these changes from the bottom up."""
        cursors = sorted({self.rng.choice(self.editor.places()) for _ in range(3)}, reverse=True)
        typed = self._words(4)
        return self.editor.edit(*(Replacement(cursor, "", typed) for cursor in cursors))

    def _whole(self) -> list[types.TextDocumentContentChangeEvent]:
        """Replace the whole document, as after a reload from the disk."""
        self.editor.edit(Replacement(0, self.editor.text, self._words(12)))
        return [types.TextDocumentContentChangeWholeDocument(self.editor.text)]

    def _accept(self) -> list[types.TextDocumentContentChangeEvent]:
        """Accept an item at a random cursor, as a client does."""
        snapshot, cursor = self.store.snapshot(URI), self.rng.choice(self.editor.places())
        line_end = snapshot.lines.line_end(snapshot.lines.line_of(cursor))
        end = self.rng.randint(cursor, line_end)
        fill = Fill(self._words(6) + snapshot.text[cursor:end], cursor, end, parse_valid=True)
        item = ghost_item(snapshot, cursor, fill, self.editor.encoding)
        assert item
        assert item.range
        assert isinstance(item.insert_text, str)
        start, end = self.editor.offset(item.range.start), self.editor.offset(item.range.end)
        expected = self.editor.text[:cursor] + fill.text + self.editor.text[fill.end :]
        assert self.editor.text[:start] + item.insert_text + self.editor.text[end:] == expected
        return self.editor.edit(Replacement(start, self.editor.text[start:end], item.insert_text))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_servers_text_is_the_editors_after_any_sequence(encoding: PositionEncoding) -> None:
    for seed in range(NUM_SEQUENCES):
        sequence = Sequence(seed, encoding)
        for step in range(sequence.rng.randrange(1, 8)):
            sequence.step()
            assert sequence.store.snapshot(URI).text == sequence.editor.text, f"seed {seed}, step {step}"
