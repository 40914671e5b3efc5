"""Refilled parts of lists, such as parameters, fields and cases: no more of them than were selected."""

import re

import pytest

from dlm_lsp.fitting.block_fitting import BlockFitter
from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.named_holes import range_hole
from tests.dlm_lsp.snapshots import snapshot_of

# Language, selection, and the model's text, in which a bar separates the part that is kept from the surplus.
LISTS = [
    (
        "python",
        "x = {\n    ⟦'a': 1,\n    'b': 2,⟧\n    'c': 3,\n}\n",
        "'d': 4,\n    'e': [\n        5,\n    ],|    'f': 6,",
    ),
    ("python", "x = [\n    ⟦1,\n    2,⟧\n    3,\n]\n", "4,\n    5,|    6,"),
    ("python", "x = {\n    ⟦1,⟧\n    3,\n}\n", "4,|    6,"),
    ("python", "from a import (\n    ⟦b,\n    c,⟧\n    d,\n)\n", "e,\n    f,|    g,"),
    ("python", "def f(\n    ⟦a,\n    b: int,⟧\n    c,\n): ...\n", "d,\n    e: str,|    g,"),
    ("python", "f(\n    ⟦a,\n    b=1,⟧\n    c=2,\n)\n", "d,\n    e=3,|    g=4,"),
    (
        "python",
        "match x:\n    ⟦case 1:\n        a()⟧\n    case 2:\n        b()\n",
        "case 3:\n        c()|    case 4:\n        d()",
    ),
    ("javascript", "switch (x) {\n  case 1:\n    ⟦a();\n    b();⟧\n    break;\n}\n", "c();\n    d();|    e();"),
    ("javascript", "switch (x) {\n  ⟦case 1:\n    a();⟧\n  default:\n}\n", "case 2:\n    b();|  case 3:\n    c();"),
    ("javascript", "x = {\n  ⟦a: 1,\n  b() {},⟧\n  c: 3,\n};\n", "d: 4,\n  e() {},|  f: 5,"),
    ("javascript", "x = [\n  ⟦1,\n  2,⟧\n  3,\n];\n", "4,\n  5,|  6,"),
    ("javascript", "import {\n  ⟦a,\n  b,⟧\n  c,\n} from 'x';\n", "d,\n  e,|  f,"),
    ("typescript", "enum E {\n  ⟦A,\n  B = 1,⟧\n  C,\n}\n", "D,\n  F = 2,|  G,"),
    (
        "typescript",
        "interface I {\n  ⟦a: string;\n  b(): void;⟧\n  c: number;\n}\n",
        "d: string;\n  e(): void;|  f: number;",
    ),
    ("tsx", "type T = {\n  ⟦a: string;⟧\n  c: number;\n}\n", "d: string;|  f: number;"),
    ("typescript", "function f(\n  ⟦a: string,⟧\n  b: number,\n) {}\n", "c: string,|  d: number,"),
    (
        "go",
        "func f() {\n\tswitch x {\n\t⟦case 1:\n\t\ta()⟧\n\tcase 2:\n\t}\n}\n",
        "case 3:\n\t\tb()|\tcase 4:\n\t\tc()",
    ),
    ("go", "func f() {\n\tselect {\n\tcase <-c:\n\t\t⟦a()⟧\n\t\tb()\n\t}\n}\n", "d()|\t\te()"),
    ("go", "type T struct {\n\t⟦a int\n\tb int⟧\n\tc int\n}\n", "d int\n\te int|\tf int"),
    ("go", "type T interface {\n\t⟦A() int⟧\n\tB() int\n}\n", "C() int|\tD() int"),
    ("go", "const (\n\t⟦A = 1⟧\n\tB = 2\n)\n", "C = 3|\tD = 4"),
    ("go", "x := T{\n\t⟦a: 1,\n\tb: 2,⟧\n\tc: 3,\n}\n", "d: 4,\n\te: 5,|\tf: 6,"),
    (
        "rust",
        "fn f() {\n    match x {\n        ⟦1 => a(),⟧\n        _ => b(),\n    }\n}\n",
        "2 => c(),|        3 => d(),",
    ),
    ("rust", "enum E {\n    ⟦A,\n    B(i32),⟧\n    C,\n}\n", "D,\n    F(i32),|    G,"),
    ("rust", "struct S {\n    ⟦#[a]\n    b: i32,⟧\n    c: i32,\n}\n", "#[d]\n    e: i32,|    f: i32,"),
    ("rust", "use a::{\n    ⟦b,⟧\n    c,\n};\n", "d,|    e,"),
    ("rust", "let x = S {\n    ⟦a: 1,⟧\n    b: 2,\n};\n", "c: 3,|    d: 4,"),
    ("rust", "fn f(\n    ⟦a: i32,⟧\n    b: i32,\n) {}\n", "c: i32,|    d: i32,"),
    (
        "java",
        "class A { void f() {\n  switch (x) {\n    case 1:\n      ⟦a();⟧\n      b();\n  }\n} }\n",
        "c();|      d();",
    ),
    (
        "java",
        "class A { void f() {\n  switch (x) {\n    ⟦case 1:\n      a();⟧\n    default:\n  }\n} }\n",
        "case 2:\n      b();|    case 3:",
    ),
    (
        "java",
        "class A { void f() {\n  switch (x) {\n    ⟦case 1 -> a();⟧\n    default -> b();\n  }\n} }\n",
        "case 2 -> c();|    case 3 -> d();",
    ),
    ("java", "enum E {\n  ⟦A,\n  B(1),⟧\n  C;\n}\n", "D,\n  F(2),|  G,"),
    (
        "java",
        "enum E {\n  A;\n  ⟦int x;\n  int f() { return 1; }⟧\n  int y;\n}\n",
        "int a;\n  int g() { return 2; }|  int b;",
    ),
    ("c", "enum E {\n  ⟦A,\n  B = 1,⟧\n  C\n};\n", "D,\n  F = 2,|  G,"),
    ("c", "struct S {\n  ⟦int a;\n  int b;⟧\n  int c;\n};\n", "int d;\n  int e;|  int f;"),
    ("c", "int x[] = {\n  ⟦1,\n  2,⟧\n  3,\n};\n", "4,\n  5,|  6,"),
    ("c", "void f(void) {\n  switch (x) {\n  case 1:\n    ⟦a();⟧\n    break;\n  }\n}\n", "b();|    c();"),
    (
        "csharp",
        "class A { void F() {\n  switch (x) {\n    ⟦case 1:\n      a();⟧\n    default:\n      b();\n  }\n} }\n",
        "case 2:\n      b();|    case 3:",
    ),
    ("csharp", "enum E {\n  ⟦A,\n  B = 1,⟧\n  C\n}\n", "D,\n  F = 2,|  G,"),
    ("php", "<?php\n$x = [\n  ⟦1,\n  2,⟧\n  3,\n];\n", "4,\n  5,|  6,"),
    ("php", "<?php\nf(match ($x) {\n  ⟦1 => a(),⟧\n  default => b(),\n});\n", "2 => c(),|  3 => d(),"),
    ("kotlin", "fun f() {\n  when (x) {\n    ⟦1 -> a()⟧\n    else -> b()\n  }\n}\n", "2 -> c()|    3 -> d()"),
    ("kotlin", "enum class E {\n  ⟦A,\n  B,⟧\n  C,\n}\n", "D,\n  F,|  G,"),
    (
        "scala",
        "object A {\n  x match {\n    ⟦case 1 =>\n      a()⟧\n    case _ =>\n  }\n}\n",
        "case 2 =>\n      b()|    case 3 =>",
    ),
    ("swift", "switch x {\n⟦case 1:\n  a()⟧\ndefault:\n  b()\n}\n", "case 2:\n  c()|case 3:\n  d()"),
    ("swift", "enum E {\n  ⟦case a\n  case b(Int)⟧\n  case c\n}\n", "case d\n  case e|  case f"),
    ("cpp", "enum class E {\n  ⟦A,\n  B,⟧\n  C\n};\n", "D,\n  F,|  G,"),
    ("cpp", "union U {\n  ⟦int a;⟧\n  int b;\n};\n", "int c;|  int d;"),
]


@pytest.mark.parametrize(("language_id", "text", "middle"), LISTS)
def test_no_more_items_are_kept_than_were_named(language_id: str, text: str, middle: str) -> None:
    before, named, after = re.split("[⟦⟧]", text)
    snapshot = snapshot_of(language_id, before + named + after)
    hole = range_hole(snapshot, len(before), len(before + named))
    assert (hole.kind, hole.start, hole.end) == ("statement", len(before), len(before + named))
    wanted = middle.partition("|")[0]
    fill = present(hole, middle.replace("|", "\n"))
    assert (fill.text, fill.parse_valid) == (wanted, True)
    fitter = BlockFitter(hole)
    assert not fitter.is_over(wanted)
    assert fitter.is_over(middle.replace("|", "\n") + "\n")


def test_an_unfinished_item_is_not_over() -> None:
    text = "x = [\n    1,\n    2,\n]\n"
    snapshot = snapshot_of("python", text)
    hole = range_hole(snapshot, text.index("1"), text.index("1,") + 2)
    assert not BlockFitter(hole).is_over("a\n")


def test_what_a_macro_takes_is_no_list_to_the_parser() -> None:
    text = "let x = vec![\n    1,\n    2,\n];\n"
    snapshot = snapshot_of("rust", text)
    assert range_hole(snapshot, text.index("1"), text.index("1,") + 2).kind == "range"
