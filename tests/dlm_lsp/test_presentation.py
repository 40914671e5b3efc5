"""What becomes of the model's text: rows of (document with the cursor at │, model's text, document after the fill)."""

import pytest

from dlm_lsp.block_fitting import BlockFitter
from dlm_lsp.documents import Snapshot
from dlm_lsp.holes import find_function, find_hole, range_hole
from dlm_lsp.languages import language_for
from dlm_lsp.placement import parse_neutral
from dlm_lsp.presentation import Fill, present


def fill_at_cursor(language_id: str, text: str, middle: str) -> tuple[str, Fill]:
    before, after = text.split("│")
    snapshot = Snapshot.parse("file:///code", language_for(None, language_id), before + after)
    fill = present(snapshot, find_hole(snapshot, len(before)), middle)
    return applied(snapshot, fill), fill


def applied(snapshot: Snapshot, fill: Fill) -> str:
    return snapshot.text[: fill.start] + fill.text + snapshot.text[fill.end :]


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

LINES = [
    ("python", "for i in │:\n    print(i)\n", "range(3):\n    print(i)", "for i in range(3):\n    print(i)\n"),
    ("python", "x = foo(│)\n", "a, b)", "x = foo(a, b)\n"),
    ("python", "x = foo(bar(│)\n", "a, b)", "x = foo(bar(a, b))\n"),
    ("python", "if foo(│):\n    a()\n", "bar(1)", "if foo(bar(1)):\n    a()\n"),
    ("python", "x = self.na│size\n", "me_", "x = self.name_size\n"),
    ("python", "x = self.│_size + 1\n", "name_size", "x = self.name_size + 1\n"),
    ("python", "x = │\n", " 1\ny = 2\n", "x = 1\n"),
    ("python", "x =│  \ny = 1\n", " 1  ", "x = 1\ny = 1\n"),
    ("javascript", "  foo(│);\n", "a);", "  foo(a);\n"),
    ("rust", "fn f() {\n    let x = a.│;\n}\n", "len();", "fn f() {\n    let x = a.len();\n}\n"),
]

REPAIRS = [
    (
        "suffix line",
        "def f(x):\n    a = x\n    │\n    return b\n",
        "b = a\n    return b\n",
        "    a = x\n    b = a\n    return b\n",
    ),
    (
        "nested alike is kept",
        "def f(x):\n    │\n    return 0\n",
        "if x:\n        return 0",
        "    if x:\n        return 0\n    return 0\n",
    ),
    ("repeated line", "def f(x):\n    │\n", "a = x\n    return a\n    return a\n", "    a = x\n    return a\n"),
    (
        "loop of two lines",
        "def f(x):\n    │\n",
        "a()\n    b()\n" + "    a()\n    b()\n" * 3,
        "    a()\n    b()\n    a()\n    b()\n",
    ),
    (
        "rightful repetition",
        "def f(x):\n    │\n",
        "return [\n        0,\n        0,\n    ]",
        "    return [\n        0,\n        0,\n    ]\n",
    ),
    ("blank ends", "def f(x):\n    │\n", "\n\n    return x\n\n\n", "    return x\n"),
    ("trailing whitespace", "def f(x):\n    │\n", "a = x   \n    return a\t", "    a = x\n    return a\n"),
    (
        "ran into the next function",
        "def f(x):\n    │\n\ndef g(): ...\n",
        "return x\n\ndef h():\n    pass",
        "    return x\n\ndef g(): ...\n",
    ),
    ("blank line inside", "def f(x):\n    │\n", "a = x\n\n    return a", "    a = x\n\n    return a\n"),
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


@pytest.mark.parametrize(("language_id", "text", "middle", "expected"), LINES)
def test_lines_join_both_sides(language_id: str, text: str, middle: str, expected: str) -> None:
    assert fill_at_cursor(language_id, text, middle)[0] == expected


@pytest.mark.parametrize(("text", "middle", "ending"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS])
def test_repairs(text: str, middle: str, ending: str) -> None:
    assert fill_at_cursor("python", text, middle)[0].endswith(f":\n{ending}")


@pytest.mark.parametrize("middle", ["", "   ", "\n\n", "\t\n  "])
@pytest.mark.parametrize("text", ["def f(x):\n    │\n", "x = │\n"])
def test_whitespace_is_nothing_to_show(text: str, middle: str) -> None:
    assert fill_at_cursor("python", text, middle)[1].text == ""


def test_only_what_follows_anyway_is_nothing_to_show() -> None:
    assert fill_at_cursor("python", "def f(x):\n    a = x\n    │\n    return a\n", "return a")[1].text == ""


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_are_the_documents(ending: str) -> None:
    text = "def f(x):\n    │\n\nx = 1\n".replace("\n", ending)
    result, fill = fill_at_cursor("python", text, "a = x\n    return a\n")
    assert result == "def f(x):\n    a = x\n    return a\n\nx = 1\n".replace("\n", ending)
    assert fill.parse_valid


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [
        ("python", "def f(x):\n    │\n", "return (x"),
        ("python", "x = foo(│)\n", "a b"),
        ("python", "def f(x):\n    │\n", "for y in x:"),
        ("python", "def f(x):\n    a = 1\n    │\n    return a\n", "a = (x"),
        ("python", "def f(x):\n    a = 1│\n", " + ("),
        ("javascript", "function f() {\n  │\n}\n", "if (a) {\n    b();"),
        ("rust", "fn f() {\n    let x = │;\n}\n", "a +"),
    ],
)
def test_a_broken_fill_is_said_to_be_broken(language_id: str, text: str, middle: str) -> None:
    assert not fill_at_cursor(language_id, text, middle)[1].parse_valid


def test_errors_that_were_there_before_are_not_the_fills() -> None:
    text = "def g(:\n    return (\n\ndef f(x):\n    │\n\ny = 1\n"
    assert fill_at_cursor("python", text, "return x")[1].parse_valid


def test_a_missing_closer_is_supplied() -> None:
    text = "function f() {\n  │\n"
    assert fill_at_cursor("javascript", text, "return 1;\n}")[0] == "function f() {\n  return 1;\n}\n"


def test_a_whole_function_is_rewritten() -> None:
    snapshot = Snapshot.parse("file:///a.py", language_for("a.py", None), 'def f(x):\n    """Doc."""\n    return 1\n')
    fill = present(snapshot, find_function(snapshot, "f"), "y = x\n    return y")
    assert applied(snapshot, fill) == 'def f(x):\n    """Doc."""\n    y = x\n    return y\n'


@pytest.mark.parametrize(
    ("start", "end", "middle", "expected"),
    [
        (13, 18, "b = 2\n    c = 3", "def f():\n    b = 2\n    c = 3\n"),
        (9, 18, "    b = 2\nc = 3", "def f():\n    b = 2\nc = 3\n"),
        (17, 18, "2", "def f():\n    a = 2\n"),
    ],
)
def test_ranges(start: int, end: int, middle: str, expected: str) -> None:
    snapshot = Snapshot.parse("file:///a.py", language_for("a.py", None), "def f():\n    a = 1\n")
    assert applied(snapshot, present(snapshot, range_hole(snapshot, start, end), middle)) == expected


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
        ("javascript", "function f(x) {\n  │\n}\n", "if (x) {\n    g()\n  }\n", False),
        ("javascript", "function f(x) {\n  │\n}\n", "return x\n}\n", True),
        ("javascript", "function f(x) {\n  │\n", "return x\n}\n", False),
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
        "braces",
        "closing-brace",
        "brace-that-is-missing",
        "nothing",
    ],
)
def test_a_middle_is_over_where_nothing_more_would_be_kept(
    language_id: str, text: str, middle: str, expected: bool
) -> None:
    before, after = text.split("│")
    snapshot = Snapshot.parse("file:///code", language_for(None, language_id), before + after)
    hole = find_hole(snapshot, len(before))
    assert BlockFitter(snapshot, hole, parse_neutral(snapshot, hole)).is_over(middle) is expected


@pytest.mark.parametrize(
    "middle",
    ["y = x\n    return y +", "y = x\n    if y:", "y = x\n\n    if y:\n        z = ("],
    ids=["in-a-line", "an-empty-block", "two-lines"],
)
def test_statements_that_do_not_parse_are_cut_back_to_those_that_do(middle: str) -> None:
    after, fill = fill_at_cursor("python", "def f(x):\n    │\n", middle)
    assert (after, fill.parse_valid) == ("def f(x):\n    y = x\n", True)
