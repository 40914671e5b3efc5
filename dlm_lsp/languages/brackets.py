"""The three pairs of brackets, and which of them close which.

Brackets in comments and strings count like any other, unless the caller has blanked those: see `Language.code_only`.
"""

import re
from collections.abc import Iterator

CLOSER_OF = {"(": ")", "[": "]", "{": "}"}
OPENER_OF = {closer: opener for opener, closer in CLOSER_OF.items()}
OPENERS = "".join(CLOSER_OF)

BRACKET = re.compile(r"[()\[\]{}]")

LEADING_CLOSERS = re.compile(r"[)\]}\s]*")
"""Matches the closing brackets that a line begins with, and the blanks around them."""

CLOSERS = ("}", ")", "]", "</")
"""Brackets that close, in every language, and what a closing tag begins with."""


def growth(code: str, openers: str = OPENERS) -> int:
    """How many more brackets of some kinds a text opens than it closes; below 0 where it closes more."""
    return sum(code.count(opener) - code.count(CLOSER_OF[opener]) for opener in openers)


def num_unmatched(code: str, openers: str = OPENERS) -> tuple[int, int]:
    """How many brackets of some kinds a text leaves open, and how many it closes that it did not open.

    A closing one closes the last that is open, whichever of these kinds it is of.
    """
    closers = [CLOSER_OF[opener] for opener in openers]
    num_open = num_closed = 0
    for bracket in BRACKET.findall(code):
        if bracket in openers:
            num_open += 1
        elif bracket in closers and num_open:
            num_open -= 1
        elif bracket in closers:
            num_closed += 1
    return num_open, num_closed


def scan(code: str) -> Iterator[tuple[str, int, int]]:
    """Each bracket of some code, where it stands, and where the one stands that it closes; −1 if it closes none.

    As for `num_unmatched`, a closing bracket closes the last that is open, of whatever kind.
    """
    opened: list[int] = []
    for match in BRACKET.finditer(code):
        yield match.group(), match.start(), opened.pop() if match.group() in OPENER_OF and opened else -1
        if match.group() in CLOSER_OF:
            opened.append(match.start())


def left_open(code: str) -> list[tuple[str, int]]:
    """The brackets that nothing in the code closes, by the rule of `scan`, and where."""
    opened: list[tuple[str, int]] = []
    for match in BRACKET.finditer(code):
        if match.group() in CLOSER_OF:
            opened.append((match.group(), match.start()))
        elif opened:
            opened.pop()
    return opened


def left_open_of_kind(code: str) -> list[tuple[str, int]]:
    """The brackets that nothing of their own kind closes, and where: a mistake within braces does not reach beyond.

    A brace closes the last one that is open, and what is open within it; another bracket closes the last that is open,
    if it is of its kind, and nothing otherwise.
    """
    opened: list[tuple[str, int]] = []
    for match in BRACKET.finditer(code):
        bracket = match.group()
        if bracket in CLOSER_OF:
            opened.append((bracket, match.start()))
        elif opened and bracket == "}":
            last = max((n for n, (each, _) in enumerate(opened) if each == "{"), default=len(opened))
            opened = opened[:last]
        elif opened and opened[-1][0] == OPENER_OF[bracket]:
            opened.pop()
    return opened
