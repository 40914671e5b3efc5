"""From a hole to its filled text by typing: which documents lie on the way, and what each of them still lacks.

The typist is not the only one who types. Editors put the closer of a bracket or a quote in behind the cursor as soon as
its opener is typed, and on a line of its own when Enter is pressed between the two, where it may be indented otherwise
than in the goal. Knows texts and nothing else.
"""

import re
from itertools import accumulate, chain, takewhile
from typing import NamedTuple

_PUT_IN = re.compile(r"[\s)\]}\"'`]*")
"""What an editor puts in behind the cursor by itself, with the blanks that may be part of a hole."""

_LINE_BREAK = re.compile(r"\r\n?|\n")

_CLOSING_INDENTATION = re.compile(r"(?<=[\r\n])[ \t]*(?=[)\]}])")
"""Of a line that begins with a closing bracket; quotes are left out, since what is before them may be in the string."""

_QUOTED = re.compile(r"""(["'`]).*?\1""")
_NESTING = dict.fromkeys("([{", 1) | dict.fromkeys(")]}", -1)


class Step(NamedTuple):
    """What brings a document on, at the cursor.

    Attributes:
        text: To be put in.
        num_replaced: How many of the characters behind the cursor it takes the place of, all of them on its line.
    """

    text: str
    num_replaced: int


def is_on_the_way(goal: str, typed: str, behind: str) -> bool:
    """Whether the goal begins with what was typed, and an editor may have put in what is behind the cursor.

    Args:
        goal: What a hole is filled with, as far as it is known.
        typed: What the hole holds already, up to the cursor.
        behind: What it holds from there on.
    """
    return goal.startswith(typed) and _PUT_IN.fullmatch(behind) is not None


def next_step(goal: str, typed: str, behind: str) -> Step | None:
    """The longest step that ghost text can make; None where the document has left the way, or lacks nothing here.

    It reaches the goal, unless closers stand on lines below the cursor and the goal goes on behind them: ghost text
    replaces nothing beyond the cursor's line, and stops in front of them. A line that a closer begins keeps the
    indentation that the document gives it.

    Args:
        goal: What the hole is filled with, all of it.
        typed: As for `is_on_the_way`.
        behind: As for `is_on_the_way`.
    """
    goal = _closing_like(typed, goal)
    if not is_on_the_way(goal, typed, behind):
        return None
    rest = goal[len(typed) :]
    line_break = _LINE_BREAK.search(behind)
    if line_break:
        step = _step_before(line_break, rest)
    else:
        step = Step(rest, len(behind)) if is_woven_into(behind.rstrip(" \t"), rest) else None
    is_news = step and step.text.strip() and len(step.text) > len(behind[: step.num_replaced].strip())
    return step if is_news else None


def _closing_like(typed: str, goal: str) -> str:
    """The goal, its closing lines indented as what was typed has them."""
    indentations = iter(_CLOSING_INDENTATION.findall(typed))
    return _CLOSING_INDENTATION.sub(lambda match: next(indentations, match[0]), goal)


def _without_closing_indentation(text: str) -> str:
    return _CLOSING_INDENTATION.sub("", text)


def _step_before(line_break: re.Match[str], rest: str) -> Step | None:
    """The step up to where the rest says what stands below the cursor's line, preferably up to its end."""
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
    nesting = (_NESTING.get(character, 0) for character in _QUOTED.sub("", rest[:place]))
    depths = list(accumulate(nesting, initial=0))
    return depths[-1] == min(depths)


def agreed_part(goal: str, content: str) -> str | None:
    """What a hole says of its goal already, where anything behind that may have been put in by an editor.

    Args:
        goal: As far as it is known.
        content: Of the hole, wherever the cursor is.
    """
    num_agreed = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(goal, content, strict=False)))
    agreed = content[:num_agreed]
    return agreed if is_on_the_way(goal, agreed, content[len(agreed) :]) else None


def is_woven_into(text: str, longer: str) -> bool:
    """Whether insertions alone make the longer text of this one: whether it is a subsequence."""
    rest = iter(longer)
    return all(character in rest for character in text)
