"""The repairs of a model's text, rule by rule."""

import pytest

from dlm_lsp.fitting.repairs import (
    without_blank_ends,
    without_overlap,
    without_repeated_lines,
    without_repeated_text,
    without_suffix,
)
from dlm_lsp.holes.unclosed import with_closers, without_unmatched_closers
from dlm_lsp.languages import language_for


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
        ("0", "0", ""),
        ("x", "x > 0", ""),
        ("y, x", "x)", "y, "),
        ("1", "10", "1"),
        ("self.", "self.value", ""),
        ("return y ", "return y", ""),
        ("a + b; ", "a + b;", ""),
        ("a ", "b", "a "),
    ],
)
def test_overlap_with_the_right(text: str, right: str, expected: str) -> None:
    assert without_overlap(text, right) == expected


@pytest.mark.parametrize(("left", "expected"), [("f(", ""), ("ban", "a"), ("", "")])
def test_a_short_word_repeats_the_right_only_if_nothing_before_it_belongs_to_it(left: str, expected: str) -> None:
    assert without_overlap("a", "a + 1", left) == expected


@pytest.mark.parametrize(
    ("language_id", "lines", "closers"),
    [
        ("go", ["for {", "\t\tif a { // {", "\t\t\tb()"], ["\t\t}", "\t}"]),
        ("go", ["if a {", "\t\tb()", "\t} else {", "\t\tc()"], ["\t}"]),
        ("go", ["a()", "\t}"], []),
        ("go", ["go func() {", "\t\ta()"], []),
        ("go", ["defer func() {", "\t\tif a {", "\t\t\tb()"], []),
        ("go", ["a := func() {", "\t\tb()"], ["\t}"]),
        ("python", ["a = {", "\t\t1: 2,"], []),
        ("javascript", ["a(b, (c) => {", "\t\td();"], ["\t});"]),
        ("javascript", ["a(b, (c) => {", "\t\td()"], ["\t})"]),
        ("javascript", ["a(() => {", "\t\tb([{", "\t\t\tc: 1,"], ["\t\t}])", "\t})"]),
        ("javascript", ["for (a of b) {", "\t\tc(() => {", "\t\t\td();"], ["\t\t});", "\t}"]),
        ("javascript", ["a(() => {", "\t\tb("], []),
        ("javascript", ["if (a((b) => {", "\t\tc();"], []),
        ("php", ["} elseif (a(function ($b) {", "\t\tc();"], []),
        ("kotlin", ["when (a { b ->", "\t\tc()"], []),
        ("kotlin", ["a { b ->", "\t\tc(b) {", "\t\t\td()"], ["\t\t}", "\t}"]),
    ],
)
def test_closers_of_what_is_open(language_id: str, lines: list[str], closers: list[str]) -> None:
    assert with_closers(language_for(None, language_id), lines, "\t") == [*lines, *closers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b.popup" + ".popup" * 7 + ".po", "a = b.popup"),
        ("w" + "_t" * 12, "w_t"),
        ("for a in (\n    " + "(\n    " * 5, "for a in (\n   "),
        (("(\n" + " " * 30) * 6, "(\n" + " " * 30),
        ("# the name of" + " the name of" * 4, "# the name of"),
        ("f(a, b)\n" * 5 + "f(", "f(a, b)\n"),
        ("f(\n  'a',\n" * 3, "f(\n  'a',\n"),
        ("f(\n  'a',\n" * 2, "f(\n  'a',\n" * 2),
        ("#\n" * 5, "#\n"),
        ("a" + "\n" * 40, "a" + "\n" * 40),
        ("f(a, b)\n" * 4, "f(a, b)\n" * 4),
        ("f(a, b)\n" * 5 + "return a", "f(a, b)\n" * 5 + "return a"),
        ("x" + "_t" * 11, "x" + "_t" * 11),
        ("0, " * 20, "0, " * 20),
        ("# " + "-" * 60, "# " + "-" * 60),
        ("x = '" + "A" * 36, "x = '" + "A" * 36),
        ("0x" + "0" * 32, "0x" + "0" * 32),
        ("0 0 0\n" * 5, "0 0 0\n" * 5),
        ("f(" + "(" * 30, "f("),
        ("", ""),
    ],
)
def test_repeated_text(text: str, expected: str) -> None:
    assert without_repeated_text(text) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a = 1", "a = 1", "b"], ["a = 1", "b"]),
        (["return f()", "return f()"], ["return f()"]),
        (["a = f()", "a = f()"], ["a = f()"]),
        (["# f()", "# f()", "a"], ["# f()", "a"]),
        (["a", "  next(it)", "  next(it)"], ["a", "  next(it)", "  next(it)"]),
        (["c.Next()"] * 3, ["c.Next()"] * 3),
        (["$a->next();"] * 3, ["$a->next();"] * 3),
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
def test_repeated_lines(lines: list[str], expected: list[str]) -> None:
    assert without_repeated_lines(lines) == expected


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
    assert without_suffix(language_for(None, "python"), lines, suffix) == expected


SIBLINGS = [
    ("python", "@cache\n@wraps(f)\n@typed", "def a(x):\n    return x", "def b(x):\n    return x"),
    ("python", "@mark(\n    'a',\n    [1],\n)", "def test_a():\n    pass", "def test_b():\n    pass"),
    ("python", "@mark(\n    'a',\n    [", "        1,\n    ],\n)", "        2,\n    ],\n)"),
    ("python", "@overload\ndef f(\n    self,\n    a: int,", "    b: int,\n) -> int: ...", "    b: str,\n) -> str: ..."),
    ("python", "add(\n    'x',\n    type=int,", "    default=1,\n)", "    default=2,\n)"),
    ("python", "# one\n# two\n# three", "a = 1", "b = 1"),
    ("rust", "#[test]\n#[should_panic]\n#[ignore]", "fn a() {\n}", "fn b() {\n}"),
    ("rust", "impl A {\n    #[inline]\n    #[must_use]", "    fn a() {}\n}", "    fn b() {}\n}"),
    ("go", "// A does\n// what A\n// does.", "func (s *S) A() {\n}", "func (s *S) B() {\n}"),
    ("java", '@Test\n@Tag("a")\n@Timeout(1)', "void a() {\n}", "void b() {\n}"),
    ("csharp", '[Test]\n[Category("a")]\n[Timeout(1), Explicit]', "void A() {\n}", "void B() {\n}"),
    ("php", "#[Test]\n#[Group('a')]\n# why", "function a() {\n}", "function b() {\n}"),
]


@pytest.mark.parametrize(("language_id", "same", "ours", "theirs"), SIBLINGS)
def test_a_sibling_may_begin_as_what_follows(language_id: str, same: str, ours: str, theirs: str) -> None:
    lines, suffix = f"{same}\n{ours}".split("\n"), f"{same}\n{theirs}".split("\n")
    assert without_suffix(language_for(None, language_id), lines, suffix) == lines


REPETITIONS = [
    ("python", '@cache\ndef f(x):\n    """What', "    it does.", "    it is."),
    ("python", "@cache\ndef f(x):\n    a(x)", "    b(x)", "    c(x)"),
    ("python", "def f(\n    a: int,\n    b: int,", "    c: i", "    c: int,\n):"),
    ("python", "SIZES = {\n    'a': 1,\n    'b': 2,", "    'c': 3,\n}", "    'd': 4,\n}"),
    ("javascript", "test('a', () => {\n  b();\n  c();", "  d();\n});", "  e();\n});"),
    ("rust", "impl A for B {\n    type C = D;\n    const E: u8 = 1;", "    fn f() {}\n}", "    fn g() {}\n}"),
    ("go", "func (s *S) A() {\n\tb()\n\tc()", "\td()\n}", "\te()\n}"),
    ("java", "@Override\nvoid a() {\n  b();", "  c();\n}", "  d();\n}"),
    ("php", "$this->sizes = [\n  'a' => 1,\n  'b' => 2,", "  'c' => 3,\n];", "  'd' => 4,\n];"),
    ("kotlin", "val sizes = mapOf(\n  a to 1,\n  b to 2,", "  c to 3,\n)", "  d to 4,\n)"),
]


@pytest.mark.parametrize(("language_id", "same", "ours", "theirs"), REPETITIONS)
def test_what_has_the_name_of_what_follows_repeats_it(language_id: str, same: str, ours: str, theirs: str) -> None:
    lines, suffix = f"a()\n{same}\n{ours}".split("\n"), f"{same}\n{theirs}".split("\n")
    assert without_suffix(language_for(None, language_id), lines, suffix) == ["a()"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["", "a", " ", "b", "", ""], ["a", " ", "b"]),
        (["a", "#", "b", "  #", "", "#"], ["a", "#", "b"]),
        (["#", "# a"], ["#", "# a"]),
        (["", " "], []),
        ([], []),
    ],
)
def test_blank_ends(lines: list[str], expected: list[str]) -> None:
    assert without_blank_ends(lines) == expected
