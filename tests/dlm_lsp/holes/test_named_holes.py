"""Holes by the name of a function, and by a range, written as ⟦…⟧."""

import re

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.errors import UsageError
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import find_function, find_unwritten_function, range_hole
from dlm_lsp.languages import language_for
from tests.dlm_lsp.snapshots import marked, snapshot_of

FUNCTIONS = [
    (
        "python",
        "f",
        'def f(x):\n    """Doc."""\n    # why\n    a = 1\n    return a\n',
        'def f(x):\n    """Doc."""\n    # why\n    ⟦a = 1\n    return a⟧\n',
    ),
    ("python", "f", 'def f(x):\n    """Doc."""\n\nx = 1\n', 'def f(x):\n    """Doc."""⟦⟧\n\nx = 1\n'),
    ("python", "f", "def f(x): return 1\n", "def f(x):⟦ return 1⟧\n"),
    ("python", "f", "def f(x):\n\nx = 1\n", "def f(x):⟦⟧\n\nx = 1\n"),
    ("python", "B.m", "class A:\n    def m(self): a\nclass B:\n    def m(self): b\n", "    def m(self):⟦ b⟧\n"),
    ("python", "f", "def f(): a\nclass A:\n    def f(self): b\n", "def f():⟦ a⟧\n"),
    ("python", "f.g", "def f():\n    def g():\n        a\n    return g\n", "    def g():\n        ⟦a⟧\n    return g\n"),
    ("javascript", "f", "const f = (x) => {\n  return x;\n};\n", "const f = (x) => {\n  ⟦return x;⟧\n};\n"),
    ("javascript", "A.m", "class A {\n  m() {\n  }\n}\n", "class A {\n  m() {⟦⟧\n  }\n}\n"),
    ("tsx", "A.m", "class A { m = () => { f(); } }\n", "class A { m = () => {⟦ f(); ⟧} }\n"),
    ("go", "T.M", "func (t *T) M() int {\n\treturn 1\n}\n", "func (t *T) M() int {\n\t⟦return 1⟧\n}\n"),
    ("rust", "T.m", "impl<A> X for T<A> {\n    fn m() { 1 }\n}\n", "impl<A> X for T<A> {\n    fn m() {⟦ 1 ⟧}\n}\n"),
    ("java", "A.A", "class A {\n  A() {\n    x = 1;\n  }\n}\n", "class A {\n  A() {\n    ⟦x = 1;⟧\n  }\n}\n"),
    ("c", "f", "static char *f(int x)\n{\n\treturn 0;\n}\n", "static char *f(int x)\n{\n\t⟦return 0;⟧\n}\n"),
    ("c", "f", "int f()\n{\n#if A\n  a();\n#endif\n}\n", "{\n⟦#if A\n  a();\n#endif⟧\n}"),
    ("csharp", "P.get", "class A { int P { get { return 1; } } }\n", "get {⟦ return 1; ⟧}"),
    ("kotlin", "A.f", "class A {\n  fun f() {\n    a()\n  }\n}\n", "{\n    ⟦a()⟧\n  }"),
    ("scala", "A.f", "class A {\n  def f() = {\n    a()\n  }\n}\n", "{\n    ⟦a()⟧\n  }"),
    ("php", "A.f", "<?php\nclass A {\n  function f() {\n    a();\n  }\n}\n", "{\n    ⟦a();⟧\n  }"),
    ("swift", "A.init", "class A {\n  init() {\n    a()\n  }\n}\n", "{\n    ⟦a()⟧\n  }"),
    ("bash", "f", "f() {\n  a\n  b\n}\n", "f() {\n  ⟦a\n  b⟧\n}\n"),
    ("lua", "M.f", "function M.f(a)\n  -- why\n  return a\nend\n", "-- why\n  ⟦return a⟧\nend\n"),
    ("lua", "f", "local f = function()\nend\n", "local f = function()⟦⟧\nend\n"),
    ("ruby", "A.f", "class A\n  def f\n    a\n  end\nend\n", "  def f\n    ⟦a⟧\n  end\n"),
    ("ruby", "f", "def self.f(a) = a\ndef f\nend\n", "def f⟦⟧\nend\n"),
    ("cpp", "A.m", "int A::m() const { return 0; }\n", "int A::m() const {⟦ return 0; ⟧}\n"),
    ("cpp", "n.A.m", "namespace n { struct A { int m() {} }; }\n", "namespace n { struct A { int m() {⟦⟧} }; }\n"),
]


@pytest.mark.parametrize(("language_id", "name", "text", "expected"), FUNCTIONS)
def test_find_function(language_id: str, name: str, text: str, expected: str) -> None:
    snapshot = snapshot_of(language_id, text)
    hole = find_function(snapshot, name)
    assert hole.kind == "body"
    assert expected in marked(hole)


@pytest.mark.parametrize(
    ("language_id", "text"),
    [
        ("python", "def f(): pass\n"),
        ("python", 'def f():\n    """Doc."""\n    # TODO\n    ...\n'),
        ("python", 'def f():\n    raise NotImplementedError("f")\n'),
        ("python", "def f():\n\nx = 1\n"),
        ("rust", "fn f() {\n    todo!()\n}\n"),
        ("go", "func f() {\n\t// TODO\n}\n"),
    ],
)
def test_a_body_is_unwritten_that_holds_only_notes_and_placeholders(language_id: str, text: str) -> None:
    snapshot = snapshot_of(language_id, text)
    assert find_unwritten_function(snapshot, "f") == find_function(snapshot, "f")


@pytest.mark.parametrize(
    ("language_id", "text"),
    [("python", "def f(): return 1\n"), ("python", "def f():\n    pass\n    a()\n"), ("rust", "fn f() { 1 }\n")],
)
def test_a_body_is_written_that_holds_a_statement(language_id: str, text: str) -> None:
    assert find_unwritten_function(snapshot_of(language_id, text), "f") is None


def test_an_absent_function_is_named() -> None:
    with pytest.raises(UsageError, match="no function nope in code"):
        find_function(snapshot_of("python", "def f(): pass\n"), "nope")


def test_a_format_without_functions_says_so() -> None:
    with pytest.raises(UsageError, match="no functions in json"):
        find_function(snapshot_of("json", "{}\n"), "nope")


def test_an_ambiguous_function_says_where() -> None:
    text = "class A:\n    def m(self): a\n\nclass B:\n    def m(self): b\n"
    with pytest.raises(UsageError, match="lines 2, 5"):
        find_function(snapshot_of("python", text), "m")


@pytest.mark.parametrize(
    ("text", "named", "expected"),
    [
        ("x = 1\n", "1", "x = ⟦1⟧\n"),
        ("def f():\n    a\n    b\n    c\n", "    a\n    b\n", "def f():\n    ⟦a\n    b⟧\n    c\n"),
        ("def f():\r\n\ta\r\n\tb\r\n", "\ta\r\n\t", "def f():\r\n\t⟦a⟧\r\n\tb\r\n"),
        ("def f():\n    a\n\n    b\n", "\n    a\n\n", "def f():\n    ⟦a⟧\n\n    b\n"),
        ("a\n\n\nb\n", "\n\n\n", "a⟦⟧\n\n\nb\n"),
        ("f(  )\n", "  ", "f(⟦  ⟧)\n"),
        ("a\r\nb\n", "\n", "a\r⟦⟧\nb\n"),
    ],
)
def test_a_range_leaves_the_blanks_around_it(text: str, named: str, expected: str) -> None:
    snapshot = snapshot_of("python", text)
    hole = range_hole(snapshot, text.index(named), text.index(named) + len(named))
    assert marked(hole) == expected


@pytest.mark.parametrize(
    ("language_id", "text", "kind", "num_statements"),
    [
        ("python", "x = ⟦1⟧\n", "line", 1),
        ("python", "⟦f⟧(x)\n", "line", 1),
        ("python", "x = f(⟦a,\n      b⟧)\n", "range", 1),
        ("python", "x = f(\n    ⟦a,⟧\n    b,\n)\n", "statement", 1),
        ("python", "⟦⟧x\n", "range", 1),
        ("python", "def f():\n    ⟦a()⟧\n    b()\n", "statement", 1),
        ("python", "def f():\n    ⟦a()\n    b()⟧\n    c()\n", "statement", 2),
        ("python", "def f():\n    a()\n    ⟦b()\n    # why\n    c()⟧\n", "statement", 2),
        ("python", "def f():\n    ⟦a()  # why⟧\n    b()\n", "statement", 1),
        ("python", "def f():\n    ⟦if a:\n        b()\n    else:\n        c()⟧\n    d()\n", "statement", 1),
        ("python", "def f():\n    ⟦if a:\n        b()⟧\n    else:\n        c()\n    d()\n", "range", 1),
        ("python", "def f():\n    ⟦if a:⟧\n        b()\n    d()\n", "range", 1),
        ("python", "def f():\n    if a:\n        b()\n        ⟦c()\n    d()⟧\n", "range", 1),
        ("python", "def f():\n    ⟦a()\n    b()⟧\n", "body", 1),
        ("python", 'def f():\n    """Doc."""\n    ⟦a()\n    b()⟧\n', "body", 1),
        ("python", "def f():\n    for x in y:\n        ⟦a()⟧\n", "statement", 1),
        ("python", "class A:\n    x = 1\n    ⟦@d\n    def f():\n        a()⟧\n", "statement", 1),
        ("python", "⟦x = 1\ny = 2⟧\nz = 3\n", "statement", 2),
        ("python", "def f():\n    ⟦pass⟧\n    b()\n", "statement", 1),
        ("python", "if a:\n    ⟦pass⟧\n", "statements", 1),
        ("python", "if a:\n    ⟦# what to do⟧\n    b()\n", "range", 1),
        ("python", "def f():\n    ⟦a(\n    b()⟧\n    c()\n", "range", 1),
        ("javascript", "f(() => {\n  ⟦a()\n  b();⟧\n  c()\n})\n", "statement", 2),
        ("javascript", "class A {\n  ⟦f() {\n    a()\n  }⟧\n  g() {}\n}\n", "statement", 1),
        ("typescript", "⟦import a from 'a'\nlet b = a⟧\nb()\n", "statement", 2),
        ("go", "func f() {\n\t⟦a()\n\tb()⟧\n\tc()\n}\n", "statement", 2),
        ("go", "func f() {\n\t⟦a()\n\tb()⟧\n}\n", "body", 1),
        ("rust", "fn f() -> i32 {\n    a();\n    ⟦#[allow(unused)]\n    let x = 1;⟧\n    x\n}\n", "statement", 1),
        ("java", "class A {\n  ⟦int f() {\n    return 1;\n  }⟧\n}\n", "statement", 1),
        ("c", "int f(void) {\n#ifdef A\n  ⟦a();\n  b();⟧\n#endif\n  c();\n}\n", "statement", 2),
        ("cpp", "namespace n {\n⟦int a;\nint b;⟧\nint c;\n}\n", "statement", 2),
        ("python", "⟦class A(B):\n    x = 1⟧\ny = 2\n", "statement", 1),
        ("python", "⟦class A:\n    x = 1\n\nclass B:\n    x = 2⟧\ny = 2\n", "statement", 2),
        ("python", "if a:\n    ⟦# why\n    b()\n    c()⟧\n    d()\n", "statement", 2),
        ("python", "def f():\n    ⟦# why\n    a()⟧\n", "body", 1),
        ("javascript", "⟦class A extends B {}\nexport { A };⟧\na()\n", "statement", 2),
        ("typescript", "⟦namespace N { let x = 1 }⟧\nlet y = 2\n", "statement", 1),
        ("go", "func f() {\n\t⟦// why\n\ta()\n\tb()⟧\n\tc()\n}\n", "statement", 2),
        ("go", "func f() {\n\ta()\n\t⟦b()\n\t// done⟧\n}\n", "statement", 1),
        ("rust", "⟦pub(super) mod a;\npub mod b {}⟧\nfn f() {}\n", "statement", 2),
        ("rust", "⟦impl A for B {}⟧\nfn f() {}\n", "statement", 1),
        ("java", "⟦public class A {}⟧\nclass B {}\n", "statement", 1),
        ("csharp", "class A {\n  ⟦int a;\n  int F() { return a; }⟧\n  int b;\n}\n", "statement", 2),
        ("kotlin", "class A {\n  ⟦val a = 1\n  fun f() = a⟧\n  val b = 2\n}\n", "statement", 2),
        ("kotlin", "fun f(x: Int) {\n  ⟦a()\n  b()⟧\n}\n", "body", 1),
        ("php", "<?php\n⟦a();\nb();⟧\nc();\n", "statement", 2),
        ("scala", "object A {\n  def f() = {\n    ⟦a()\n    b()⟧\n    c()\n  }\n}\n", "statement", 2),
        ("swift", "func f() {\n  if a {\n    ⟦b()\n    c()⟧\n  }\n}\n", "statement", 2),
        ("c", "⟦#include <a.h>\n#include <b.h>⟧\nint a;\n", "statement", 2),
        ("c", "⟦#ifdef A\nint a;\nint b;\n#endif⟧\nint c;\n", "statement", 1),
        ("c", "int f(void)\n⟦{\n  a();\n  b();\n}⟧\n", "range", 1),
        ("c", "int f(void) {\n⟦{\n  a();\n  b();\n}⟧\nc();\n}\n", "statement", 1),
        ("cpp", "⟦struct A {};\nint a;⟧\nint b;\n", "statement", 2),
        ("bash", "if a; then\n  ⟦b\n  c⟧\n  d\nfi\n", "statement", 2),
        ("lua", "function f()\n  ⟦a()\n  b()⟧\n  c()\nend\n", "statement", 2),
        ("lua", "function f()\n  ⟦a()\n  b()⟧\nend\n", "body", 1),
        ("ruby", "class A\n  ⟦def f\n    a\n  end⟧\n  attr :b\nend\n", "statement", 1),
        ("json", '{\n  ⟦"a": 1,\n  "b": 2,⟧\n  "c": 3\n}\n', "statement", 2),
        ("yaml", "a:\n  ⟦- b\n  - c⟧\n  - d\n", "statement", 2),
        ("yaml", "⟦a: 1\nb: 2⟧\nc: 3\n", "statement", 2),
        ("toml", "[a]\n⟦b = 1\nc = 2⟧\nd = 3\n", "statement", 2),
        ("html", "<p>\n  ⟦<b>a</b>\n  <i>b</i>⟧\n  c\n</p>\n", "statement", 2),
        ("css", "a {\n  ⟦b: c;\n  d: e;⟧\n  f: g;\n}\n", "statement", 2),
    ],
)
def test_what_was_named_says_what_is_wanted(language_id: str, text: str, kind: str, num_statements: int) -> None:
    before, named, after = re.split("[⟦⟧]", text)
    snapshot = snapshot_of(language_id, before + named + after)
    hole = range_hole(snapshot, len(before), len(before + named))
    assert (marked(hole), hole.kind, hole.num_statements) == (text, kind, num_statements)


def test_what_was_named_is_read_from_the_text_while_edits_wait_to_be_parsed() -> None:
    text = "def f(a):\n    b(a)\n    c(a)\n    return a\n\n\n" * 2000
    snapshot = Snapshot.unparsed("file:///code", language_for(None, "python"), text)
    assert snapshot.tree.root_node.child_count == 2000
    snapshot = snapshot.replaced(0, 0, "x = 1\n")
    start, end = snapshot.text.index("b(a)"), snapshot.text.index("\n    return")
    assert range_hole(snapshot, start, end) == Hole(snapshot, start, end, "statement", num_statements=2)


def test_a_range_is_inside_the_document() -> None:
    with pytest.raises(UsageError, match="not inside"):
        range_hole(snapshot_of("python", "x = 1\n"), 4, 7)
