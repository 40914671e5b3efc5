"""Where training cuts holes: character ranges of a text window. Knows no tokens and no noise.

A window is cut into as many strips of lines as it gets holes, and each strip holds one hole, so that much is learned
from one sequence while every hole keeps visible text on both sides.
"""

import itertools
import random
import re
from collections.abc import Callable
from typing import NamedTuple

MAX_BODY_CHARACTERS = 500
MAX_SPAN_CHARACTERS = 60
MAX_LINES = 3
_DEFINITION = re.compile(r"^([ \t]*)(?:async )?def [^\n]*:\n", re.MULTILINE)


class Span(NamedTuple):
    """A half-open range of characters."""

    start: int
    end: int


def choose_holes(text: str, num_holes: int, rng: random.Random) -> list[Span]:
    """Up to `num_holes` non-empty ranges of `text`, in order, no two touching; none if the text is too short."""
    holes = [_choose_hole(text, strip, rng) for strip in _cut_strips(text, num_holes)]
    return [hole for hole in holes if text[hole.start : hole.end].strip()]


def _choose_hole(text: str, strip: Span, rng: random.Random) -> Span:
    (cut,) = rng.choices(tuple(_CUTTERS), weights=tuple(_CUTTERS.values()))
    return cut(text, strip, rng)


def _cut_strips(text: str, num_strips: int) -> list[Span]:
    """Runs of whole lines of equal count; the first line of each belongs to no strip and stays visible."""
    starts = _line_starts(text, Span(0, len(text)))
    num_strips = min(num_strips, len(starts) // (MAX_LINES - 1))
    bounds = [len(starts) * index // num_strips for index in range(num_strips + 1)] if num_strips else [0]
    ends = [*starts, len(text)]
    return [Span(starts[first + 1], ends[last]) for first, last in itertools.pairwise(bounds)]


def _cut_lines(text: str, strip: Span, rng: random.Random) -> Span:
    """One to three whole lines; half of the time the first line keeps its indentation, and the last its end."""
    starts = _line_starts(text, strip)
    first = rng.randrange(len(starts))
    last = min(first + rng.choices((1, 2, 3), weights=(4, 3, 3))[0], len(starts))
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


def _cut_body(text: str, strip: Span, rng: random.Random) -> Span:
    """A whole small function body, after its indentation and without its last line end; else lines."""
    bodies = [body for match in _DEFINITION.finditer(text, *strip) if (body := _body_after(text, match, strip))]
    return rng.choice(bodies) if bodies else _cut_lines(text, strip, rng)


def _body_after(text: str, definition: re.Match[str], strip: Span) -> Span | None:
    depth = len(definition[1])
    end = definition.end()
    for start in _line_starts(text, Span(definition.end(), strip.end)):
        is_blank = text[start:].startswith("\n")
        if not is_blank and _indentation(text, start) <= depth:
            break
        end = end if is_blank else _line_end(text, start)
    start = definition.end() + _indentation(text, definition.end())
    return Span(start, end) if 0 < end - start <= MAX_BODY_CHARACTERS else None


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


_CUTTERS: dict[Callable[[str, Span, random.Random], Span], float] = {
    _cut_lines: 0.4,
    _cut_rest_of_line: 0.25,
    _cut_characters: 0.2,
    _cut_body: 0.15,
}
