"""What a document still lacks of the text that fills its hole (the *goal*), and whether it is on its way there.

The editor types, too. When a bracket or a quote is opened, it inserts the closer after the cursor. When Enter is
pressed between the two, it moves the closer to a line of its own, perhaps with another indentation than in the goal.
Knows texts and nothing else.
"""

import re
from itertools import chain
from typing import NamedTuple

from dlm_lsp.languages.brackets import CLOSERS, left_open

_PUT_IN = re.compile(r"[\s)\]}\"'`]*")
"""Matches what an editor inserts after the cursor by itself, and the blanks that may be part of a hole."""

_LINE_BREAK = re.compile(r"\r\n?|\n")

_CLOSING_INDENTATION = re.compile(r"(?<=[\r\n])[ \t]*(?=[)\]}])")
"""Matches the indentation of a line that begins with a closing bracket. Quotes are left out, because the blanks before
them may belong to the string.
"""

_QUOTED = re.compile(r"""(["'`]).*?\1""")


class Step(NamedTuple):
    """An insertion at the cursor that brings a document closer to its goal.

    Attributes:
        text: To be put in.
        num_replaced: Characters after the cursor that it replaces, all on the cursor's line.
    """

    text: str
    num_replaced: int


def rest_of(goal: str, typed: str) -> str | None:
    """The part of a goal that follows what was typed; None if the two disagree.

    Lines that begin with a closer may be indented differently in the two.

    Args:
        goal: The text that fills a hole, as far as it is known.
        typed: What the hole holds already, up to the cursor.
    """
    goal = _closing_like(typed, goal)
    return goal[len(typed) :] if goal.startswith(typed) else None


def is_on_the_way(goal: str, typed: str, following: str) -> bool:
    """Whether part of the goal may still be missing at the cursor: the text after it may be an editor's insertion.

    Args:
        goal: What the hole is filled with, as far as it is known.
        typed: What the hole holds already, up to the cursor.
        following: What the hole holds from the cursor on.
    """
    return rest_of(goal, typed) is not None and _PUT_IN.fullmatch(following) is not None


def next_step(goal: str, typed: str, following: str) -> Step | None:
    """The longest step that ghost text can make; None if the document contradicts the goal, or lacks nothing here.

    It reaches the goal, unless closers stand on lines below the cursor and the goal goes on after them. Ghost text
    replaces nothing below the cursor's line, so it then stops in front of them. A line that begins with a closer keeps
    the document's indentation.

    Args:
        goal: What the hole is filled with, all of it.
        typed: What the hole holds already, up to the cursor.
        following: What the hole holds from the cursor on.
    """
    rest = rest_of(goal, typed)
    if rest is None or not _PUT_IN.fullmatch(following):
        return None
    line_break = _LINE_BREAK.search(following)
    if line_break:
        step = _step_before(line_break, rest)
    else:
        step = Step(rest, len(following)) if is_woven_into(following.rstrip(" \t"), rest) else None
    is_news = step and step.text.strip() and len(step.text) > len(following[: step.num_replaced].strip())
    return step if is_news else None


def _closing_like(text: str, goal: str) -> str:
    """The goal with its closing lines indented like those of the text, or like the blanks in their place."""
    lines = _LINE_BREAK.split(text)

    def indentation(of_goal: re.Match[str]) -> str:
        number = len(_LINE_BREAK.findall(goal, 0, of_goal.start()))
        line = lines[number] if number < len(lines) else ""
        blanks = line[: len(line) - len(line.lstrip(" \t"))]
        closes = line.startswith(CLOSERS, len(blanks))
        goes_too_far = line == blanks and not of_goal[0].startswith(blanks)
        return blanks if closes or goes_too_far else of_goal[0]

    return _CLOSING_INDENTATION.sub(indentation, goal)


def _without_closing_indentation(text: str) -> str:
    return _CLOSING_INDENTATION.sub("", text)


def _step_before(line_break: re.Match[str], rest: str) -> Step | None:
    """Insert text up to where the goal matches the lines below; prefer a match that reaches the goal's end."""
    line, below = line_break.string[: line_break.start()], line_break.string[line_break.start() :]
    following = _LINE_BREAK.search(line_break.string, line_break.end())
    num_first = following.start() - len(line) if following else len(below)
    first, others = (_without_closing_indentation(part) for part in (below[:num_first], below[num_first:]))
    places = [
        (match.start(), _without_closing_indentation(rest[match.start() :]))
        for match in _LINE_BREAK.finditer(rest)
        if is_woven_into(line.strip(), rest[: match.start()])
    ]
    at_end = (place for place, tail in places if tail == first + others)
    ahead = (
        place
        for place, tail in places
        if tail.startswith(first) and is_woven_into(others, tail[len(first) :]) and _is_left_at(rest, place)
    )
    place = next(chain(at_end, ahead), None)
    return None if place is None else Step(rest[:place], len(line))


def _is_left_at(rest: str, place: int) -> bool:
    """Whether what the rest opens before a place is closed before it: a closer there belongs to what is typed."""
    return not left_open(_QUOTED.sub("", rest[:place]))


def agreed_part(goal: str, content: str) -> str | None:
    """The part of its goal that a hole already holds, if an editor may have inserted everything after that part.

    Args:
        goal: What the hole is filled with, as far as it is known.
        content: What the hole holds, wherever the cursor is.
    """
    goal = _closing_like(content, goal)
    agreed = content[: shared_length(goal, content)]
    return agreed if is_on_the_way(goal, agreed, content[len(agreed) :]) else None


def shared_length(left: str, right: str) -> int:
    """How many characters two texts have in common from their start; bisects, because comparing slices is fast."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def is_woven_into(text: str, longer: str) -> bool:
    """Whether insertions alone turn a text into the longer one: whether it is a subsequence."""
    rest = iter(longer)
    return all(character in rest for character in text)
