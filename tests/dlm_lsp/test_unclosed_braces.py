"""Braces that are typed alone, in an editor that closes none: rows of (document, model's text, document after it)."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

FUNCTION = ("javascript", "function f(x) {\n  │\n\nfunction g(y) {\n  return y;\n}\n")
METHOD = ("java", "class A {\n    int f() {\n        │\n\n    int g() {\n        return 2;\n    }\n}\n")
BRANCH = ("go", "func f(a bool) int {\n\tif a {\n\t\t│\n}\n\nfunc g() int {\n\treturn 2\n}\n")
LOOP = ("go", "func f(all []A) int {\n\tfor _, record := range all {\n\t\t│\n}\n\nfunc g() int {\n\treturn 2\n}\n")
ON_LINES = ("csharp", "class A\n{\n    int F()\n    {\n        │\n\n    int G()\n    {\n        return 2;\n    }\n}\n")
CALL = ("javascript", "it(a, () => {\n  │\n")
VALUE = ("typescript", "const a = {\n  b: 1,\n│\n")
ARMS = ("rust", "mod a {\n    fn f() -> u8 {\n        match 2 {\n            1 => 2,\n            │\n    }\n}\n")
IN_RUST = ("rust", "fn f(a: u8) -> u8 {\n    if a > 0 {\n        │\n")
IN_PHP = ("php", "<?php\nfunction f($a) {\n    if ($a) {\n        │\n\nfunction g() {\n    return 2;\n}\n")
IN_JAVA = ("java", "class A {\n    int f(int a) {\n        if (a > 0) {\n            │\n")
IN_TRY = ("javascript", "function f(a) {\n  try {\n    if (a) {\n      │\n")

CASES = [
    (*FUNCTION, "return x;\n}\n\nfunction h(x) {\n  return x;\n}\n", "return x;\n}"),
    (*METHOD, "return 1;\n    }\n\n    int h() {\n        return 3;\n    }\n", "return 1;\n    }"),
    (*BRANCH, "return 1\n\t}\n\treturn 0\n}\n\nfunc h() int {\n\treturn 3\n}\n", "return 1\n\t}\n\treturn 0"),
    (*LOOP, "h(record)\n\t}\n\treturn 0\n}\n\nfunc h() int {\n\treturn 3\n}\n", "h(record)\n\t}\n\treturn 0"),
    (*ON_LINES, "return 1;\n    }\n\n    int H()\n    {\n        return 3;\n    }\n", "return 1;\n    }"),
    (*CALL, "b();\n});\n\nit(c, () => {\n  d();\n});\n", "b();\n});"),
    (*VALUE, "};\nconst c = 2;\n", "};"),
    (*IN_RUST, "return 2;\n    }\n    1\n}\n\nfn h() {\n    3\n}\n", "return 2;\n    }\n    1\n}"),
    (*IN_PHP, "return 2;\n    }\n    return 1;\n}\n\nfunction h() {\n}\n", "return 2;\n    }\n    return 1;\n}"),
    (*IN_JAVA, "i();\n        }\n        j();\n    }\n\n    int h() {\n", "i();\n        }\n        j();\n    }"),
    (*IN_TRY, "i();\n    }\n  } catch {}\n}\n\nfunction h() {\n}\n", "i();\n    }\n  } catch {}\n}"),
    (*ARMS, "_ => 3,\n        }\n    }\n\n    fn g() -> u8 {\n        1\n    }\n", "_ => 3,\n        }"),
]


@pytest.mark.parametrize(("language_id", "document", "middle", "kept"), CASES)
def test_as_many_are_closed_as_the_document_leaves_open(
    language_id: str, document: str, middle: str, kept: str
) -> None:
    result, fill = fill_at_cursor(language_id, document, middle)
    assert (result, fill.parse_valid) == (document.replace("│", kept), True)


@pytest.mark.parametrize(
    "middle",
    [
        "g(() => {\n    h();\n  }, 0);\n  return x;\n}\n",
        "g(() => {\n  h();\n}, 0);\nreturn x;\n}\n",
        "g(() => {\n        h();\n    }, 0);\n  return x;\n}\n",
        "g(() => {\n      h();\n    }, 0);\n    return x;\n  }\n",
        "g(() => {\n    h();\n    }, 0);\n  return x;\n  }\n",
    ],
)
def test_what_they_close_tells_how_deep_they_stand(middle: str) -> None:
    language_id, document = FUNCTION
    kept = "g(() => {\n    h();\n  }, 0);\n  return x;\n}"
    assert fill_at_cursor(language_id, document, middle)[0] == document.replace("│", kept)


def test_what_ends_a_call_with_a_function_is_one_level() -> None:
    document = "class A {\n  f() {\n    b((c) => {\n      │\n\n  g() {\n    h();\n  }\n}\n"
    kept = "d();\n    });\n  }"
    assert fill_at_cursor("javascript", document, f"{kept}\n")[0] == document.replace("│", kept)


def test_a_closer_on_the_first_line_tells_nothing_of_the_others() -> None:
    document = "function f() {\n  if (a) {\n    if (b) {\n      c();\n    │\n"
    kept = "}\n    d();\n  }\n}"
    assert fill_at_cursor("javascript", document, f"{kept}\n")[0] == document.replace("│", kept)


@pytest.mark.parametrize(("language_id", "document", "middle", "kept"), CASES)
def test_nothing_is_written_after_them(language_id: str, document: str, middle: str, kept: str) -> None:
    before, after = document.split("│")
    snapshot = snapshot_of(language_id, before + after)
    ending = HoleEnding(find_hole(snapshot, len(before)))
    beginnings = (middle[:length] for length in range(len(middle) + 1))
    over = next(text for text in beginnings if ending.is_over(text))
    assert over.rstrip().rstrip("}").rstrip().startswith(kept.rstrip("}").rstrip())
    assert len(over) <= len(kept) + len("\n\n    i")


@pytest.mark.parametrize(
    ("language_id", "document", "middle", "kept"),
    [
        ("javascript", "function f(x) {\n  if (x│\n}\n", " > 0) {", " > 0) {"),
        ("kotlin", "fun f(x: Int) {\n    if (x│\n}\n", " > 0) {", " > 0) {"),
        ("swift", "func f(x: Int) {\n    if x│\n}\n", " > 0", " > 0"),
        ("java", "class A {\n    void f() {\n        for (int x : │)\n    }\n}\n", "xs", "xs"),
        ("java", "class A {\n    void f() {\n        for (int x : │)\n    }\n}\n", "xs) {", "xs"),
        ("go", "func f(xs []int) {\n\tfor _, x := │\n}\n", "range xs", "range xs"),
        ("c", "int add(│\n\nint main(void) {\n    return 0;\n}\n", "int a, int b) {", "int a, int b) {"),
        ("rust", "impl A {\n    fn f(│)\n}\n", "&self", "&self"),
        ("typescript", "const x = │\n", "{", "{"),
        ("javascript", "xs.forEach(│\n", "(x) => {", "(x) => {"),
    ],
)
def test_a_header_may_lack_its_block(language_id: str, document: str, middle: str, kept: str) -> None:
    result, fill = fill_at_cursor(language_id, document, middle)
    assert (result, fill.parse_valid) == (document.replace("│", kept), True)


@pytest.mark.parametrize(
    ("language_id", "document", "middle"),
    [
        ("c", "int f(int x) {\n    int y│\n    return y;\n}\n", "ou"),
        ("cpp", "int f(int x) {\n    g(x│\n    return 0;\n}\n", ")"),
        ("javascript", "const f = │\n", "(x) =>"),
        ("javascript", "const f = │;\n", "{"),
    ],
)
def test_anything_else_stands_for_itself(language_id: str, document: str, middle: str) -> None:
    assert not fill_at_cursor(language_id, document, middle)[1].parse_valid
