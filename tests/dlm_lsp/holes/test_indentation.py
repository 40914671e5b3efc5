"""The indentation a document uses, and the one a line should have."""

import pytest

from dlm_lsp.holes.indentation import IndentStyle, blank_line_indentation, indent_style, opens_block
from dlm_lsp.languages import language_for
from tests.dlm_lsp.snapshots import snapshot_of


@pytest.mark.parametrize(
    ("language_id", "text", "unit"),
    [
        ("python", "x = 1\n", "    "),
        ("javascript", "x = 1\n", "  "),
        ("go", "", "\t"),
        ("python", "if a:\n  b\n", "  "),
        ("python", "class A:\r\n\tdef f(self):\r\n\t\tpass\r\n", "\t"),
        ("python", "if a:\r   b\r", "   "),
        ("c", "int f()\n{\n  if (a)\n    {\n      b();\n\tc();\n    }\n}\n", "  "),
        ("python", "def f():\n    a(b,\n      c)\n    if d:\n        e\n", "    "),
        ("java", "class A {\n  int a =\n      b;\n  int c =\n      d;\n}\n", "  "),
        ("javascript", "f(() => { // why\r\n   a\r\n       .b;\r\n});\r\n", "   "),
        ("cpp", "class A {\n public:\n\n  A()\n      : b_(0) {}\n};\n", "  "),
        ("rust", "let a =\n        b;\n", "        "),
    ],
)
def test_style(language_id: str, text: str, unit: str) -> None:
    assert indent_style(snapshot_of(language_id, text), 0).unit == unit


def test_depths_are_written_as_the_document_writes_them() -> None:
    assert IndentStyle("\t").whitespace(10) == "\t\t  "
    assert IndentStyle("  ").whitespace(10) == " " * 10
    assert IndentStyle("  ").columns("\t ") == 5
    assert IndentStyle("  ", tab_width=8).whitespace(10) == "\t  "


@pytest.mark.parametrize(
    ("language_id", "line", "expected"),
    [
        ("python", "if a:  # why", True),
        ("python", "x = ':'", False),
        ("python", "x = [", True),
        ("javascript", "const f = () => {", True),
        ("javascript", "// {", False),
        ("c", "case 1:", True),
    ],
)
def test_opens_block(language_id: str, line: str, expected: bool) -> None:
    assert opens_block(language_for(None, language_id), line) is expected


@pytest.mark.parametrize(
    ("language_id", "text", "line", "typed", "expected"),
    [
        ("python", "def f():\n\n", 1, "", "    "),
        ("python", "def f(\n    a,\n):\n\n", 3, "", "    "),
        ("python", "def f(a,\n      b):\n\n", 2, "", "    "),
        ("python", "class A:\n    def f():\n    \n", 2, "    ", "        "),
        ("python", "def f():\n    a\n\n    b\n", 2, "", "    "),
        ("python", "def f():\n    if a:\n        b\n\n    c\n", 3, "", "    "),
        ("python", "def f():\n    a\n\n\ndef g(): ...\n", 2, "", ""),
        ("python", "def f():\n    a\n    \n\ndef g(): ...\n", 2, "    ", "    "),
        ("python", 'def f():\n    x = """\nleft"""\n\n    y\n', 3, "", "    "),
        ("javascript", "function f() {\n\n}\n", 1, "", "  "),
        ("javascript", "function f() {\n  a();\n\n}\n", 2, "", "  "),
        ("go", "func f() {\n\n}\n", 1, "", "\t"),
        ("python", "\n", 0, "", ""),
    ],
)
def test_blank_lines(language_id: str, text: str, line: int, typed: str, expected: str) -> None:
    assert blank_line_indentation(snapshot_of(language_id, text), line, typed) == expected
