"""Tokens as byte strings: every request needs them, so they are computed once per model."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

_MAX_REMEMBERED = 256
"""How many look-ups are remembered: few recur (a space, a bracket, an indentation), and one may find most tokens."""

_LONGEST_SPELLING = 64
_WORD = re.compile(rb"[\w\x80-\xff]")  # a byte of a letter beyond ASCII, too

State = TypeVar("State")


class Vocabulary:
    """Token ids by what they spell.

    Attributes:
        token_bytes: Spelling of each token id; empty for control tokens and unused rows.
        is_text: [V] bool, whether a token spells anything.
        has_line_break: [V] bool.
        is_visible: [V] bool, whether a token leaves more than white space on the line that it ends on.
        begins_word: [V] bool, whether the first character of a token may be a part of a name.
        ends_word: [V] bool, whether the last one may.
        beginnings: Look-up by the spelling's beginning.
        endings: Look-up by the spelling read backwards.
    """

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self.token_bytes = token_bytes
        self.is_text: Tensor = torch.tensor([bool(spelling) for spelling in token_bytes])
        self.has_line_break: Tensor = torch.tensor([b"\n" in spelling for spelling in token_bytes])
        self.is_visible: Tensor = torch.tensor(
            [bool(spelling.rpartition(b"\n")[2].strip()) for spelling in token_bytes]
        )
        self.begins_word: Tensor = torch.tensor([bool(_WORD.match(spelling)) for spelling in token_bytes])
        self.ends_word: Tensor = torch.tensor([bool(_WORD.match(spelling[-1:])) for spelling in token_bytes])
        self._first_word_ids: dict[frozenset[bytes], frozenset[int]] = {}
        self.beginnings = Spellings(token_bytes)
        self.endings = Spellings([spelling[::-1] for spelling in token_bytes])

    def spell(self, token_ids: Iterable[int]) -> bytes:
        """What tokens add to a text; may end inside a UTF-8 character."""
        return b"".join(self.token_bytes[token_id] for token_id in token_ids)

    def starting_with(self, words: Sequence[str]) -> frozenset[int]:
        """Tokens whose first word, after any blanks, is exactly one of `words`; none if there are no words."""
        wanted = frozenset(word.encode() for word in words)
        if wanted and wanted not in self._first_word_ids:
            texts = ((token_id, spelling.lstrip(b" \t")) for token_id, spelling in enumerate(self.token_bytes))
            found = frozenset(token_id for token_id, text in texts if _first_word(text) in wanted)
            self._first_word_ids[wanted] = found
        return self._first_word_ids.get(wanted, frozenset())


def _first_word(text: bytes) -> bytes:
    return re.match(rb"\w*", text).group()  # type: ignore[union-attr]  # matches anything


class Spellings:
    """Spellings in order, so that those with a common beginning are side by side."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_ids = sorted((i for i, text in enumerate(token_bytes) if text), key=token_bytes.__getitem__)
        self._ordered = [token_bytes[token_id] for token_id in self._token_ids]
        self._remembered = lru_cache(maxsize=_MAX_REMEMBERED)(self._compatible)
        self._by_spelling: dict[bytes, list[int]] = {}
        for token_id in self._token_ids:
            self._by_spelling.setdefault(token_bytes[token_id], []).append(token_id)

    def fewest_tokens(self, text: bytes) -> int:
        """Length of the shortest spelling of a text; 0 for an empty one."""
        return len(self.shortest(text))

    def shortest(self, text: bytes) -> list[bytes]:
        """A text cut into the fewest pieces that are tokens."""
        best: list[list[bytes]] = [[]]
        for end in range(1, len(text) + 1):
            starts = (start for start in range(end) if text[start:end] in self._by_spelling)
            start = min(starts, key=lambda start: len(best[start]), default=end - 1)
            best.append([*best[start], text[start:end]])
        return best[-1]

    def exact(self, spelling: bytes) -> list[int]:
        """Tokens that spell exactly this."""
        return self._by_spelling.get(spelling, [])

    def accepted(self, state: State, step: Callable[[State, int], State | None]) -> Iterator[tuple[int, State]]:
        """Tokens whose every byte a machine accepts, and the state that each leads to.

        Args:
            state: Where the machine is.
            step: State and byte → next state, None where the byte is not accepted.
        """
        index = 0
        while index < len(self._ordered):
            after: State | None = state
            for length, byte in enumerate(self._ordered[index], 1):
                after = step(after, byte) if after is not None else None
                if after is None:
                    # All spellings that begin with the same bytes fail, too.
                    failed = self._ordered[index][:length]
                    index = max(index + 1, bisect_left(self._ordered, failed + b"\xff" * _LONGEST_SPELLING))
                    break
            else:
                yield self._token_ids[index], after  # type: ignore[misc]
                index += 1

    def compatible(self, wanted: bytes, room: int) -> list[int]:
        """Tokens of which one of the two, spelling and wanted bytes, begins with the other.

        A token is left out if the rest of the wanted bytes then needs more positions than `room`, its own included.
        """
        return self._remembered(wanted, room)

    def _compatible(self, wanted: bytes, room: int) -> list[int]:
        shorter = [
            token_id
            for end in range(1, len(wanted))
            if 1 + self.fewest_tokens(wanted[end:]) <= room
            for token_id in self._by_spelling.get(wanted[:end], ())
        ]
        start = end = bisect_left(self._ordered, wanted)
        while end < len(self._ordered) and self._ordered[end].startswith(wanted):
            end += 1
        return shorter + self._token_ids[start:end]
