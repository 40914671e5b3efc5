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


def type_along(goal: str, closes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """What stands left and right of the cursor after every key, in an editor that closes these openers."""
    typed, behind = "", ""
    while rest := goal[len(typed) :]:
        yield typed, behind
        key = rest[0]
        line = typed.rpartition("\n")[2]
        indentation = line[: len(line) - len(line.lstrip(" "))]
        below = re.match(r"\n[^\n]*", behind)
        if rest.startswith(below.group()) if below else behind.startswith(key):  # Down, or typed over
            behind = behind[1:]
        elif key in closes:
            behind = PAIRS[key] + behind
        elif key == "\n" and typed.endswith(("(", "[", "{")) and behind.startswith(PAIRS[typed[-1]]):
            behind = f"\n{indentation}{behind}"
        typed += key
