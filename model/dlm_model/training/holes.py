"""Where training cuts holes: character ranges of a text window. Knows no tokens and no noise.

A window is cut into strips of lines, and each strip holds one hole. So one sequence teaches much, and every hole keeps
visible text on both sides. Holes are lines, rests of lines, any characters, and, if the language is known, nodes of the
syntax tree: whole bodies, statements and expressions. A strip is too short for most bodies, so some windows have a
single long hole, a block.
"""

import itertools
import math
import random
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dlm_model.training.syntax import Kind, SyntaxSpan, spans_around

MAX_CHARACTERS = 700
"""Of any hole: about 256 tokens, at not quite three characters a token."""
MIN_BLOCK_CHARACTERS = 200
MAX_SPAN_CHARACTERS = 60
MAX_LINES = 3
_KINDS: Mapping[Kind, float] = {"body": 0.4, "statement": 0.3, "expression": 0.3}
_SYNTAX_TRIES = 4
_NODE_PROBABILITY = 0.7
"""Of a block, where the language is known; the others are lines."""


class Span(NamedTuple):
    """A half-open range of characters."""

    start: int
    end: int


def choose_holes(text: str, num_holes: int, rng: random.Random, language: str | None = None) -> list[Span]:
    """Up to `num_holes` non-empty ranges of `text`, in order, no two touching; none if the text is too short.

    Args:
        text: Whole lines of a file.
        num_holes: How many.
        rng: Decides everything.
        language: One of `syntax.GRAMMARS`; None cuts no nodes.
    """
    holes = [_choose_hole(text, strip, rng, language) for strip in _cut_strips(text, num_holes)]
    return [hole for hole in holes if text[hole.start : hole.end].strip()]


def choose_block(text: str, rng: random.Random, language: str | None = None) -> list[Span]:
    """One long range of `text`: a body or statement where there is one, otherwise lines; none if it is too short."""
    strips = _cut_strips(text, 1)
    holes = [_cut_long_node(text, strip, rng, language) or _cut_block(text, strip, rng) for strip in strips]
    return [hole for hole in holes if text[hole.start : hole.end].strip()]


def _choose_hole(text: str, strip: Span, rng: random.Random, language: str | None) -> Span:
    if language is not None and rng.random() < _SYNTAX_PROBABILITY:
        return _cut_node(text, strip, rng, language) or _cut_lines(text, strip, rng)
    (cut,) = rng.choices(tuple(_CUTTERS), weights=tuple(_CUTTERS.values()))
    return cut(text, strip, rng)


def _cut_node(text: str, strip: Span, rng: random.Random, language: str) -> Span | None:
    """A body, a statement or an expression within the strip; None where there is none of the kind that was drawn.

    A place and a kind are drawn: the innermost node around the place is as likely as one that holds it.
    """
    (kind,) = rng.choices(tuple(_KINDS), weights=tuple(_KINDS.values()))
    return _draw_node(text, strip, rng, language, lambda node: node.kind == kind)


def _cut_long_node(text: str, strip: Span, rng: random.Random, language: str | None) -> Span | None:
    if language is None or rng.random() >= _NODE_PROBABILITY:
        return None
    return _draw_node(text, strip, rng, language, lambda node: node.end - node.start >= MIN_BLOCK_CHARACTERS)


def _draw_node(
    text: str, strip: Span, rng: random.Random, language: str, is_wanted: Callable[[SyntaxSpan], bool]
) -> Span | None:
    for _ in range(_SYNTAX_TRIES):
        nodes = spans_around(text, language, rng.randrange(strip.start, strip.end))
        fitting = [
            Span(node.start, node.end)
            for node in nodes
            if is_wanted(node) and strip.start <= node.start and node.end <= strip.end
        ]
        fitting = [_without_braces(text, span) for span in fitting if span.end - span.start <= MAX_CHARACTERS]
        if fitting:
            return rng.choice(fitting)
    return None


def _without_braces(text: str, span: Span) -> Span:
    """The range between the braces of a block, which an editor keeps; any other range as it is."""
    if text[span.start] != "{" or text[span.end - 1] != "}":
        return span
    inner = text[span.start + 1 : span.end - 1]
    start = span.start + 1 + len(inner) - len(inner.lstrip())
    return Span(start, max(start, span.end - 1 - (len(inner) - len(inner.rstrip()))))


def _cut_strips(text: str, num_strips: int) -> list[Span]:
    """Runs of whole lines of equal count; the first line of each belongs to no strip and stays visible."""
    starts = _line_starts(text, Span(0, len(text)))
    num_strips = min(num_strips, len(starts) // (MAX_LINES - 1))
    bounds = [len(starts) * index // num_strips for index in range(num_strips + 1)] if num_strips else [0]
    ends = [*starts, len(text)]
    return [Span(starts[first + 1], ends[last]) for first, last in itertools.pairwise(bounds)]


def _cut_lines(text: str, strip: Span, rng: random.Random) -> Span:
    """One to three whole lines."""
    first = rng.randrange(len(_line_starts(text, strip)))
    return _cut_run(text, strip, rng, first, rng.choices((1, 2, 3), weights=(4, 3, 3))[0])


def _cut_block(text: str, strip: Span, rng: random.Random) -> Span:
    """Four whole lines or more, as many as fit; twice as many are half as likely."""
    starts = _line_starts(text, strip)
    first = rng.randrange(max(1, len(starts) - MAX_LINES))
    num_fitting = sum(start <= starts[first] + MAX_CHARACTERS for start in starts[first + 1 :])
    longest = max(MAX_LINES + 1, num_fitting)
    return _cut_run(text, strip, rng, first, round(math.exp(rng.uniform(math.log(MAX_LINES + 1), math.log(longest)))))


def _cut_run(text: str, strip: Span, rng: random.Random, first: int, num_lines: int) -> Span:
    """Whole lines from one on; half of the time the first line keeps its indentation, and the last its end."""
    starts = _line_starts(text, strip)
    last = min(first + num_lines, len(starts))
    start = starts[first] + (_indentation(text, starts[first]) if rng.random() < 0.5 else 0)
    end = starts[last] if last < len(starts) else strip.end
    keeps_line_end = rng.random() < 0.5 and text[end - 1] == "\n"
    return Span(start, max(start, end - 1 if keeps_line_end else end))


def _cut_rest_of_line(text: str, strip: Span, rng: random.Random) -> Span:
    line = rng.choice(_line_starts(text, strip))
    end = _line_end(text, line)
    first = line + _indentation(text, line)
    return Span(rng.randint(min(first, end), end), end)


def _cut_characters(_text: str, strip: Span, rng: random.Random) -> Span:
    """Any characters, within one strip."""
    start = rng.randrange(strip.start, strip.end)
    return Span(start, min(start + rng.randint(1, MAX_SPAN_CHARACTERS), strip.end))


def _line_starts(text: str, span: Span) -> list[int]:
    """Starts of the lines that begin in the span, which begins with one."""
    later = [match.end() for match in re.compile("\n").finditer(text, *span)]
    return [span.start, *(start for start in later if start < span.end)]


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _indentation(text: str, start: int) -> int:
    line = text[start : _line_end(text, start)]
    return len(line) - len(line.lstrip(" \t"))


_SYNTAX_PROBABILITY = 0.35
_CUTTERS: dict[Callable[[str, Span, random.Random], Span], float] = {
    _cut_lines: 0.4,
    _cut_rest_of_line: 0.35,
    _cut_characters: 0.25,
}
