"""Somebody who types along with a text, in an editor that closes brackets and quotes by itself."""

import re
from collections.abc import Iterator

from hypothesis import strategies as st

PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}
WORDS = st.text(alphabet="ab =", min_size=1, max_size=4)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("\n".join),
        st.tuples(st.sampled_from("(["), inner).map(lambda both: both[0] + both[1] + PAIRS[both[0]]),
        st.tuples(st.sampled_from("\"'`"), WORDS).map(lambda both: both[0] + both[1] + both[0]),
        inner.map(lambda text: "{\n" + "".join(f"  {line}\n" for line in text.split("\n")) + "}"),
    )


CODE = st.recursive(WORDS, _compound, max_leaves=8)
"""Brackets and quotes in pairs, blocks indented."""

CLOSED = st.frozensets(st.sampled_from(sorted(PAIRS)))
"""Which openers an editor closes by itself; none, some, or all."""


SHIFTS = st.integers(-2, 3)
"""How much deeper than the goal somebody's closing lines are."""

_CLOSING_LINE = re.compile(r"\n( *)([)\]}])")


def alike(text: str) -> str:
    """The text without the indentation of closing lines, for comparisons."""
    return _CLOSING_LINE.sub(r"\n\2", text)


def type_along(goal: str, closes: frozenset[str], shift: int = 0) -> Iterator[tuple[str, str]]:
    """The text left and right of the cursor after every key, in an editor that closes these openers.

    Args:
        goal: The text that is typed.
        closes: The openers that the editor closes.
        shift: Columns by which the editor indents lines that begin with a closer deeper than the goal does.
    """
    typed, behind, rest = "", "", goal
    while rest:
        yield typed, behind
        key, closing_line, below = rest[0], _CLOSING_LINE.match(rest), re.match(r"\n[^\n]*", behind)
        indentation = re.match(r" *", typed.rpartition("\n")[2]).group()
        is_below = below and rest.startswith(below.group())
        if below and not is_below and alike(rest).startswith(alike(below.group())):  # Down, to the end of the line
            length = next(n for n in range(len(rest) + 1) if alike(rest[:n]) == alike(below.group()))
            typed, behind, rest = typed + below.group(), behind[below.end() :], rest[length:]
            continue
        if closing_line and shift and not is_below:
            key = closing_line.group()
            typed += "\n" + " " * max(len(closing_line[1]) + shift, 0)
            yield typed, behind
            typed += closing_line[2]
            behind = behind.removeprefix(closing_line[2])
        else:
            if is_below if below else behind.startswith(key):  # Down, or typed over
                behind = behind[1:]
            elif key in closes:
                behind = PAIRS[key] + behind
            elif key == "\n" and typed.endswith(("(", "[", "{")) and behind.startswith(PAIRS[typed[-1]]):
                behind = f"\n{' ' * max(len(indentation) + shift, 0)}{behind}"
            typed += key
        rest = rest[len(key) :]
