"""The model's text in its document: rows of (document with the cursor at │, model's text, document after the fill)."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.named_holes import find_function, range_hole
from dlm_lsp.languages import language_for
from tests.dlm_lsp.filled_documents import applied, fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

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
        "    a()\n    b()\n",
    ),
    ("loop within a line", "def f(x):\n    │\n", "a = x" + ".same_word" * 9 + ".sa", "    a = x.same_word\n"),
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
    ("comment of nothing", "def f(x):\n    │\n", "y = x\n    # and\n\n    # so", "    y = x\n"),
    ("comment of something", "def f(x):\n    │\n", "# and\n    y = x", "    # and\n    y = x\n"),
    ("comment alone", "def f(x):\n    │\n", "# and\n    # so", "    # and\n    # so\n"),
    ("beginning of a call", "def f(x):\n    │\n", "g(x)\n    prin", "    g(x)\n"),
    ("string", "def f(x):\n    │\n", "g(x)\n    'prin'", "    g(x)\n    'prin'\n"),
    ("header of nothing then", "def f(x):\n    │\n", "g(x)\n    if x:\n        prin", "    g(x)\n"),
    ("statement of one word", "def f(x):\n    │\n", "for y in x:\n        pass", "    for y in x:\n        pass\n"),
    ("ran into another file", "try:\n    f()\n│\n", "except E:\n    g()\n\n# g.py:\n# def g(y)\n#", "    g()\n"),
    ("an attribute is no file", "def f(x):\n    │\n", "a()\n    # x.b:\n    b()\n", "    a()\n    # x.b:\n    b()\n"),
    ("goes on by a backslash", "def f(x):\n    │\n", "return x and \\\n  y\n", "    return x and \\\n  y\n"),
    ("file in a string", "def f(x):\n    │\n", 'x("""\n# g.py:\n""")', '    x("""\n# g.py:\n""")\n'),
    ("blank line inside", "def f(x):\n    │\n", "a = x\n\n    return a", "    a = x\n\n    return a\n"),
]


@pytest.mark.parametrize(("text", "middle", "ending"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS])
def test_repairs(text: str, middle: str, ending: str) -> None:
    assert fill_at_cursor("python", text, middle)[0].endswith(f":\n{ending}")


ITEMS = [
    ("python", "x = [\n    a(),\n    │\n    c(),\n]\n", "b()\n]", "b(),"),
    ("python", "x = f({\n    │\n    'c': 1,\n})\n", "'b': 2\n})", "'b': 2,"),
    ("python", "x = [\n    a(),\n    │\n    c(),\n]\n", "b(),", "b(),"),
    ("python", "x = [\n    a(),\n    │\n]\n", "b()\n]", "b()"),
    ("javascript", "x = {\n  a: 1,\n  │\n  c: 3,\n};\n", "b: 2\n}", "b: 2,"),
    ("javascript", "f(() => {\n  │\n  c();\n});\n", "b();", "b();"),
    ("go", "x := T{\n\ta: 1,\n\t│\n\tc: 3,\n}\n", "b: 2}", "b: 2,"),
]


@pytest.mark.parametrize(("language_id", "text", "middle", "item"), ITEMS)
def test_an_item_is_separated_from_the_one_below(language_id: str, text: str, middle: str, item: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", item), True)


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
        ("javascript", "function f() {\n  │\n}\n", "if (a) {\n    b("),
        ("rust", "fn f() {\n    let x = │;\n}\n", "a +"),
    ],
)
def test_a_broken_fill_is_reported_as_broken(language_id: str, text: str, middle: str) -> None:
    assert not fill_at_cursor(language_id, text, middle)[1].parse_valid


ROUTES = "class A:\n    │\n\n    @app.get('/c')\n    def c(self):\n        return 1\n"
TESTS = "class A {\n  │\n\n  @Test\n  void third() {\n    x();\n  }\n}\n"
MORE_TESTS = "mod tests {\n    │\n\n    #[test]\n    fn third() {}\n}\n"
TEMPLATES = "namespace a {\n\n│\n\nint third();\n\n}\n"
ORPHANS = [
    ("python", ROUTES, "@app.get('/b')\n    def b(self:\n        return 2"),
    ("python", ROUTES, "@app.get('/b')"),
    ("python", ROUTES, "@app.get(\n        '/b',\n    )"),
    ("python", ROUTES, "# The second.\n    def b(self:\n        return 2"),
    ("typescript", "class A {\n  │\n\n  b() {}\n}\n", "@logged"),
    ("java", TESTS, "@Test\n  void second() {\n    foo(()(1);\n  }"),
    ("java", TESTS, '@Test\n  @DisplayName("second")'),
    ("rust", MORE_TESTS, "#[test]\n    fn second() {\n        let a = ;\n    }"),
    ("rust", MORE_TESTS, "#[test]\n    #[ignore]"),
    ("cpp", TEMPLATES, "template <typename T>"),
    ("go", "func f(a int) {\n\tswitch a {\n\t│\n\t}\n}\n", "case 1:\n\t\tb(;\n"),
]


@pytest.mark.parametrize(("language_id", "text", "middle"), ORPHANS)
def test_what_speaks_of_code_that_is_missing_is_no_fill(language_id: str, text: str, middle: str) -> None:
    assert not fill_at_cursor(language_id, text, middle)[1].parse_valid


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "kept"),
    [
        ("java", TESTS, "@Test\n  void second() {}\n\n  @Test", "@Test\n  void second() {}"),
        ("rust", "mod tests {\n    │\n}\n", "#[test]\n    fn a() {}\n\n    #[test]", "#[test]\n    fn a() {}"),
        ("go", "func f() {\n\t│\n}\n", "a()\n\tb() // why\n\tc(", "a()\n\tb() // why"),
        ("go", "func f() {\n\t│\n}\n", "a()\n\t// why\n\tc(", "a()"),
        ("python", "def f():\n    │\n    z()\n", "for a in b:\n        z()\n        c(", "for a in b:\n        z()"),
        ("python", "class A:\n    │\n    def b(self): ...\n", "@property", "@property"),
        ("javascript", "function f() {\n  │\n}\n", "if (a) {\n    b();\n    c(", "if (a) {\n    b();\n  }"),
        ("javascript", "function f() {\n  │\n}\n", "a((b) => {\n    c();\n    d(", "a((b) => {\n    c();\n  });"),
        ("go", "func f() {\n\t│\n}\n", "for {\n\t\tif a {\n\t\t\tb()", "for {\n\t\tif a {\n\t\t\tb()\n\t\t}\n\t}"),
    ],
)
def test_code_before_it_is_kept(language_id: str, text: str, middle: str, kept: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert result == text.replace("│", kept)
    assert fill.parse_valid


def test_errors_that_were_there_before_are_not_the_fills() -> None:
    text = "def g(:\n    return (\n\ndef f(x):\n    │\n\ny = 1\n"
    assert fill_at_cursor("python", text, "return x")[1].parse_valid


def test_a_missing_closer_is_supplied() -> None:
    text = "function f() {\n  │\n"
    assert fill_at_cursor("javascript", text, "return 1;\n}")[0] == "function f() {\n  return 1;\n}\n"


def test_a_whole_function_is_rewritten() -> None:
    snapshot = Snapshot.parse("file:///a.py", language_for("a.py", None), 'def f(x):\n    """Doc."""\n    return 1\n')
    fill = present(find_function(snapshot, "f"), "y = x\n    return y")
    assert applied(snapshot, fill) == 'def f(x):\n    """Doc."""\n    y = x\n    return y\n'


@pytest.mark.parametrize(
    ("language_id", "text", "named", "middle", "expected"),
    [
        ("python", "def f():\n    a = 1\n", "a = 1", "b = 2\n    c = 3", "def f():\n    b = 2\n    c = 3\n"),
        ("python", "def f():\n    a = 1\n", "    a = 1", "    b = 2\nc = 3", "def f():\n    b = 2\n    c = 3\n"),
        ("python", "def f():\n    a\nb\n", "    a\nb", "    c\nd", "def f():\n    c\nd\n"),
        ("python", "def f():\n    a = 1\n", "1", "2", "def f():\n    a = 2\n"),
        ("python", "def f():\n    a\n    b\n    c\n", "    a\n    b\n", "    x\n", "def f():\n    x\n    c\n"),
        ("python", "def f():\n    a\n    b\n    c\n", "    a\n    b\n", "x\n    y", "def f():\n    x\n    y\n    c\n"),
        ("javascript", "f(() => {\n\ta();\n\tb();\n});\n", "\ta();\n", "\tx();\n", "f(() => {\n\tx();\n\tb();\n});\n"),
        ("python", "import sys_os\n", "sys_", "my", "import myos\n"),
        ("javascript", "a();\nb();\nc();\n", "b();\n", "x();\nc();\nd(\n", "a();\nx();\nc();\n"),
        ("python", "x = 1 + 2\n", " 1 ", "3", "x = 3 + 2\n"),
    ],
)
def test_ranges(language_id: str, text: str, named: str, middle: str, expected: str) -> None:
    snapshot = snapshot_of(language_id, text)
    start = text.index(named)
    fill = present(range_hole(snapshot, start, start + len(named)), middle)
    assert applied(snapshot, fill) == expected
    assert fill.parse_valid
