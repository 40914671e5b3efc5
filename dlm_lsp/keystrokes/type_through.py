"""Recent fills, kept so that typing one, accepting part of one, or deleting back needs no model.

Knows documents and fills; knows nothing about LSP. The idea is that of Copilot's "typing as suggested" and Tabby's
forwarding cache. Here a fill depends on the suffix as well, so the suffix must match as exactly as the prefix, except
for closers that the editor inserted.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple, Self

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fills import Fill
from dlm_lsp.keystrokes.goal import next_step
from dlm_model.decode_options import DecodeOptions

MAX_ANSWERS = 64
MAX_CHARS = 262_144
"""Upper bound on the characters of all kept texts; the documents around them are kept as digests only."""


class _Side(NamedTuple):
    """The text on one side of a hole, recognisable but not kept."""

    num_chars: int
    digest: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(len(text), _digest(text))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The fills that one run found for one hole, best first.

    Attributes:
        uri: Of the document.
        before: Up to the hole.
        after: From the end of the hole on.
        fills: As they were presented.
        options: How they were made.
        id: Of the run.
    """

    uri: str
    before: _Side
    after: _Side
    fills: tuple[Fill, ...]
    options: DecodeOptions
    id: str

    @classmethod
    def of(cls, snapshot: Snapshot, fills: tuple[Fill, ...], options: DecodeOptions, run_id: str) -> Self:
        """The answer to one order: at least one fill, and all of the same hole."""
        before, after = snapshot.text[: fills[0].start], snapshot.text[fills[0].end :]
        return cls(snapshot.uri, _Side.of(before), _Side.of(after), fills, options, run_id)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the fills, with the document's line endings."""
        return tuple(fill.text for fill in self.fills)

    @property
    def num_chars(self) -> int:
        """Its share of `MAX_CHARS`."""
        return sum(map(len, self.texts))

    def rest_at(self, snapshot: Snapshot, cursor: int) -> tuple[Fill, ...]:
        """The rest of each text from the cursor on; empty if the document is not on the way to any of them."""
        hole_end = len(snapshot.text) - self.after.num_chars
        if not self.before.num_chars <= cursor <= hole_end:
            return ()
        typed, following = snapshot.text[self.before.num_chars : cursor], snapshot.text[cursor:hole_end]
        steps = [(next_step(fill.text, typed, following), fill.parse_valid) for fill in self.fills]
        if not any(step for step, _ in steps) or not self._is_around(snapshot, hole_end):
            return ()
        return tuple(
            Fill(step.text, cursor, cursor + step.num_replaced, parse_valid) for step, parse_valid in steps if step
        )

    def _is_around(self, snapshot: Snapshot, hole_end: int) -> bool:
        before, after = snapshot.text[: self.before.num_chars], snapshot.text[hole_end:]
        return _digest(before) == self.before.digest and _digest(after) == self.after.digest


class Served(NamedTuple):
    """An answer that still holds, and the rest of its texts."""

    answer: Answer
    fills: tuple[Fill, ...]


class TypeThroughCache:
    """The latest answers, least recently used first; bounded in number and in characters."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []

    def put(self, answer: Answer) -> None:
        """Remember an answer, and forget the oldest beyond the bounds."""
        self._answers.append(answer)
        while len(self._answers) > MAX_ANSWERS or sum(each.num_chars for each in self._answers) > MAX_CHARS:
            del self._answers[0]

    def find(self, snapshot: Snapshot, cursor: int, options: DecodeOptions) -> Served | None:
        """The newest answer that the document is on the way to at the cursor, made with these options.

        An answer with more candidates than are asked for serves as well.
        """
        for answer in reversed(self._answers):
            is_made_for = answer.uri == snapshot.uri and _serves(answer.options, options)
            if is_made_for and (fills := answer.rest_at(snapshot, cursor)):
                self._answers.remove(answer)
                self._answers.append(answer)
                return Served(answer, fills[: options.num_candidates])
        return None

    def forget(self, uri: str) -> None:
        """Forget the answers for a document."""
        self._answers = [answer for answer in self._answers if answer.uri != uri]

    def clear(self) -> None:
        """Forget everything: other settings may lead to other answers."""
        self._answers.clear()


def _serves(made: DecodeOptions, asked: DecodeOptions) -> bool:
    is_alike = replace(made, num_candidates=asked.num_candidates) == asked
    return is_alike and made.num_candidates >= asked.num_candidates


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
