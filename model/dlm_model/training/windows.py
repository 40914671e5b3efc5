"""Which stretch of which file a training sequence shows, and how several sequences become one batch."""

import heapq
import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dlm_model.device import send
from dlm_model.training.annealing import FULL_REACH
from dlm_model.training.examples import ExampleBuilder, NoiseSource
from dlm_model.training.holes import Span, choose_block, choose_holes
from dlm_model.training.sequence import IGNORED, PADDING, PROMPT, Example

_WINDOW_CHARACTERS = {500: 0.3, 900: 0.5, 1500: 0.15, 3000: 0.05}
_BLOCK_WINDOW_CHARACTERS = 1500

_NUM_HOLES = {4: 0.2, 5: 0.2, 6: 0.2, 7: 0.2, 8: 0.2}
"""Share of the windows by how many holes they have. A window is read once for all of them: the more there are, the less
a hole costs."""

_BLOCK_PROBABILITY = 0.15
"""Share of the windows that have one long hole instead."""

_ALIGNMENT = 8
_MAX_PROSE_SHARE = 0.5
_PROSE_HOLE_PROBABILITY = 0.15
_MAX_DRAWS = 1000
_QUOTES = ('"""', "'''")
_LINE_START = re.compile(r"[ \t]*[rRuU]?")


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences padded on the right to one length, as `padded_length` says; every tensor is [B, T], but for `reach`.

    Attributes:
        reach: [B, 1], tokens to the right that a canvas token sees.
    """

    token_ids: Tensor
    labels: Tensor
    weights: Tensor
    position_ids: Tensor
    groups: Tensor
    num_prompt_seen: Tensor
    reach: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device; a GPU fetches it in its turn, after the batch before, and the CPU goes on."""
        return Batch(**{item.name: send(getattr(self, item.name), device) for item in fields(self)})

    @property
    def is_valid(self) -> Tensor:
        """[B, T], false for padding."""
        return self.groups != PADDING

    @property
    def visibility(self) -> Tensor:
        """[B, T, T], which token (second axis) sees which (third), as `sequence` says."""
        column = torch.arange(self.groups.shape[1], device=self.groups.device)
        group, other = self.groups[:, :, None], self.groups[:, None, :]
        is_canvas = (group > PROMPT) & (group % 2 == 1)
        is_reached = column <= column[:, None] + is_canvas * self.reach[:, :, None]
        sees_own_or_suffix = (group == other) | is_canvas & (other == group + 1)
        return sees_own_or_suffix & is_reached | (other == PROMPT) & (column < self.num_prompt_seen[:, :, None])


@dataclass(frozen=True, slots=True)
class Window:
    """Whole lines of one file, and which of them are docstrings."""

    text: str
    prose: list[Span]

    @property
    def prose_share(self) -> float:
        """Characters in docstrings per character."""
        return sum(span.end - span.start for span in self.prose) / max(len(self.text), 1)


class ExampleSource:
    """Draws training examples from texts; a file is as likely as it is long.

    Libraries are half docstrings, and editors fill code: windows that are mostly prose are passed over, and holes in
    docstrings are kept rarely.
    """

    def __init__(self, texts: Sequence[str], builder: ExampleBuilder, language: str | None = None) -> None:
        """Take the texts to draw from, which are of one language.

        Raises:
            ValueError: there is no text.
        """
        self._texts = texts
        self._builder = builder
        self._language = language
        self._ends = list(itertools.accumulate(len(text) for text in texts))
        if not self._ends or not self._ends[-1]:
            raise ValueError("the corpus is empty: there is nothing to train on")

    def draw(self, rng: random.Random, noise: NoiseSource | None = None) -> Example:
        """One example, with everything about it decided by `rng`; noise None is `examples.draw_noise`.

        Raises:
            ValueError: the texts hold hardly anything but docstrings and blanks.
        """
        for _ in range(_MAX_DRAWS):
            is_block = rng.random() < _BLOCK_PROBABILITY
            window = self._draw_window(rng, is_long=is_block)
            if window.prose_share > _MAX_PROSE_SHARE:
                continue
            if is_block:
                holes = choose_block(window.text, rng, self._language)
            else:
                (num_holes,) = rng.choices(tuple(_NUM_HOLES), weights=tuple(_NUM_HOLES.values()))
                holes = choose_holes(window.text, num_holes, rng, self._language)
            if holes := [hole for hole in holes if _is_kept(hole, window, rng)]:
                example = self._builder.build(window.text, holes, rng, noise)
                self._builder.teach_prompt(example, rng)
                return example
        raise ValueError("the corpus has hardly any code that a hole could be cut into")

    def _draw_window(self, rng: random.Random, *, is_long: bool) -> Window:
        (text,) = rng.choices(self._texts, cum_weights=self._ends)
        (length,) = rng.choices(tuple(_WINDOW_CHARACTERS), weights=tuple(_WINDOW_CHARACTERS.values()))
        return cut_window(text, rng.randrange(len(text)), _BLOCK_WINDOW_CHARACTERS if is_long else length)


def cut_window(text: str, offset: int, max_characters: int) -> Window:
    """The whole lines of at most `max_characters` that begin with the line of `offset`."""
    start = text.rfind("\n", 0, offset) + 1
    end = len(text) if start + max_characters >= len(text) else text.rfind("\n", 0, start + max_characters) + 1
    spans = (Span(max(span.start, start) - start, min(span.end, end) - start) for span in find_docstrings(text))
    return Window(text[start:end], [span for span in spans if span.start < span.end])


def find_docstrings(text: str) -> list[Span]:
    """Strings in triple quotes that begin a line: docstrings, to a good approximation, without parsing the file."""
    spans, end = [], 0
    for start in heapq.merge(*(_occurrences(text, quotes) for quotes in _QUOTES)):
        if start >= end:
            line = text.rfind("\n", 0, start) + 1
            closing = text.find(text[start : start + 3], start + 3)
            end = len(text) if closing < 0 else closing + 3
            if closing >= 0 and _LINE_START.fullmatch(text, line, start):
                spans.append(Span(line, end))
    return spans


def _occurrences(text: str, quotes: str) -> Iterator[int]:
    start = text.find(quotes)
    while start >= 0:
        yield start
        start = text.find(quotes, start + len(quotes))


def padded_length(num_tokens: int) -> int:
    """A length on which the rows of an attention mask are aligned, as a GPU's fused attention wants them."""
    return -(-num_tokens // _ALIGNMENT) * _ALIGNMENT


def collate(examples: Sequence[Example], reach: int = FULL_REACH) -> Batch:
    """Pad examples to the padded length of the longest; padding has token id 0, which no token sees."""
    length = padded_length(max(len(example.token_ids) for example in examples))
    columns = (
        ([example.token_ids for example in examples], 0),
        ([example.labels for example in examples], IGNORED),
        ([example.weights for example in examples], 0.0),
        ([example.position_ids for example in examples], 0),
        ([example.groups for example in examples], PADDING),
        ([example.num_prompt_seen for example in examples], 0),
    )
    return Batch(*(*(_pad(rows, filler, length) for rows, filler in columns), torch.full((len(examples), 1), reach)))


def _pad(rows: Sequence[Sequence[float]], filler: float, length: int) -> Tensor:
    """[B, T], filled up on the right."""
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def batches_by_length(examples: Sequence[Example], batch_size: int) -> list[Batch]:
    """Batches of examples of similar length, so that little is padding."""
    ordered = sorted(examples, key=lambda example: len(example.token_ids))
    return [collate(ordered[start : start + batch_size]) for start in range(0, len(ordered), batch_size)]


def _is_kept(hole: Span, window: Window, rng: random.Random) -> bool:
    is_prose = any(hole.start < span.end and span.start < hole.end for span in window.prose)
    return not is_prose or rng.random() < _PROSE_HOLE_PROBABILITY
