"""The model's text within a line: rows of (document with the cursor at │, model's text, document after the fill)."""

import pytest

from tests.dlm_lsp.filled_documents import fill_at_cursor

LINES = [
    ("python", "for i in │:\n    print(i)\n", "range(3):\n    print(i)", "for i in range(3):\n    print(i)\n"),
    ("python", "x = foo(│)\n", "a, b)", "x = foo(a, b)\n"),
    ("python", "x = foo(bar(│)\n", "a, b)", "x = foo(bar(a, b))\n"),
    ("python", "if foo(│):\n    a()\n", "bar(1)", "if foo(bar(1)):\n    a()\n"),
    ("python", "x = self.na│size\n", "me_", "x = self.name_size\n"),
    ("python", "x = self.│_size + 1\n", "name_size", "x = self.name_size + 1\n"),
    ("python", "x = │\n", " 1\ny = 2\n", "x = 1\n"),
    ("python", "x =│  \ny = 1\n", " 1  ", "x = 1\ny = 1\n"),
    ("python", "x = │  # why\n", "1  # why", "x = 1  # why\n"),
    ("python", "x = │ + y\n", "(a - b) + y", "x = (a - b) + y\n"),
    ("javascript", "  foo(│);\n", "a);", "  foo(a);\n"),
    ("javascript", "a = b │;\n", "? c : d ;", "a = b ? c : d ;\n"),
    ("rust", "fn f() {\n    let x = a.│;\n}\n", "len();", "fn f() {\n    let x = a.len();\n}\n"),
    ("bash", 'if [ -f "│" ]; then\n  a\nfi\n', '$1" ]; then', 'if [ -f "$1" ]; then\n  a\nfi\n'),
    ("lua", "local a = f(│)\n", "b, c) -- d", "local a = f(b, c)\n"),
    ("ruby", "a = b.map { |c| │ }\n", "c + 1 }", "a = b.map { |c| c + 1 }\n"),
    ("json", '{"a": │, "b": 1}\n', '[1, 2], "b"', '{"a": [1, 2], "b": 1}\n'),
    ("json", '{\n  "a": │\n  "b": 1\n}\n', "null", '{\n  "a": null,\n  "b": 1\n}\n'),
    ("json", '{\n  "a": │\n}\n', "{", '{\n  "a": {}\n}\n'),
    ("yaml", "a:\n  b: │\n  c: 1\n", " don't\n  c: 1", "a:\n  b: don't\n  c: 1\n"),
    ("toml", "a = [│]\n", '"b", 1]', 'a = ["b", 1]\n'),
    ("html", '<a href="│">b</a>\n', '#c">b', '<a href="#c">b</a>\n'),
    ("html", "<p>│</p>\n", "one <b>two</b></p>", "<p>one <b>two</b></p>\n"),
    ("css", "a { color: │; }\n", "red; }", "a { color: red; }\n"),
]


@pytest.mark.parametrize(("language_id", "text", "middle", "expected"), LINES)
def test_lines_join_both_sides(language_id: str, text: str, middle: str, expected: str) -> None:
    assert fill_at_cursor(language_id, text, middle)[0] == expected


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [
        ("bash", "if a; │\nb\n", "then"),
        ("lua", "for i = 1, 2│\nb()\n", " do"),
        ("ruby", "class A\n  a.each│\nend\n", " do |b|"),
    ],
)
def test_a_header_may_come_before_the_word_that_ends_it(language_id: str, text: str, middle: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", middle), True)


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [
        ("python", "if x > 0│:\n    a()\n", ":"),
        ("python", 'print("hello world│")\n', '")'),
        ("python", "print(xs[0│])\n", "])"),
        ("python", "def f(a, b│):\n    pass\n", "):"),
        ("c", "int f() {\n    return add(1, 2│);\n}\n", ");"),
        ("javascript", "foo(add(1, 2│));\n", "));"),
        ("javascript", "foo(add(1, 2│));\n", ")"),
        ("typescript", "const client = useQueryClient(│);\n", ")"),
        ("python", "print(add(x, y│))\n", ")) # 10"),
        ("python", "result = │0\n", "0"),
        ("python", "for x in │xs:\n    pass\n", "xs"),
        ("python", "if │x > 0:\n    pass\n", "x"),
        ("python", "def f(self):\n    return │self.value\n", "self."),
        ("python", "def f(y):\n    │return y\n", "return y "),
        ("c", "int f() {\n    x = │a + b;\n}\n", "a + b; "),
        ("python", "x = foo(a│  )\n", "  )"),
        ("python", "x = foo(a│)\n", " )"),
    ],
)
def test_what_follows_already_is_not_missing(language_id: str, text: str, middle: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", ""), True)


def test_what_follows_already_may_be_missing_once_more() -> None:
    assert fill_at_cursor("python", "x = foo(bar(│)\n", ")")[0] == "x = foo(bar())\n"


@pytest.mark.parametrize(
    ("text", "middle"),
    [
        ("import │os\n", "pandas"),
        ("return │self.value\n", "self.size_of_"),
        ("x = 3\n│print(x)\n", "y"),
        ("for x in xs:\n    │xs.append(x)\n", "if"),
    ],
)
def test_nothing_runs_into_the_word_that_follows(text: str, middle: str) -> None:
    _, fill = fill_at_cursor("python", text, middle)
    assert (fill.text, fill.parse_valid) == ("", False)


@pytest.mark.parametrize(
    ("text", "middle", "expected"),
    [
        ("import │os\n", "sys, ", "import sys, os\n"),
        ("x = │name\n", "self.", "x = self.name\n"),
        ("x = na│me + 1\n", "me_of_", "x = name_of_me + 1\n"),
        ("x = f(│a)\n", "b + ", "x = f(b + a)\n"),
        ("x = f(│, a)\n", "b", "x = f(b, a)\n"),
        ("first_name = 1\nx = │name\n", "first_", "first_name = 1\nx = first_name\n"),
    ],
)
def test_what_follows_may_go_on_with_the_fill(text: str, middle: str, expected: str) -> None:
    result, fill = fill_at_cursor("python", text, middle)
    assert (result, fill.parse_valid) == (expected, True)


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "expected"),
    [
        ("python", "x = 3\n│print(x)\n", "y = 4", "x = 3\ny = 4\nprint(x)\n"),
        ("python", "def f(x):\n    │print(x)\n", "y = 4  # why", "def f(x):\n    y = 4  # why\n    print(x)\n"),
        ("python", "def f(x):\n  │  print(x)\n", "foo()", "def f(x):\n    foo()\n    print(x)\n"),
        ("python", "│def f(x):\n    print(x)\n", "@cache", "@cache\ndef f(x):\n    print(x)\n"),
        ("python", "│print(x)\n", "# Say it.", "# Say it.\nprint(x)\n"),
        ("python", "│foo(x)\n", "await ", "await foo(x)\n"),
        ("python", "f(\n    │a,\n)\n", "b,", "f(\n    b,\n    a,\n)\n"),
        ("javascript", "{\n  a();\n  │b();\n}\n", "c();", "{\n  a();\n  c();\n  b();\n}\n"),
        ("javascript", "{\n  a();\n│}\n", "  b();", "{\n  a();\n  b();\n}\n"),
        ("javascript", "{\n  a();\n│}\n", "b()", "{\n  a();\n  b()\n}\n"),
        ("python", "x = 3\r\n│print(x)\r\n", "y = 4", "x = 3\r\ny = 4\r\nprint(x)\r\n"),
    ],
)
def test_a_statement_before_code_gets_a_line_of_its_own(
    language_id: str, text: str, middle: str, expected: str
) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (expected, True)


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "expected"),
    [
        ("python", "x = foo(│)\n", "a, b)  # why", "x = foo(a, b)\n"),
        ("python", "x = foo(│)\n", "'#', b  # why", "x = foo('#', b)\n"),
        ("python", "x = 'a │ b'\n", "# c", "x = 'a # c b'\n"),
        ("python", 'x = """\na │ b"""\n', "# c", 'x = """\na # c b"""\n'),
        ("python", "x = foo(│\n    a)\n", "b,  # why", "x = foo(b,  # why\n    a)\n"),
        ("python", "x = │  # why\n", "1  # because", "x = 1  # because  # why\n"),
        ("javascript", "foo(│);\n", "a // why", "foo(a);\n"),
        ("javascript", "foo(│);\n", "a /* why */", "foo(a /* why */);\n"),
        (
            "rust",
            "fn f() {\n    foo(│/* é\ud800 */ b);\n}\n",
            "a, // why",
            "fn f() {\n    foo(a,/* é\ud800 */ b);\n}\n",
        ),
        ("python", "# a │ b\n", "# c", "# a # c b\n"),
    ],
)
def test_a_comment_takes_in_no_code(language_id: str, text: str, middle: str, expected: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (expected, True)
