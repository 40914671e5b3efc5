"""Statements at the depth of their hole: rows of (document with the cursor at │, model's text, document after it)."""

import re

import pytest

from dlm_lsp.fitting.block_fitting import BlockFitter
from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.named_holes import range_hole
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

PYTHON_INDENTATION = [
    ("given, absolute below", "def f(x):\n    │\n", "a = x\n    return a", "def f(x):\n    a = x\n    return a\n"),
    ("given, relative below", "def f(x):\n    │\n", "a = x\nreturn a", "def f(x):\n    a = x\n    return a\n"),
    ("given twice", "def f(x):\n    │\n", "    a = x\n    return a", "def f(x):\n    a = x\n    return a\n"),
    ("one level off", "def f(x):\n    │\n", "a = x\n        return a", "def f(x):\n    a = x\n    return a\n"),
    (
        "opens a block, absolute",
        "def f(x):\n    │\n",
        "if x:\n        return 1\n    return 2",
        "def f(x):\n    if x:\n        return 1\n    return 2\n",
    ),
    (
        "opens a block, relative",
        "def f(x):\n    │\n",
        "if x:\n    return 1\nreturn 2",
        "def f(x):\n    if x:\n        return 1\n    return 2\n",
    ),
    (
        "opens a block, one level off",
        "def f(x):\n    │\n",
        "if x:\n            return 1\n        return 2",
        "def f(x):\n    if x:\n        return 1\n    return 2\n",
    ),
    (
        "opens a block over two lines",
        "def f(x):\n    │\n",
        "if (x and\n        y):\n        return 1\n    return 2",
        "def f(x):\n    if (x and\n        y):\n        return 1\n    return 2\n",
    ),
    (
        "a bracket opens no block",
        "def f(x):\n    │\n",
        "a = [\n        1,\n    ]\n    return a",
        "def f(x):\n    a = [\n        1,\n    ]\n    return a\n",
    ),
    ("column 0 in a body", "def f(x):\n│\n", "    a = x\n    return a", "def f(x):\n    a = x\n    return a\n"),
    ("column 0, relative", "def f(x):\n│\n", "a = x\nreturn a", "def f(x):\n    a = x\n    return a\n"),
    (
        "column 0 between statements",
        "def f(x):\n    a = x\n│\n    return b\n",
        "b = a\n",
        "def f(x):\n    a = x\n    b = a\n    return b\n",
    ),
    ("half typed", "class A:\n    def f(self):\n    │\n", "return 1", "class A:\n    def f(self):\n        return 1\n"),
    ("after the colon", "def f(x):│\n", "\n    return x", "def f(x):\n    return x\n"),
    ("after the colon, no break", "def f(x):│\n", " return x", "def f(x):\n    return x\n"),
    ("after a docstring", 'def f(x):\n    """Doc."""│\n', "return x", 'def f(x):\n    """Doc."""\n    return x\n'),
    (
        "column 0 between a docstring and the next method",
        'class A:\n    def f(self):\n        """Doc."""\n│\n    def g(self):\n        pass\n',
        "return 1\n",
        'class A:\n    def f(self):\n        """Doc."""\n        return 1\n    def g(self):\n        pass\n',
    ),
    ("after a comment", "def f(x):\n    # why│\n", "\n    return x", "def f(x):\n    # why\n    return x\n"),
    ("for a placeholder", "def f(x):\n    pass│\n", "return x", "def f(x):\n    return x\n"),
    ("for a placeholder in line", "def f(x): pass│\n", "return x", "def f(x):\n    return x\n"),
    ("two columns", "if a:\n  b()\n\ndef f(x):\n  │\n", "return x", "if a:\n  b()\n\ndef f(x):\n  return x\n"),
    (
        "tabs",
        "class A:\n\tdef f(self):\n\t\t│\n",
        "a = 1\n        return a",
        "class A:\n\tdef f(self):\n\t\ta = 1\n\t\treturn a\n",
    ),
    (
        "tabs to spaces",
        "def f(x):\n    │\n",
        "if x:\n\t\treturn 1\n\treturn 2",
        "def f(x):\n    if x:\n        return 1\n    return 2\n",
    ),
    (
        "decorated and async",
        "class A:\n    @cached\n    async def f(self):\n        │\n\n    b = 1\n",
        "x = await g()\n        return x\n\n    def g(self):\n        return 1",
        "class A:\n    @cached\n    async def f(self):\n        x = await g()\n        return x\n\n    b = 1\n",
    ),
    (
        "nested function",
        "def f():\n    def g():\n        │\n    return g\n",
        "return 1\n    return g",
        "def f():\n    def g():\n        return 1\n    return g\n",
    ),
    (
        "match",
        "match x:\n    case 1:\n        │\n    case _:\n        a = 0\n",
        "y = x\n        a = y\n    case _:\n        a = 0",
        "match x:\n    case 1:\n        y = x\n        a = y\n    case _:\n        a = 0\n",
    ),
    (
        "strings keep their lines",
        "def f():\n    │\n",
        'text = """\nleft  \n  two\n"""\nreturn text',
        'def f():\n    text = """\nleft  \n  two\n"""\n    return text\n',
    ),
    (
        "leaves the loop it stands in",
        "def f(x):\n    for a in x:\n        │\n\ndef g(): ...\n",
        "b = a\n    return b\n\ndef g():",
        "def f(x):\n    for a in x:\n        b = a\n    return b\n\ndef g(): ...\n",
    ),
]

BRACES = [
    ("javascript", "function f() {│}\n", " return 1; ", "function f() { return 1; }\n"),
    ("javascript", "if (a) { │ }\n", "b();", "if (a) { b(); }\n"),
    ("javascript", "function f() {│}\n", "\n  a();\n  b();\n", "function f() {\n  a();\n  b();\n}\n"),
    ("javascript", "function f() {\n│}\n", "  return 1;\n", "function f() {\n  return 1;\n}\n"),
    ("javascript", "function f() {\n  │\n}\n", "return 1;\n}\n\nfunction g() {", "function f() {\n  return 1;\n}\n"),
    ("javascript", "const f = (x) => {\n  │\n};\n", "return x;\n};", "const f = (x) => {\n  return x;\n};\n"),
    (
        "javascript",
        "function f() {\n  │\n}\n",
        "if (a) {\n    b();\n  }",
        "function f() {\n  if (a) {\n    b();\n  }\n}\n",
    ),
    ("javascript", "function f() {\n  │\n}\n", "if (a) {\n  b();\n}", "function f() {\n  if (a) {\n    b();\n  }\n}\n"),
    (
        "javascript",
        "function f() {\n  │\n}\n",
        "return a\n    .map(g)\n    .x;",
        "function f() {\n  return a\n    .map(g)\n    .x;\n}\n",
    ),
    (
        "typescript",
        "class A {\n  m(): number {\n    │\n  }\n}\n",
        "return 1;\n  }\n}",
        "class A {\n  m(): number {\n    return 1;\n  }\n}\n",
    ),
    (
        "tsx",
        "export const A = (p: P) => {\n  │\n};\n",
        "return (\n    <div>{p.x}</div>\n  );\n};\n",
        "export const A = (p: P) => {\n  return (\n    <div>{p.x}</div>\n  );\n};\n",
    ),
    (
        "javascript",
        "function f(xs) {\n  │\n",
        "return xs.map((x) => {\n    return x;\n    });\n}\n",
        "function f(xs) {\n  return xs.map((x) => {\n    return x;\n  });\n}\n",
    ),
    (
        "go",
        "func f(x int) {\n\t│\n}\n",
        "if x > 0 {\n\t\tswitch x {\n\t\tcase 1:\n\t\t\tg()\n\t\t}\n\t}",
        "func f(x int) {\n\tif x > 0 {\n\t\tswitch x {\n\t\tcase 1:\n\t\t\tg()\n\t\t}\n\t}\n}\n",
    ),
    ("go", "func f() int {\n\t│\n}\n", "a := 1\n    return a\n}", "func f() int {\n\ta := 1\n\treturn a\n}\n"),
    ("go", 'func f() int {\n\tpanic("TODO")│\n}\n', "return 1", "func f() int {\n\treturn 1\n}\n"),
    ("rust", "fn f() -> i32 {\n    todo!()│\n}\n", "let a = 1;\n    a", "fn f() -> i32 {\n    let a = 1;\n    a\n}\n"),
    ("rust", "fn f() -> i32 { todo!()│ }\n", "1", "fn f() -> i32 { 1 }\n"),
    (
        "java",
        "class A {\n    int m() {\n        // TODO\n        │\n    }\n}\n",
        "return 1;\n    }",
        "class A {\n    int m() {\n        // TODO\n        return 1;\n    }\n}\n",
    ),
    ("c", "int f(void)\n{\n\t│\n}\n", "int a = 1;\n\treturn a;\n}", "int f(void)\n{\n\tint a = 1;\n\treturn a;\n}\n"),
    ("cpp", "class A {\n  int m() const {│}\n};\n", "return 1;", "class A {\n  int m() const { return 1; }\n};\n"),
    (
        "cpp",
        "class A {\n  int m() const {│}\n};\n",
        "int a = 1;\nreturn a;",
        "class A {\n  int m() const {\n    int a = 1;\n    return a;\n  }\n};\n",
    ),
]


@pytest.mark.parametrize(
    ("text", "middle", "expected"), [row[1:] for row in PYTHON_INDENTATION], ids=[row[0] for row in PYTHON_INDENTATION]
)
def test_python_indentation(text: str, middle: str, expected: str) -> None:
    result, fill = fill_at_cursor("python", text, middle)
    assert result == expected
    assert fill.parse_valid


@pytest.mark.parametrize(("language_id", "text", "middle", "expected"), BRACES)
def test_braces(language_id: str, text: str, middle: str, expected: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert result == expected
    assert fill.parse_valid


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "expected"),
    [
        ("python", "def f(x):\n    │\n", "a = x\n    return a", False),
        ("python", "def f(x):\n    │\n", "if x:\n        return 1\n    ret", False),
        ("python", "def f(x):\n    │\n", "g(x)\n\n\n", False),
        ("python", "def f(x):\n    │\n", "return x\n\n\nd", True),
        ("python", "def f(x):\n    if x:\n        │\n    a(x)\n", "y = 2\n        a(x)", False),
        ("python", "def f(x):\n    if x:\n        │\n    a(x)\n", "y = 2\n        a(x)\n", False),
        ("python", "def f(x):\n    │\n    a(x)\n    b(x)\n    c(x)\n", "a(x)\n    b(x)\n    c(x)\n", True),
        ("python", "def f(x):\n    │\n", "x += 1\n    x += 1\n", False),
        ("python", "def f(x):\n    │\n", "x = 'smile :)", False),
        ("python", "def f(x):\n    │\n", "x = '''Do 1) a\nb", False),
        ("python", "def f(x):\n    │\n", "x = 1  # done :)", False),
        ("python", "def f(x):\n    │\n", "return x)", True),
        ("javascript", "function f(x) {\n  │\n}\n", "return x.split(/[)]/)", False),
        ("javascript", "function f(x) {\n  │\n}\n", "return x.split(/[)", False),
        ("javascript", "function f(x) {\n  │\n}\n", "return a / 2)", True),
        ("rust", "fn f() {\n    │\n}\n", 'let a = r"\\"; let b = ")"', False),
        ("javascript", "function f(x) {\n  │\n}\n", "if (x) {\n    g()\n  }\n", False),
        ("javascript", "function f(x) {\n  │\n}\n", "return x\n}\n", True),
        ("javascript", "function f(x) {\n  │\n", "return x\n}", False),
        ("javascript", "function f(x) {\n  │\n", "return x\n}\n", True),
        ("python", "def f(x):\n    │\n", "", False),
    ],
    ids=[
        "statements",
        "inner-block",
        "blank-lines",
        "leaves-the-function",
        "a-line-not-complete",
        "a-line-of-the-suffix",
        "three-lines-of-the-suffix",
        "a-line-twice",
        "closer-in-a-string",
        "dedent-in-a-string",
        "closer-in-a-comment",
        "closer",
        "closer-in-a-regular-expression",
        "closer-in-one-that-is-not-complete",
        "closer-behind-a-division",
        "raw-string-that-ends-in-a-backslash",
        "braces",
        "closing-brace",
        "brace-that-is-missing",
        "after-the-last-one-that-is-missing",
        "nothing",
    ],
)
def test_a_middle_is_over_where_nothing_more_would_be_kept(
    language_id: str, text: str, middle: str, expected: bool
) -> None:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    hole = find_hole(snapshot, len(before))
    assert BlockFitter(hole).is_over(middle) is expected


def test_a_definition_that_begins_as_the_next_one_is_kept() -> None:
    before, decorator = "import pytest\n\n\n", "@pytest.mark.parametrize(\n    'a',\n    [1, 2],\n)\n"
    middle = f"{decorator}def test_a(a):\n    assert a\n"
    after, fill = fill_at_cursor("python", f"{before}│\n\n\n{decorator}def test_b(a):\n    assert not a\n", middle)
    assert after == f"{before}{middle}\n\n{decorator}def test_b(a):\n    assert not a\n"
    assert fill.parse_valid


@pytest.mark.parametrize(
    "middle",
    ["y = x\n    return y +", "y = x\n    if y:", "y = x\n\n    if y:\n        z = ("],
    ids=["in-a-line", "an-empty-block", "two-lines"],
)
def test_statements_that_do_not_parse_are_cut_back_to_those_that_do(middle: str) -> None:
    after, fill = fill_at_cursor("python", "def f(x):\n    │\n", middle)
    assert (after, fill.parse_valid) == ("def f(x):\n    y = x\n", True)


@pytest.mark.parametrize(
    ("text", "middle", "is_over"),
    [
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "d(", False),
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "d()\n", False),
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "d()\n    e()\n", True),
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "if d:\n        e()\n        g()\n    h", False),
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "if d:\n        e()\n    h()\n", True),
        ("def f():\n    ⟦a()\n    b()⟧\n    c()\n", "# why\n    d()\n    # and\n", False),
        ("def f():\n    ⟦a()⟧\n    c()\n", "d()\n", True),
        ("def f():\n    ⟦a()\n    b()⟧\n", "d()\n    e()\n    g()\n", False),
    ],
)
def test_as_many_statements_are_wanted_as_were_named(text: str, middle: str, is_over: bool) -> None:
    before, named, after = re.split("[⟦⟧]", text)
    snapshot = snapshot_of("python", before + named + after)
    hole = range_hole(snapshot, len(before), len(before + named))
    assert BlockFitter(hole).is_over(middle) is is_over


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "expected"),
    [
        ("python", "def f():\n    ⟦a()⟧\n    c()\n", "d()\n    e()", "def f():\n    d()\n    c()\n"),
        (
            "python",
            "def f():\n    ⟦a()\n    b()⟧\n    c()\n",
            "# why\n    if d:\n        e()\n    else:\n        g()\n    h()\n    i()",
            "def f():\n    # why\n    if d:\n        e()\n    else:\n        g()\n    h()\n    c()\n",
        ),
        ("python", "def f():\n    ⟦a()\n    b()⟧\n    c()\n", "d()", "def f():\n    d()\n    c()\n"),
        ("go", "func f() {\n\t⟦a()\n\tb()⟧\n\tc()\n}\n", "d()\n\te()\n\tg()", "func f() {\n\td()\n\te()\n\tc()\n}\n"),
    ],
)
def test_no_more_statements_are_kept_than_were_named(language_id: str, text: str, middle: str, expected: str) -> None:
    before, named, after = re.split("[⟦⟧]", text)
    snapshot = snapshot_of(language_id, before + named + after)
    fill = present(range_hole(snapshot, len(before), len(before + named)), middle)
    assert before + named + after != expected
    assert snapshot.text[: fill.start] + fill.text + snapshot.text[fill.end :] == expected
    assert fill.parse_valid
