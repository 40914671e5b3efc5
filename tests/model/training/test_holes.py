"""Where holes are cut: inside the window, in order, apart, and on lines where that is meant."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_model.training.holes import MAX_CHARACTERS, choose_block, choose_holes
from dlm_model.training.syntax import GRAMMARS

LINES = st.lists(
    st.sampled_from(["", "x = 1", "    return y", "def f(a):", "    if a:", "        b(é)", "\tz"]), max_size=30
)


@given(LINES, st.integers(1, 5), st.integers())
def test_holes_are_ordered_apart_and_hold_text(lines: list[str], num_holes: int, seed: int) -> None:
    text = "\n".join(lines)
    holes = choose_holes(text, num_holes, random.Random(seed))
    assert len(holes) <= num_holes
    assert all(0 <= hole.start < hole.end <= len(text) for hole in holes)
    assert all(text[hole.start : hole.end].strip() for hole in holes)
    assert all(left.end < right.start for left, right in itertools.pairwise(holes))


def test_the_same_seed_cuts_the_same_holes() -> None:
    text = "def f(a):\n    return a\n" * 10
    assert choose_holes(text, 4, random.Random(7)) == choose_holes(text, 4, random.Random(7))


def test_whole_bodies_are_among_the_holes() -> None:
    body = "if a:\n        return 1\n    return 2"
    text = f"import os\ndef f(a):\n    {body}\n\n\nx = 1\n"
    holes = {hole for seed in range(200) for hole in choose_holes(text, 1, random.Random(seed), "python")}
    assert body in {text[hole.start : hole.end] for hole in holes}
    assert all(hole.end - hole.start <= MAX_CHARACTERS for hole in holes)


@pytest.mark.parametrize("language", ["python", None])
def test_blocks_are_long_and_leave_the_first_line(language: str | None) -> None:
    body = "\n".join(f"    total_{index} = first + {index}" for index in range(24))
    text = f"import os\ndef f(first):\n{body}\n    return total_3\n"
    holes = [hole for seed in range(100) for hole in choose_block(text, random.Random(seed), language)]
    assert len(holes) == 100
    lengths = [hole.end - hole.start for hole in holes]
    assert max(lengths) > MAX_CHARACTERS / 2
    assert all(3 * 25 < length <= MAX_CHARACTERS for length in lengths)
    assert all(hole.start >= len("import os\n") for hole in holes)
    whole = {text[hole.start : hole.end] for hole in holes if language}
    assert not language or f"{body.strip()}\n    return total_3" in whole


def test_holes_inside_a_word_are_cut() -> None:
    text = "first_line\nidentifier_one = identifier_two\n" * 4
    holes = [hole for seed in range(100) for hole in choose_holes(text, 2, random.Random(seed))]
    assert any(text[hole.start - 1].isalpha() and text[hole.start].isalpha() for hole in holes)


JAVASCRIPT = """import { Shape } from "./shape.js";

export function scaled(shape, factor) {
  if (factor <= 0) {
    throw new RangeError("a factor is positive");
  }
  return shape.map((side) => side * factor);
}
"""


def cut(text: str, language: str | None, num_seeds: int = 300) -> set[str]:
    holes = (hole for seed in range(num_seeds) for hole in choose_holes(text, 1, random.Random(seed), language))
    return {text[hole.start : hole.end] for hole in holes}


def test_bodies_statements_and_expressions_of_any_grammar_are_cut() -> None:
    found = cut(JAVASCRIPT, "javascript")
    assert JAVASCRIPT[JAVASCRIPT.index("if (factor") : JAVASCRIPT.rindex("\n}")] in found
    assert "return shape.map((side) => side * factor);" in found
    assert "side * factor" in found
    assert not {"side * factor", "factor <= 0"} & cut(JAVASCRIPT, None)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("csharp", "class A { int F(int a) { G();\n  return a + 1; } }\n"),
        ("kotlin", "fun f(a: Int): Int { G();\n  return a + 1 }\n"),
        ("php", "function f($a) { G();\n  return a + 1; }\n"),  # as in the midst of a file: no tag above
        ("scala", "def f(a: Int) = { G();\n  return a + 1 }\n"),
        ("swift", "func f(a: Int) -> Int { G();\n  return a + 1 }\n"),
    ],
)
def test_grammars_that_differ_give_bodies_as_well(language: str, text: str) -> None:
    found = cut("x = 1\n" + text, language)
    assert any(hole.rstrip(";") == "G();\n  return a + 1" for hole in found)
    assert "a + 1" in found


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_grammar_is_there_and_survives_any_text(language: str) -> None:
    text = "(é {\n" + "x = f(a, [1, 2]);\n" * 9 + "}}\n"
    assert all(hole in text for hole in cut(text, language, num_seeds=30))


def test_nodes_are_cut_at_characters_and_not_at_bytes() -> None:
    text = 'import os\n\n\ndef grüße(wen):\n    """Ä."""\n    return f"Grüße, {wen.name()}"\n'
    assert "wen.name()" in cut(text, "python")
