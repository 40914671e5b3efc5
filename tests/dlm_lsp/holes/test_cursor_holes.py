"""Where the hole is: one row per situation, the cursor written as │ and the hole as ⟦…⟧."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from tests.dlm_lsp.snapshots import marked, snapshot_of


def hole_at_cursor(language_id: str, text: str) -> tuple[str, str]:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    hole = find_hole(snapshot, len(before))
    return hole.kind, marked(hole)


PYTHON_BODIES = [
    ("def f(x):\n    │\n\ndef g(): pass\n", "def f(x):\n    ⟦⟧\n\ndef g(): pass\n"),
    ("def f(x):│", "def f(x):⟦⟧"),
    ("def f(x):│  \nx = 1\n", "def f(x):⟦  ⟧\nx = 1\n"),
    ("def f(x):\n│", "def f(x):\n⟦⟧"),
    ("def f(x):\n  │  \n", "def f(x):\n  ⟦  ⟧\n"),
    ('def f(x):\n    """Doc."""\n    │\n', 'def f(x):\n    """Doc."""\n    ⟦⟧\n'),
    ('def f(x):\n    """Doc."""\n│\nx = 1\n', 'def f(x):\n    """Doc."""\n⟦⟧\nx = 1\n'),
    ('def f(x):\n    """Doc."""│\n\nx = 1\n', 'def f(x):\n    """Doc."""⟦⟧\n\nx = 1\n'),
    ("def f(x):\n    # sort it\n    │\n", "def f(x):\n    # sort it\n    ⟦⟧\n"),
    ("def f(x):\n    # sort it│\n", "def f(x):\n    # sort it⟦⟧\n"),
    ("def f(x):\n    # sort it\n│\nx = 1\n", "def f(x):\n    # sort it\n⟦⟧\nx = 1\n"),
    ("def f(x):\n    pa│ss\n", "def f(x):\n    ⟦pass⟧\n"),
    ("def f(x):\n    pass│\n", "def f(x):\n    ⟦pass⟧\n"),
    ("def f(x):\n│    pass\n", "def f(x):\n    ⟦pass⟧\n"),
    ("def f(x): pass│  # TODO\n", "def f(x):⟦ pass  # TODO⟧\n"),
    ("def f(x): ...│\n", "def f(x):⟦ ...⟧\n"),
    ("def f(x):│\n    ...\n", "def f(x):\n    ⟦...⟧\n"),
    ("def f(x):\n    pass\n    │\n", "def f(x):\n    ⟦pass\n    ⟧\n"),
    ("def f(x):\n    │\n    pass\n", "def f(x):\n    ⟦\n    pass⟧\n"),
    ("def f(x):\n    pass\n│\n\ndef g(): ...\n", "def f(x):\n    ⟦pass⟧\n\n\ndef g(): ...\n"),
    (
        'class A:\n    def f(self):\n        """Doc."""\n        raise NotImplementedError("f")│\n\n    x = 1\n',
        'class A:\n    def f(self):\n        """Doc."""\n        ⟦raise NotImplementedError("f")⟧\n\n    x = 1\n',
    ),
    ("async def f(x):\n    │\n", "async def f(x):\n    ⟦⟧\n"),
    ("@cached\ndef f(x):\n    │\n", "@cached\ndef f(x):\n    ⟦⟧\n"),
    ("def f():\n    def g():\n        │\n    return g\n", "def f():\n    def g():\n        ⟦⟧\n    return g\n"),
    ("def f(\n    x,\n):\n    │\n", "def f(\n    x,\n):\n    ⟦⟧\n"),
    ("class A:\r\n\tdef f(self):\r\n\t\t│\r\n", "class A:\r\n\tdef f(self):\r\n\t\t⟦⟧\r\n"),
    ("é = '😀'\ndef f():\n    │\n", "é = '😀'\ndef f():\n    ⟦⟧\n"),
]

BRACE_BODIES = [
    ("javascript", "function f() {│}\n", "function f() {⟦⟧}\n"),
    ("javascript", "function f() { │ }\n", "function f() {⟦  ⟧}\n"),
    ("javascript", "function f() {│\n}\n", "function f() {⟦⟧\n}\n"),
    ("javascript", "function f() {\n  │\n}\nconst x = 1;\n", "function f() {\n  ⟦⟧\n}\nconst x = 1;\n"),
    ("javascript", "function f() {\n│}\n", "function f() {\n⟦⟧}\n"),
    (
        "javascript",
        "const f = async () => {\n  throw new Error('TODO│');\n};\n",
        "const f = async () => {\n  ⟦throw new Error('TODO');⟧\n};\n",
    ),
    ("typescript", "class A {\n  m(): void {\n    │\n  }\n}\n", "class A {\n  m(): void {\n    ⟦⟧\n  }\n}\n"),
    (
        "tsx",
        "export const A = (p: P) => {\n  // renders\n  │\n};\n",
        "export const A = (p: P) => {\n  // renders\n  ⟦⟧\n};\n",
    ),
    ("go", 'func f() int {\n\tpanic("TODO")│\n}\n', 'func f() int {\n\t⟦panic("TODO")⟧\n}\n'),
    ("rust", "impl A {\n    fn m(&self) { todo!()│ }\n}\n", "impl A {\n    fn m(&self) {⟦ todo!() ⟧}\n}\n"),
    ("rust", "fn m() -> i32 {\n    unimplemented!│()\n}\n", "fn m() -> i32 {\n    ⟦unimplemented!()⟧\n}\n"),
    (
        "java",
        "class A {\n  int m() {\n    // TODO\n    │\n  }\n}\n",
        "class A {\n  int m() {\n    // TODO\n    ⟦⟧\n  }\n}\n",
    ),
    ("c", "int f(void)\n{\n    │\n}\n", "int f(void)\n{\n    ⟦⟧\n}\n"),
    ("cpp", "class A {\n  int m() const { │}\n};\n", "class A {\n  int m() const {⟦ ⟧}\n};\n"),
    (
        "cpp",
        "#ifndef A\nnamespace n {\nint f() {\n  │\n}\n}\n#endif\n",
        "#ifndef A\nnamespace n {\nint f() {\n  ⟦⟧\n}\n}\n#endif\n",
    ),
]

WORDED_BODIES = [
    ("lua", "local function f(a)\n  │\nend\n", "local function f(a)\n  ⟦⟧\nend\n"),
    ("lua", "function M:f()│\nend\n", "function M:f()⟦⟧\nend\n"),
    ("lua", "f(function(a) │end)\n", "f(function(a)⟦ ⟧end)\n"),
    (
        "lua",
        "function f()\n  -- why\n  error('TODO')│\n  -- so\nend\n",
        "function f()\n  -- why\n  ⟦error('TODO')⟧\n  -- so\nend\n",
    ),
    ("ruby", "class A\n  def f(b)\n    │\n  end\nend\n", "class A\n  def f(b)\n    ⟦⟧\n  end\nend\n"),
    ("ruby", "def f│\nend\n", "def f⟦⟧\nend\n"),
    ("ruby", "def self.f(a)\n  # why\n  │\nend\n", "def self.f(a)\n  # why\n  ⟦⟧\nend\n"),
    ("bash", "f() {\n  │\n}\n", "f() {\n  ⟦⟧\n}\n"),
    ("bash", "function f {\n  :│\n}\n", "function f {\n  ⟦:⟧\n}\n"),
]

NEXT_STATEMENTS = [
    ("python", "def f():\n    a = 1\n    │\n    return a\n", "def f():\n    a = 1\n    ⟦⟧\n    return a\n"),
    ("python", "def f():\n    a = 1\n│\n    return a\n", "def f():\n    a = 1\n⟦⟧\n    return a\n"),
    ("python", "def f():\n    a = 1\n    │\n        b()\n", "def f():\n    a = 1\n    ⟦⟧\n        b()\n"),
    ("python", 'def f():\n    """Doc."""\n\n\n│\n\nx = 1\n', 'def f():\n    """Doc."""\n\n\n⟦⟧\n\nx = 1\n'),
    ("python", "a = {\n    1: 2,\n    │\n    3: 4,\n}\n", "a = {\n    1: 2,\n    ⟦⟧\n    3: 4,\n}\n"),
    ("go", "func f() {\n\ta := 1\n\t│\n\treturn\n}\n", "func f() {\n\ta := 1\n\t⟦⟧\n\treturn\n}\n"),
    ("yaml", "a:\n  b: 1\n  │\n  c: 2\n", "a:\n  b: 1\n  ⟦⟧\n  c: 2\n"),
    ("json", '{\n  "a": 1,\n  │\n  "b": 2\n}\n', '{\n  "a": 1,\n  ⟦⟧\n  "b": 2\n}\n'),
]

LAST_STATEMENTS = [
    ("python", "def f():\n    for i in x:\n        │\n", "def f():\n    for i in x:\n        ⟦⟧\n"),
    ("python", "def f():\n    if a:\n        │\n    b()\n", "def f():\n    if a:\n        ⟦⟧\n    b()\n"),
    ("python", "class A:\n    x = 1\n    │\n", "class A:\n    x = 1\n    ⟦⟧\n"),
    ("python", "│", "⟦⟧"),
    ("go", "func f() {\n\ta := 1\n\t│\n}\n", "func f() {\n\ta := 1\n\t⟦⟧\n}\n"),
    ("c", "void f() {\n  a();\n│\n}\n", "void f() {\n  a();\n⟦⟧\n}\n"),
    ("bash", "if a; then\n  b\n  │\nfi\n", "if a; then\n  b\n  ⟦⟧\nfi\n"),
    ("lua", "if a then\n  b()\n  │\nelse\n  c()\nend\n", "if a then\n  b()\n  ⟦⟧\nelse\n  c()\nend\n"),
    ("lua", "repeat\n  a()\n│\nuntil b\n", "repeat\n  a()\n⟦⟧\nuntil b\n"),
    ("yaml", "a:\n  b: 1\n  │\nc: 2\n", "a:\n  b: 1\n  ⟦⟧\nc: 2\n"),
    ("html", "<ul>\n  <li>a</li>\n  │\n</ul>\n", "<ul>\n  <li>a</li>\n  ⟦⟧\n</ul>\n"),
]

LINES = [
    ("python", "for i in │:\n    print(i)\n", "for i in ⟦⟧:\n    print(i)\n"),
    ("python", "def f():\n    return self.na│me(1)\n", "def f():\n    return self.na⟦⟧me(1)\n"),
    ("python", "x = foo(│)\n", "x = foo(⟦⟧)\n"),
    ("python", "x = │  \ny = 2\n", "x = ⟦  ⟧\ny = 2\n"),
    ("python", "def f(│):\n    pass\n", "def f(⟦⟧):\n    pass\n"),
    ("python", 'def f():\n    """Do│c."""\n', 'def f():\n    """Do⟦⟧c."""\n'),
    ("python", "def f():\n    # so│rt\n", "def f():\n    # so⟦⟧rt\n"),
    ("python", 'x = """\n│\n"""\n', 'x = """\n⟦⟧\n"""\n'),
    ("python", "def f():\n    return 1│\n", "def f():\n    return 1⟦⟧\n"),
    (
        "javascript",
        "function f() {\n  const x = │\n}\nfunction g() { return 1 }\n",
        "function f() {\n  const x = ⟦⟧\n}\nfunction g() { return 1 }\n",
    ),
    ("python", "if a:│\n    b()\n", "if a:⟦⟧\n    b()\n"),
    ("python", "a = {1:│\n", "a = {1:⟦⟧\n"),
    ("python", "self.a:│\n", "self.a:⟦⟧\n"),
    ("python", "a = lambda:│\n", "a = lambda:⟦⟧\n"),
    ("javascript", "if (a) {│ b() }\n", "if (a) {⟦⟧ b() }\n"),
    ("javascript", "const a = {│}\n", "const a = {⟦⟧}\n"),
    ("rust", "fn f() {\n    let x = a.│;\n}\n", "fn f() {\n    let x = a.⟦⟧;\n}\n"),
    ("ruby", "if a│\n  b\nend\n", "if a⟦⟧\n  b\nend\n"),
    ("bash", "cat <<E\na\n│\nE\n", "cat <<E\na\n⟦⟧\nE\n"),
    ("yaml", "a:│\nb: 1\n", "a:⟦⟧\nb: 1\n"),
    ("toml", "a = │\nb = 1\n", "a = ⟦⟧\nb = 1\n"),
    ("css", "a {\n  color: │;\n}\n", "a {\n  color: ⟦⟧;\n}\n"),
]


@pytest.mark.parametrize(("text", "expected"), PYTHON_BODIES)
def test_python_bodies(text: str, expected: str) -> None:
    assert hole_at_cursor("python", text) == ("body", expected)


@pytest.mark.parametrize(("language_id", "text", "expected"), [*BRACE_BODIES, *WORDED_BODIES])
def test_bodies_in_braces_or_words(language_id: str, text: str, expected: str) -> None:
    assert hole_at_cursor(language_id, text) == ("body", expected)


EMPTY_BLOCKS = [
    ("python", "for i in x:│\n", "for i in x:⟦⟧\n"),
    ("python", "def f():\n    if a: │ \n    b()\n", "def f():\n    if a: ⟦ ⟧\n    b()\n"),
    ("python", "try:\n    a()\nexcept E:│\n", "try:\n    a()\nexcept E:⟦⟧\n"),
    ("python", "class A:│\n", "class A:⟦⟧\n"),
    ("javascript", "if (a) {│}\n", "if (a) {⟦⟧}\n"),
    ("javascript", "for (const a of b) {│\n}\n", "for (const a of b) {⟦⟧\n}\n"),
    ("go", "func f() {\n\tif a {│}\n}\n", "func f() {\n\tif a {⟦⟧}\n}\n"),
    ("rust", "fn f() {\n    loop {│\n    }\n}\n", "fn f() {\n    loop {⟦⟧\n    }\n}\n"),
    ("c", "void f() {\n  while (a) {│}\n}\n", "void f() {\n  while (a) {⟦⟧}\n}\n"),
    ("bash", "for a in b; do│\ndone\n", "for a in b; do⟦⟧\ndone\n"),
    ("lua", "if a then│\nend\n", "if a then⟦⟧\nend\n"),
    ("ruby", "a.each do |b|│\nend\n", "a.each do |b|⟦⟧\nend\n"),
]


@pytest.mark.parametrize(("language_id", "text", "expected"), NEXT_STATEMENTS)
def test_a_blank_line_lacks_the_next_statement_if_the_block_continues(
    language_id: str, text: str, expected: str
) -> None:
    assert hole_at_cursor(language_id, text) == ("statement", expected)


@pytest.mark.parametrize(("language_id", "text", "expected"), LAST_STATEMENTS)
def test_a_blank_line_lacks_all_that_is_left_where_the_block_ends(language_id: str, text: str, expected: str) -> None:
    assert hole_at_cursor(language_id, text) == ("statements", expected)


@pytest.mark.parametrize(("language_id", "text", "expected"), EMPTY_BLOCKS)
def test_after_the_opening_of_an_empty_block_all_of_it_is_missing(language_id: str, text: str, expected: str) -> None:
    assert hole_at_cursor(language_id, text) == ("statements", expected)


@pytest.mark.parametrize(("language_id", "text", "expected"), LINES)
def test_rest_of_the_line(language_id: str, text: str, expected: str) -> None:
    assert hole_at_cursor(language_id, text) == ("line", expected)


@pytest.mark.parametrize("offset", [-5, 10_000])
def test_a_cursor_outside_the_text_is_moved_into_it(offset: int) -> None:
    hole = find_hole(snapshot_of("python", "x = 1"), offset)
    assert 0 <= hole.start <= hole.end <= 5


def test_a_cursor_between_carriage_return_and_line_feed_is_before_both() -> None:
    snapshot = snapshot_of("python", "x = \r\ny = 1\r\n")
    assert find_hole(snapshot, 5) == Hole(snapshot, 4, 4, "line")


@given(
    placeholder=st.sampled_from(["pass", "...", "raise NotImplementedError"]),
    blank_lines=st.lists(st.sampled_from(["", "    ", "  "]), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_body_filled_from_below_its_placeholder_leaves_the_empty_lines_before_the_next_definition(
    placeholder: str, blank_lines: list[str], data: st.DataObject
) -> None:
    line = data.draw(st.integers(0, len(blank_lines) - 1))
    above = "\n".join(["def f():", f"    {placeholder}", *blank_lines[: line + 1]])
    below = "\n".join(["", *blank_lines[line + 1 :], "def g():", "    return 1", ""])
    snapshot = snapshot_of("python", above + below)
    hole = find_hole(snapshot, len(above))
    if hole.kind == "body":
        fill = present(hole, "return 2")
        filled = snapshot.text[: fill.start] + fill.text + snapshot.text[fill.end :]
        assert filled[: filled.index("def g")].split("\n").count("") >= blank_lines.count("")
