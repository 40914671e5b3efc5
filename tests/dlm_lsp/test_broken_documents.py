"""Documents as they are while a user types: broken, mixed, cut anywhere. Nothing may raise, nothing may be lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.presentation import present
from dlm_lsp.fitting.syntax_check import DraftChecker
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import range_hole
from dlm_lsp.holes.scopes import functions_in
from dlm_lsp.languages import LANGUAGES
from dlm_lsp.prompt.context import build_request
from tests.dlm_lsp.snapshots import snapshot_of

PIECES = [
    *(
        "def f(x):",
        "class A:",
        "@d",
        "if a:",
        "else:",
        "pass",
        "...",
        "return x",
        '"""',
        "'",
        "# c",
        "match x:",
        "case 1:",
    ),
    *("function f() {", "class A {", "}", "{", "(", ")", "[", "]", ";", "=> {", "// c", "/*", "*/", "`", "const x = "),
    *("func (t *T) M() {", "impl A {", "fn f() {", "todo!()", "#ifdef A", "#endif", "namespace n {", "int f() {"),
    *("    ", "  ", "\t", "\n", "\n\n", "\r\n", "\r", "é😀", "\ud800", "\u2028", "\x0c", "\ufeff", "\0"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@st.composite
def holes(draw: st.DrawFn) -> Hole:
    text = draw(texts)
    snapshot = Snapshot.parse("file:///code", draw(st.sampled_from(LANGUAGES)), text)
    start = draw(st.integers(0, len(text)))
    if draw(st.booleans()):
        return find_hole(snapshot, start)
    return range_hole(snapshot, start, draw(st.integers(start, len(text))))


@settings(max_examples=400, deadline=None)
@given(holes(), texts, st.integers(0, 200))
def test_no_document_is_too_broken(hole: Hole, middle: str, budget: int) -> None:
    text = hole.snapshot.text
    assert 0 <= hole.start <= hole.end <= len(text)
    request = build_request(hole, max_prompt_tokens=budget, count_tokens=len)
    assert len(request.prefix) + len(request.suffix) <= max(budget, len(text.encode("utf-8", "surrogatepass")))
    fill = present(hole, middle)
    assert (fill.start, fill.end) == (hole.start, hole.end)
    assert not fill.text or fill.text.strip()
    if hole.kind == "line":
        assert "\n" not in fill.text.strip()


@pytest.mark.parametrize(
    ("language_id", "text", "middle", "expected"),
    [
        (
            "javascript",
            "function f() {\n  const x = │\n}\nfunction g() { return 1 }\n",
            "1;",
            "function f() {\n  const x = 1;\n}\nfunction g() { return 1 }\n",
        ),
        ("python", "def f(x│\n", "):", "def f(x):\n"),
        (
            "python",
            "def f(x):\n    if x│\n    return 1\n",
            ": return 0",
            "def f(x):\n    if x: return 0\n    return 1\n",
        ),
        ("python", "a = (1,\n\ndef f(x):\n    │\n", "return x", "a = (1,\n\ndef f(x):\n    return x\n"),
        ("python", "try:\n    │\nexcept E:\n    pass\n", "a()", "try:\n    a()\nexcept E:\n    pass\n"),
        ("python", "if a:\n    b()\nel│\n    c()\n", "se:", "if a:\n    b()\nelse:\n    c()\n"),
        ("python", "x = [│\n    1,\n]\n", "0,", "x = [0,\n    1,\n]\n"),
        (
            "go",
            "func f() int {\n\tif a │\n\treturn 1\n}\n",
            "{ return 0 }",
            "func f() int {\n\tif a { return 0 }\n\treturn 1\n}\n",
        ),
        ("rust", "fn f() {\n    let x = vec![│\n}\n", "1];", "fn f() {\n    let x = vec![1];\n}\n"),
        (
            "java",
            "class A {\n  int m() {\n    return │\n  }\n}\n",
            "1;",
            "class A {\n  int m() {\n    return 1;\n  }\n}\n",
        ),
        (
            "tsx",
            "const A = () => {\n  return <div>│\n};\n",
            "</div>;",
            "const A = () => {\n  return <div></div>;\n};\n",
        ),
        ("c", "int f(void)\n{\n\tif (│\n\treturn 0;\n}\n", "x)", "int f(void)\n{\n\tif (x)\n\treturn 0;\n}\n"),
    ],
)
def test_half_typed_code_is_completed(language_id: str, text: str, middle: str, expected: str) -> None:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    fill = present(find_hole(snapshot, len(before)), middle)
    assert snapshot.text[: fill.start] + fill.text + snapshot.text[fill.end :] == expected
    assert fill.parse_valid


TERMS = " + ".join(["'a'"] * 1000)
CALLS = "\n  .then((x) => x)" * 500
BRANCHES = " else ".join(f"if (x == {number}) {{\n return {number};\n}}" for number in range(500))
ELSE_IF = "if a:\n    b\n" + "".join(f"elif a == {number}:\n    b\n" for number in range(500))


@pytest.mark.parametrize(
    ("language_id", "text"),
    [
        ("python", f"x = f(1 1) + {TERMS}\n│\n"),
        ("python", f"{ELSE_IF}else\n    c\n│\n"),
        ("javascript", f"const s = f(1 1){CALLS};\n│\n"),
        ("javascript", f"function f(x) {{\n{BRANCHES} else {{ retur 1 1 }}\n│\n}}\n"),
        ("java", f"class A {{\n  String s = f(1 1) + {TERMS};\n  │\n}}\n"),
        ("c", f"int f(int x) {{\n{BRANCHES} else return 1 1;\n│\n}}\n"),
        ("go", f"func f(x int) {{\n{BRANCHES.replace('(', '').replace(')', '')} else {{ 1 1 }}\n│\n}}\n"),
        ("rust", "fn f() {\n" + "if a { " * 500 + "1 1" + " }" * 500 + "\n│\n}\n"),
    ],
)
@pytest.mark.parametrize("middle", ["x = 1;", "f(1 1)", f"y = g(1 1) + {TERMS};"], ids=["sound", "broken", "deep"])
def test_no_document_is_too_deep(language_id: str, text: str, middle: str) -> None:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    hole = find_hole(snapshot, len(before))
    build_request(hole, max_prompt_tokens=500, count_tokens=len)
    assert present(hole, middle).text
    DraftChecker(hole).errors(middle)
    assert all(function.body for function in functions_in(snapshot.language, snapshot.tree.root_node))
