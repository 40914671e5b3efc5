"""Functions of a syntax tree: names, bodies, docstrings."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from dlm_lsp.documents.document import SourceText
from dlm_lsp.holes.scopes import Function, functions_around, functions_in
from dlm_lsp.languages import language_for


def functions_of(language_id: str, text: str) -> list[Function]:
    language = language_for(None, language_id)
    return list(functions_in(language, language.parse(text.encode()).root_node))


@pytest.mark.parametrize(
    ("language_id", "text", "names"),
    [
        ("python", "class A:\n  class B:\n    def f(self):\n      def g(): pass\n", ["A.B.f", "A.B.f.g"]),
        ("python", "@a\nasync def f(): pass\n", ["f"]),
        ("javascript", "class A { m() {} x = () => {}; }\nconst o = { k: function() {} };", ["A.m", "A.x", "k"]),
        ("javascript", "module.run = async () => {};\nf(() => {});", ["module.run", ""]),
        ("typescript", "namespace N { export class A { m(): void {} } }", ["N.A.m"]),
        ("go", "package p\nfunc (s *S[T]) M() {}\nfunc f() {}", ["S.M", "f"]),
        ("rust", "mod m { impl<T> A for B<T> { fn f() {} } }\nfn g() {}", ["m.B.f", "g"]),
        ("java", "class A { A() {} int m() { return 0; } record R(int a) { R {} } }", ["A.A", "A.m", "A.R.R"]),
        ("bash", "f() { :; }\nfunction g { :; }", ["f", "g"]),
        ("lua", "function M.f() end\nfunction M:g() end\nlocal h = function() end", ["M.f", "M.g", "h"]),
        ("ruby", "module M\nclass A < B\ndef f; end\ndef self.g; end\nend\nend", ["M.A.f", "M.A.g"]),
        ("c", "static int *f(int x) { return 0; }", ["f"]),
        (
            "csharp",
            "namespace N.M { class A { A() {} void F() { int G() { return 1; } } int P { get { return 1; } } } }",
            ["N.M.A.A", "N.M.A.F", "N.M.A.F.G", "N.M.A.P.get"],
        ),
        ("php", "<?php class A { function f() { $g = function () {}; } }\nfunction h() {}", ["A.f", "A.f.$g", "h"]),
        (
            "kotlin",
            "class A {\n  private constructor(x: Int) : this() {}\n  init {}\n  companion object { fun f() {} }\n}\n"
            "fun A.g() {}",
            ["A.constructor", "A.init", "A.f", "g"],
        ),
        ("scala", "object A { class B { def f() = {} } }\ntrait C { def this(x: Int) = {} }", ["A.B.f", "C.this"]),
        (
            "swift",
            "extension A.B { convenience init() {}\n deinit {}\n var x: Int { get { return 1 } }\n func f() {} }",
            ["A.B.init", "A.B.deinit", "A.B.x", "A.B.x.get", "A.B.f"],
        ),
        (
            "cpp",
            "namespace n { class A { ~A() {} bool operator==(A o) {} }; int B::f() { [] (int x) {}; } }",
            ["n.A.~A", "n.A.operator==", "n.B.f", ""],
        ),
    ],
)
def test_qualified_names(language_id: str, text: str, names: list[str]) -> None:
    found = functions_of(language_id, text)
    assert [".".join(function.qualified_name(SourceText(text))) for function in found] == names


def test_docstring_comments_and_statements_are_distinguished() -> None:
    text = 'def f():  # why\n    # first\n    """Doc."""\n    # then\n    a = 1\n    "no docstring"\n'
    (function,) = functions_of("python", text)
    assert function.docstring is not None
    assert [(node.text or b"").decode() for node in function.notes] == ["# why", "# first", '"""Doc."""', "# then"]
    assert [(node.text or b"").decode() for node in function.statements] == ["a = 1", '"no docstring"']


class _CountedKinds(frozenset[str]):
    """Node kinds that count how often they are asked for one."""

    def __init__(self, _kinds: Iterable[str]) -> None:
        self.num_asked = 0

    def __contains__(self, kind: object) -> bool:
        self.num_asked += 1
        return super().__contains__(kind)


def test_a_body_is_gone_through_a_few_times_however_long_it_is() -> None:
    language = language_for(None, "python")
    kinds = _CountedKinds(language.comments)
    root = language.parse(b"def f():\n" + b"    a = 1  # one\n" * 500).root_node
    (function,) = functions_in(replace(language, comments=kinds), root)
    for _ in range(10):
        assert (len(function.statements), len(function.notes)) == (500, 500)
    assert kinds.num_asked <= 3 * 1000


@pytest.mark.parametrize(
    ("language_id", "text", "opened", "closing"),
    [
        ("python", "def f(a: int = {1: 2}) -> int: pass", 30, 35),
        ("python", "def f():", 8, 8),
        ("rust", "fn f() { a }", 8, 11),
        ("go", "func f() {}", 10, 10),
        ("lua", "function f(a) end", 13, 14),
        ("ruby", "def f; a end", 5, 9),
    ],
)
def test_where_a_body_opens_and_closes(language_id: str, text: str, opened: int, closing: int) -> None:
    (function,) = functions_of(language_id, text)
    assert (function.opened, function.closing) == (opened, closing)


def test_functions_around_are_outermost_first() -> None:
    text = "function f() { function g() { a } b }"
    language = language_for(None, "javascript")
    source = SourceText(text)
    root = language.parse(source.encoded).root_node
    names = {
        place: [function.qualified_name(source)[-1] for function in functions_around(language, root, text.index(place))]
        for place in ("a }", "b }")
    }
    assert names == {"a }": ["f", "g"], "b }": ["f"]}
    assert functions_around(language, root, 3) == []
