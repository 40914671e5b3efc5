"""Where a text has left what it is to fill: rows of (document with the cursor at │, model's text, what is kept)."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

SWITCH = """\
function f(code) {
  switch (code) {
    case 200:
      return "ok";
    case 404:
      │
    default:
      return "?";
  }
}
"""
BETWEEN_CASES = SWITCH.replace("    case 404:\n      │", "    │")
SELECT = "func f(a int) {\n\tswitch a {\n\tcase 1:\n\t\t│\n\tdefault:\n\t\tc()\n\t}\n}\n"
JAVA = """\
class A {
  int f(int x) {
    switch (x) {
      case 1:
        │
      default:
        return 0;
    }
  }
}
"""
INNER = "switch (a) {\n        case 1:\n          b();\n      }\n      return 1;"
BODY = "def f(x):\n    │\n"

CASES = [
    ("javascript", SWITCH, 'return "a";\n      case 500:\n        return "b";\n      default:', 'return "a";'),
    ("javascript", SWITCH, 'return "a";\n    default:\n', 'return "a";'),
    ("javascript", SWITCH, "case 500:\n        return 1;", ""),
    ("go", SELECT, "b()\n\tcase 3:\n\t\td()\n", "b()"),
    ("java", JAVA, "y();\n        return 1;\n      case 2:\n        return 2;", "y();\n        return 1;"),
]
NO_LABELS = [
    ("javascript", SWITCH, INNER, INNER),
    ("javascript", SWITCH, 'f({ default: 1 });\n      g("case 1");', 'f({ default: 1 });\n      g("case 1");'),
    ("javascript", BETWEEN_CASES, "case 404:\n      return 1;", "case 404:\n      return 1;"),
]
BRACKETS = [
    ("return [a for a in g(x)\n\n\ndef h(x):\n    return [a", "return [a for a in g(x)]"),
    ("return g(x  # all of it\n\nclass A:", "return g(x)  # all of it"),
    ("y = g(x,\n\n    async def h(", "y = g(x,)"),
    ("y = 1\n    return g(x +\n\nclass A:", "y = 1"),
    (
        "return [\n        'class A',\n        x.define,\n    ]",
        "return [\n        'class A',\n        x.define,\n    ]",
    ),
    ("return '''\nclass A\n'''", "return '''\nclass A\n'''"),
]


def is_over(language_id: str, text: str, middle: str) -> bool:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    return HoleEnding(find_hole(snapshot, len(before))).is_over(middle)


@pytest.mark.parametrize(("language_id", "text", "middle", "kept"), CASES)
def test_the_next_case_ends_what_one_does(language_id: str, text: str, middle: str, kept: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", kept), bool(kept))
    assert is_over(language_id, text, middle)


@pytest.mark.parametrize(("language_id", "text", "middle", "kept"), NO_LABELS)
def test_a_label_elsewhere_ends_nothing(language_id: str, text: str, middle: str, kept: str) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", kept), True)
    assert not is_over(language_id, text, middle)


@pytest.mark.parametrize(("middle", "kept"), BRACKETS)
def test_no_bracket_is_open_where_a_definition_begins(middle: str, kept: str) -> None:
    result, fill = fill_at_cursor("python", BODY, middle)
    assert (result, fill.parse_valid) == (BODY.replace("│", kept), True)


@pytest.mark.parametrize(("middle", "expected"), [("return g(x\n\ndef ", False), ("return g(x\n\ndef h", True)])
def test_a_text_is_over_where_one_does(middle: str, expected: bool) -> None:
    assert is_over("python", BODY, middle) is expected


def test_a_bracket_that_ends_the_text_may_be_cut_off() -> None:
    assert not fill_at_cursor("python", BODY, "return g(x")[1].parse_valid


JSX = """\
function A({ name }) {
  return (
    <div>
      <h1>Hello, {name}</h1>
      │
    </div>
  );
}
"""
CLOSERS = [
    ("tsx", JSX, "</div>", ""),
    ("tsx", JSX, "</div>\n    );\n  }", ""),
    ("tsx", JSX, "<p>a</p>\n      </div>", "<p>a</p>"),
    ("tsx", JSX, "<div>\n        <br/>\n      </div>", "<div>\n        <br/>\n      </div>"),
    ("tsx", JSX, '<img src="/>" />\n      <Ul.Li />', '<img src="/>" />\n      <Ul.Li />'),
    ("tsx", JSX.replace("div", ""), "<b/>\n      </>", "<b/>"),
    ("javascript", "function f() {\n  │\n}\n", "if (a) {\n    b();\n  }", "if (a) {\n    b();\n  }"),
]


@pytest.mark.parametrize(("language_id", "text", "middle", "kept"), CLOSERS)
def test_what_closes_more_than_was_opened_stands_below_already(
    language_id: str, text: str, middle: str, kept: str
) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", kept), bool(kept))


FIELDS = "name: string;\n  gender_id: number;\n"
CALLBACK = "function f() {\n  │\n}\n"
CUT_OFF = [
    ("typescript", "interface User {\n  id: number;\n  │\n}\n", f"{FIELDS}  gender_id_id", FIELDS.rstrip()),
    ("javascript", CALLBACK, "a();\n  b();\n  retur", "a();\n  b();"),
    ("javascript", CALLBACK, "a();\n  b();\n  this.items.le", "a();\n  b();"),
    ("javascript", CALLBACK, "if (c) {\n    a();\n    b();\n    retur", "if (c) {\n    a();\n    b();\n  }"),
]
WHOLE = [
    ("typescript", "interface User {\n  id: number;\n  │\n}\n", f"{FIELDS}  born: Date[]"),
    ("javascript", CALLBACK, "a();\n  b();\n  return 'x'"),
    ("javascript", CALLBACK, "a();\n  b()\n  return x"),
    ("javascript", CALLBACK, "const a = 1;\n  const b = 2;\n  return b"),
    ("javascript", CALLBACK, "a();\n  b();\n  c = d"),
    ("javascript", "for (;;) {\n  │\n}\n", "a();\n  b();\n  break"),
    ("typescript", "interface A {\n  │\n}\n", "a: string;\n  b: number;\n  c: boolean"),
    ("javascript", CALLBACK, "const a = b\n  const c = d\n  return x"),
    ("javascript", CALLBACK, "a();\n  b();\n  c(); // the end"),
    ("rust", "fn f() -> i32 {\n    │\n}\n", "a();\n    b();\n    x"),
]


@pytest.mark.parametrize(("language_id", "text", "middle", "kept"), CUT_OFF)
def test_a_line_without_the_semicolon_of_those_above_was_cut_off(
    language_id: str, text: str, middle: str, kept: str
) -> None:
    result, fill = fill_at_cursor(language_id, text, middle)
    assert (result, fill.parse_valid) == (text.replace("│", kept), True)
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    assert not HoleEnding(find_hole(snapshot, len(before))).may_end(middle)


def test_a_function_that_is_not_called_yet_is_cut_back() -> None:
    text = "func f() {\n\t│\n}\n"
    result, fill = fill_at_cursor("go", text, "a()\n\tgo func() {\n\t\tb()")
    assert (result, fill.parse_valid) == (text.replace("│", "a()"), True)
    assert not fill_at_cursor("go", text, "defer func() {\n\t\tb()")[1].parse_valid


@pytest.mark.parametrize(("language_id", "text", "middle"), WHOLE)
def test_a_line_may_do_without_one(language_id: str, text: str, middle: str) -> None:
    assert fill_at_cursor(language_id, text, middle)[0] == text.replace("│", middle)
