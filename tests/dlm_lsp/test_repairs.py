"""What is taken off a model's text, rule by rule."""

import pytest

from dlm_lsp.languages import language_for
from dlm_lsp.repairs import (
    without_blank_ends,
    without_loops,
    without_overlap,
    without_suffix,
    without_unmatched_closers,
)


@pytest.mark.parametrize(
    ("language_id", "text", "expected"),
    [
        ("javascript", "a(b[0]);\n}\n", "a(b[0]);\n"),
        ("javascript", "if (a) { b(); }", "if (a) { b(); }"),
        ("javascript", "a('}'); // }\n`}`", "a('}'); // }\n`}`"),
        ("rust", "x: &'a str) -> '}' ", "x: &'a str"),
        ("python", 'a = "]" # ]\n)', 'a = "]" # ]\n'),
        ("go", "f(]", "f("),
    ],
)
def test_unmatched_closers(language_id: str, text: str, expected: str) -> None:
    assert without_unmatched_closers(language_for(None, language_id), text) == expected


@pytest.mark.parametrize(
    ("text", "right", "expected"),
    [
        ("a, b)", ")", "a, b"),
        ("a);", ");", "a"),
        ("a)", "):", "a"),
        ("name_size", "_size + 1", "name"),
        ("na", "a", "na"),
        ("in range(n):", ":", "in range(n)"),
        ("value", "", "value"),
        ("ends", "endsville", "ends"),
        ("", ")", ""),
    ],
)
def test_overlap_with_the_right(text: str, right: str, expected: str) -> None:
    assert without_overlap(text, right) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a = 1", "a = 1", "b"], ["a = 1", "b"]),
        (["return f()", "return f()"], ["return f()"]),
        (["a = f()", "a = f()"], ["a = f()"]),
        (["# f()", "# f()", "a"], ["# f()", "a"]),
        (["a", "  next(it)", "  next(it)"], ["a", "  next(it)", "  next(it)"]),
        (["c.Next()"] * 3, ["c.Next()"] * 3),
        (["out.push('=');"] * 5 + ["b"], ["out.push('=');"] * 5 + ["b"]),
        (["a", *["c.Next()"] * 5], ["a", "c.Next()"]),
        (["c.Next()"] * 9, ["c.Next()"]),
        (["#endif", "#endif"], ["#endif", "#endif"]),
        ([], []),
        (["0,", "0,"], ["0,", "0,"]),
        (["}", "}"], ["}", "}"]),
        (["", "", "a"], ["", "", "a"]),
        (["a", "b"] * 4, ["a", "b"]),
        (["a", "b", "c"] * 3, ["a", "b", "c"]),
        (["a", "b"] * 2, ["a", "b"] * 2),
        (["  a = 1", "  b = 2", "  a = 1", "  b = 2", "  a = 1", "  b"], ["  a = 1", "  b = 2"]),
        (["  a = 1", "  b = 2", "  a = 1", "  b = 2", "  a ="], ["  a = 1", "  b = 2", "  a = 1", "  b = 2", "  a ="]),
        (
            ["if a:", "  x = 1", "el b:", "  y = 2", "el b:", "  y = 2", "el b:", "  y"],
            ["if a:", "  x = 1", "el b:", "  y = 2"],
        ),
    ],
)
def test_loops(lines: list[str], expected: list[str]) -> None:
    assert without_loops(lines) == expected


@pytest.mark.parametrize(
    ("lines", "suffix", "expected"),
    [
        (["  a", "  b"], ["  b", "c"], ["  a"]),
        (["  a", "    b"], ["  b"], ["  a", "    b"]),
        (["  b", "", "c"], ["", "  b", "c", "d"], []),
        (["a", "b", "c", "d", "x"], ["b", "c", "d", "e"], ["a"]),
        (["a", "b", "x"], ["a", "b", "c"], ["a", "b", "x"]),
        (["a"], [], ["a"]),
    ],
)
def test_lines_of_the_suffix(lines: list[str], suffix: list[str], expected: list[str]) -> None:
    assert without_suffix(lines, suffix) == expected


@pytest.mark.parametrize(
    ("lines", "expected"), [(["", "a", " ", "b", "", ""], ["a", " ", "b"]), (["", " "], []), ([], [])]
)
def test_blank_ends(lines: list[str], expected: list[str]) -> None:
    assert without_blank_ends(lines) == expected
