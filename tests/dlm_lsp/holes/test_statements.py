"""One statement where one is asked for: its lines within a model's text, and when it is complete."""

import pytest

from dlm_lsp.fitting.block_fitting import BlockFitter
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import HoleKind
from tests.dlm_lsp.snapshots import snapshot_of

FIRST = [
    ("python", "a = 1\n    b = 2", 1),
    ("python", "a = (\n        1,\n    )\n    b = 2", 3),
    ("python", "if a:\n        b()\n    else:\n        c()\n    d()", 4),
    ("python", "# why\n    a = 1\n    b = 2", 2),
    ("python", "@cached\n    def g():\n        return 1\n\n    b = g()", 3),
    ("python", "a = '''\nx\n'''\n    b = 2", 3),
    ("javascript", "const a = b\n      .map(c)\n      .filter(d)\n    e()", 3),
    ("javascript", "if (a) {\n      b();\n    } else {\n      c();\n    }\n    d();", 5),
    ("typescript", "const a: number = 1;\n    const b = 2;", 1),
    ("tsx", "const a = (\n      <div>\n        {b}\n      </div>\n    );\n    c();", 5),
    ("go", "a, err := b()\n\tif err != nil {\n\t\treturn\n\t}", 1),
    ("rust", "let a = match b {\n        1 => 2,\n        _ => 3,\n    };\n    c(a);", 4),
    ("rust", "#[test]\n    fn a() {}\n    b();", 2),
    ("rust", "{\n        a();\n    }\n    b();", 3),
    ("java", "@Deprecated\n    int a = 1;\n    b();", 2),
    ("java", "for (int i = 0; i < n; i++) {\n      a(i);\n    }\n    b();", 3),
    ("c", "if (a)\n        b();\n    else\n        c();\n    d();", 4),
    ("cpp", "auto a = std::vector<int>{\n        1,\n        2,\n    };\n    b(a);", 4),
    ("c", "#define A 1\n    a = A;", 1),
]
WHOLE = [
    ("python", "a = 1\n", True),
    ("python", "a = 1", False),
    ("python", "a = (\n", False),
    ("python", "if a:\n", False),
    ("python", "if a:\n        b()\n", False),
    ("python", "if a:\n        b()\n    c", False),
    ("python", "if a:\n        b()\n    c(", True),
    ("python", "if a:\n        b()\n    else", False),
    ("python", "@property\n", False),
    ("python", "@property\n    ", False),
    ("python", "a = b[\n        1", False),
    ("javascript", "do {\n      a();\n    } while (b <", False),
    ("javascript", "if (a) b();\n", False),
    ("tsx", 'const a = b && <p id="c">{\n', False),
    ("python", "# why\n", False),
    ("python", "a = 'b:'\n", True),
    ("javascript", "const a = b\n", False),
    ("javascript", "const a = b;\n", True),
    ("java", "A a =\n        new B(", False),
    ("cpp", "if (a)\n      b(", False),
    ("java", "if (a) {\n", False),
    ("java", "if (a) {\n      b();\n    }\n", False),
    ("java", "if (a) {\n      b();\n    }\n    c();", True),
    ("python", "if a: b()\n", False),
    ("python", "if a: b()\n    else: c()\n    d(", True),
    ("javascript", "a:\n    for (const b of c) {\n", False),
    ("go", "a:\n\tfor {\n", False),
    ("rust", "pub\n    fn a() {", False),
]


def fitter(language_id: str, before: str, after: str, kind: HoleKind = "statement") -> BlockFitter:
    text = before + after
    snapshot = snapshot_of(language_id, text)
    hole = find_hole(snapshot, len(before))
    assert hole.kind == kind
    return BlockFitter(hole)


def in_function(language_id: str) -> BlockFitter:
    """A blank line between two statements."""
    if language_id == "python":
        return fitter(language_id, "def f(x):\n    first(x)\n    ", "\n    last(x)\n")
    indent = "\t" if language_id == "go" else "    "
    head = {"go": "func f() {", "rust": "fn f() {", "java": "class A {\n  void f() {"}.get(language_id, "")
    head = head or ("void f() {" if language_id in {"c", "cpp"} else "function f() {")
    tail = "}\n}\n" if language_id == "java" else "}\n"
    end = "" if language_id == "go" else ";"
    return fitter(language_id, f"{head}\n{indent}first(){end}\n{indent}", f"\n{indent}last(){end}\n{tail}")


@pytest.mark.parametrize(("language_id", "middle", "num_lines"), FIRST)
def test_the_first_statement_is_kept(language_id: str, middle: str, num_lines: int) -> None:
    kept = in_function(language_id).fit(middle)
    assert [line.strip() for line in kept] == [line.strip() for line in middle.split("\n")[:num_lines]]
    assert in_function(language_id).is_over(middle)


@pytest.mark.parametrize(("language_id", "middle", "num_lines"), FIRST)
def test_a_statement_that_nothing_follows_is_kept_whole(language_id: str, middle: str, num_lines: int) -> None:
    whole = "\n".join(middle.split("\n")[:num_lines])
    assert len(in_function(language_id).fit(whole)) == num_lines


@pytest.mark.parametrize(("language_id", "middle", "expected"), WHOLE)
def test_a_statement_is_over_where_it_is_whole(language_id: str, middle: str, expected: bool) -> None:
    assert in_function(language_id).is_over(middle) is expected


@pytest.mark.parametrize(
    ("language_id", "begun"),
    [
        ("cpp", "template <class T>\n  T"),
        ("cpp", "static\n  int"),
        ("java", "public\n  int"),
        ("java", "@Override\n  public\n  int"),
    ],
)
def test_a_definition_is_not_whole_before_its_body(language_id: str, begun: str) -> None:
    fitted = fitter(language_id, "class A {\n  int x;\n  ", "\n  int g() { return 1; }\n};\n")
    assert not fitted.is_over(f"{begun} f(")
    assert not fitted.is_over(f"{begun} f() {{\n    return 2;\n  }}\n")
    assert fitted.is_over(f"{begun} f() {{\n    return 2;\n  }}\n  int h(")


@pytest.mark.parametrize("middle", ["for i in x:\n        a(i)\n        b(i)", "for i in x:\n        a(i)\n    b(x)"])
def test_only_a_header_is_kept_where_its_block_stands_below_already(middle: str) -> None:
    fitted = fitter("python", "def f(x):\n    ", "\n        print(i)\n    return x\n")
    assert fitted.fit(middle) == ["for i in x:"]
    assert fitted.is_over("for i in x:\n")


def test_the_last_statements_of_a_block_stay_in_it_if_the_function_continues() -> None:
    fitted = fitter("python", "def f(x):\n    if x:\n        ", "\n    return x\n", kind="statements")
    assert fitted.fit("a(x)\n        b(x)\n    c(x)") == ["a(x)", "        b(x)"]


@pytest.mark.parametrize(
    ("before", "after", "middle", "num_lines"),
    [
        ("def f(x):\n    ", "\n", "return x\n    print(x)", 1),
        ("def f(x):\n    ", "\n", "if x:\n        return x\n    print(x)", 3),
        ("def f(x):\n    ", "\n", "return g(\n        x,\n    )\n\n    # unreachable", 3),
        ("def f(x):\n    if x:\n        ", "\n", "return x\n    return 1\n    return 2", 2),
        ("def f(x):\n    if x:\n        ", "\n    return 1\n", "return x\n        y = 2", 1),
    ],
    ids=["body", "in-a-block-of-it", "several-lines", "ends-two-blocks", "the-function-goes-on"],
)
def test_nothing_is_kept_after_the_end_of_the_block(before: str, after: str, middle: str, num_lines: int) -> None:
    fitted = fitter("python", before, after, kind="body" if before.count("\n") == 1 else "statements")
    lines = middle.split("\n")[:num_lines]
    assert fitted.fit(middle) == lines
    assert fitted.is_over("\n".join(lines) + "\n") is lines[-1].lstrip().startswith(("return", ")"))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("def f(x):\n    ", "\n        print(i)\n", {"for", "if", "def"}),
        ("def f(x):\n    if x:\n        y()\n    ", "\n        print(i)\n", {"for", "elif", "else"}),
        ("def f(x):\n    try:\n        y()\n\n    ", "\n        print(i)\n", {"except"}),
        ("if x:\n    def f(x):\n        ", "\n            print(i)\n", {"with"}),
    ],
)
def test_a_header_begins_with_a_word_that_may_stand_there(before: str, after: str, words: set[str]) -> None:
    first_words = set(fitter("python", before, after).first_words)
    assert words <= first_words
    assert ("else" in first_words) is bool(words & {"else", "except"})


@pytest.mark.parametrize(
    ("language_id", "before", "after", "kind"),
    [
        ("python", "def f(x):\n    ", "\n    return x\n", "statement"),
        ("python", "def f(x):\n    if x:\n        ", "\n    return x\n", "statements"),
        ("javascript", "function f(x) {\n  ", "\n    a()\n}\n", "statement"),
    ],
)
def test_any_other_statement_begins_as_it_likes(language_id: str, before: str, after: str, kind: str) -> None:
    assert fitter(language_id, before, after, kind=kind).first_words == ()
