"""Fills beside code that is broken elsewhere: rows of (document with the cursor at │, sound text, broken text)."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.isolation import MAX_LINES, Isolation
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

SUB = "def sub(left, right):\n    │\n\n\nprint(sub(1, 2))\n"
ADD = "def add(left, right):\n    return left + right\n\n\n"
POP = "    def pop(self):\n        │\n\n    def size(self):\n        return len(self.items)\n"
SOUND, BROKEN = "return left - right", "return left - (right"
JS_SUB = "function sub(left, right) {\n  │\n}\n\nsub(1, 2);\n"

OPEN_LOOP = "    x = (1,\n    for v in a\n        print(v)\n"

CASES = [
    ("python", f"total = max(1,\n\n{ADD}{SUB}", SOUND, BROKEN),
    ("python", f"{ADD.replace('right)', 'right')}{SUB}", SOUND, BROKEN),
    ("python", f"{ADD.replace('right)', 'right')}{SUB}\nclass (\n", SOUND, BROKEN),
    (
        "python",
        f"total = max(1,\n\n{SUB}",
        "if left:\n        return right\n    return 0",
        "if left:\n        return (",
    ),
    (
        "python",
        f"class A:\n    def push(self, item):\n        self.items.append(item\n\n{POP}",
        "return self.items.pop()",
        "x (",
    ),
    ("python", "x = max(1,\n\nz = 3\n│\n\nif x:\n    print(x)\n", "y = 2", "y = ("),
    ("python", f"total = max(1,\n\n{ADD}def sub(left, right):\n    x = left - │\n    return x\n", "right", "(right"),
    (
        "javascript",
        f"const total = max(1,\n\nfunction add(a) {{\n  return a;\n}}\n\n{JS_SUB}",
        "return left - right;",
        "return (left;",
    ),
    ("javascript", f"class (\n\n{JS_SUB}", "return left - right;", "return left -;"),
    (
        "javascript",
        "class A {\n  a( {\n  }\n\n  b() {\n    if (x) {\n      y();\n    } else {\n      │\n    }\n  }\n}\n",
        "z();",
        "z(;",
    ),
    ("go", "var x = f(\n\nfunc a() {\n\tb()\n\t│\n}\n", "c()", "c(("),
    (
        "java",
        "class A {\n  int a( {\n  }\n\n  int b(int x) {\n    int y = x;\n    │\n  }\n}\n",
        "return y;",
        "return (y;",
    ),
    (
        "php",
        "<?php\nclass A {\n  function a( {\n  }\n\n  function b($x) {\n    $y = $x;\n    │\n  }\n}\n",
        "return $y;",
        "return ($y;",
    ),
    (
        "php",
        "<p></p>\n<?php\n\nfunction b($x) {\n  if ($x) {\n    y();\n  }\n  │\n  $z = (1;\n}\n",
        "elseif ($y) {\n    z();\n  }",
        "elseif ($y) {\n    z(;\n  }",
    ),
    (
        "kotlin",
        "class A {\n  fun a( {\n  }\n\n  fun b(x: Int): Int {\n    val y = x\n    │\n  }\n}\n",
        "return y",
        "return (y",
    ),
    (
        "swift",
        "class A {\n  func a( {\n  }\n\n  func b(x: Int) -> Int {\n    let y = x\n    │\n  }\n}\n",
        "return y",
        "return (y",
    ),
    ("python", f"def f(a):\n    if a:\n        b()\n    │\n{OPEN_LOOP}", "else:\n        c()", "else:\n        c("),
    (
        "python",
        f"def f(a):\n    if a:\n        b()\n    elif a.c:\n        d()\n    │\n{OPEN_LOOP}",
        "elif a.b:\n        c()",
        "elif a.:\n        c()",
    ),
    ("python", f"if a(:\n    b()\n│\n\ndef f(a):\n{OPEN_LOOP}", "c()", "c("),
    (
        "typescript",
        "function f(a) {\n  if (a) {\n    b();\n  }\n  │\n  const x = (1,\n  for (const v of a {\n    g(v);\n  }\n}\n",
        "else {\n    c();\n  }",
        "else {\n    c(;\n  }",
    ),
]


@pytest.mark.parametrize(("language_id", "text", "sound", "broken"), CASES)
def test_what_is_broken_elsewhere_says_nothing_of_a_fill(language_id: str, text: str, sound: str, broken: str) -> None:
    result, fill = fill_at_cursor(language_id, text, sound)
    assert (result, fill.parse_valid) == (text.replace("│", sound), True)
    assert not fill_at_cursor(language_id, text, broken)[1].parse_valid
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    ending = HoleEnding(find_hole(snapshot, len(before)))
    assert (ending.may_end(sound), ending.may_end(broken)) == (True, False)


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [
        ("python", "def f(a):\n    x = g(\n        a,\n        │\n\ny = 1\n", "b,\n    )"),
        ("python", "x = [\n    1,\n    │\n\ny = (\n", "2,\n]"),
        ("javascript", "class A {\n  b() {\n    │\n\n  c() {\n    d();\n  }\n}\n", "d();\n  }"),
    ],
)
def test_what_is_broken_above_a_hole_may_be_mended_in_it(language_id: str, text: str, middle: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", middle), True)


@pytest.mark.parametrize(
    ("language_id", "text", "middle"),
    [
        ("python", f'def f(a):\n    """\n    Compute │\n    """\n{OPEN_LOOP}', "the sum of all values"),
        ("python", f'def f(a):\n    """Compute │\n\n    Twice.\n    """\n{OPEN_LOOP}', "the sum of all values"),
        ("python", 'SQL = """\nSELECT │\n"""\ndef g(:\n', "* FROM a"),
        ("python", 'SQL = """\nSELECT a\n│\n"""\ndef g(:\n', "FROM the table"),
        ("javascript", "const x = `\n  the │\n`;\nfunction g(( {\n}\n", "sum of all"),
    ],
)
def test_what_a_string_says_is_no_code(language_id: str, text: str, middle: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", middle), True)


def test_a_clause_needs_a_statement_above() -> None:
    text = f"def f(a):\n    b()\n    │\n{OPEN_LOOP}"
    assert not fill_at_cursor("python", text, "else:\n        c()")[1].parse_valid


def test_only_so_many_lines_above_are_searched() -> None:
    snapshot = snapshot_of("python", "def f(\n" + "    a,\n" * 2 * MAX_LINES + "):\n    x\n")
    hole_line = snapshot.lines.num_lines - 2
    excerpts = Isolation(snapshot, hole_line, hole_line, "    ", is_within_line=False).excerpts()
    highest = snapshot.to_byte(snapshot.lines.line_start(hole_line - MAX_LINES))
    starts = [container.start for excerpt in excerpts for container in excerpt.containers]
    assert starts
    assert min(starts) >= highest
