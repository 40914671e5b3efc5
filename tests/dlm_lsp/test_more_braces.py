"""Places in C#, PHP, Kotlin, Scala and Swift: what is missing there, and how a text is set into it."""

import pytest

from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.filled_documents import applied
from tests.dlm_lsp.snapshots import snapshot_of

# A document with its cursor, what is missing there, the model's text, and that as it stands in the document: empty
# where it stands as it is, None where it does not parse.
PLACES = [
    ("csharp", "class A\n{\n    void F()\n    {\n        │\n    }\n}\n", "body", "G();\nH();", "G();\n        H();"),
    (
        "csharp",
        "class A {\n    void F() {\n        if (x) {\n            │\n        }\n    }\n}\n",
        "statements",
        "G();",
        "",
    ),
    ("csharp", "class A {\n    int P { get {│} set { x = value; } }\n}\n", "body", "return x;", " return x; "),
    ("csharp", "class A {\n    int F() => │\n}\n", "line", "x + 1;", ""),
    (
        "csharp",
        "class A {\n    void F() {\n        switch (x) {\n            case 1:\n                │\n"
        "            default:\n                break;\n        }\n    }\n}\n",
        "statements",
        "G();\nbreak;\ncase 2:",
        "G();\n                break;",
    ),
    (
        "csharp",
        'class A {\n    string s = x switch {\n        1 => "a",\n        │\n        _ => "b",\n    };\n}\n',
        "statement",
        '2 => "c"',
        '2 => "c",',
    ),
    ("csharp", 'class A {\n    string s = $"a {│} b";\n}\n', "line", "x.Y", ""),
    (
        "csharp",
        "class A {\n    [Test]\n    void B() {\n        C();\n    }\n\n    │\n}\n",
        "statements",
        "[Test]\nvoid D() {\n    E();\n}\n\n[Test]",
        "[Test]\n    void D() {\n        E();\n    }",
    ),
    (
        "csharp",
        "class A {\n    void F() {\n        var x = (1 +\n        G();\n    }\n    void H() {\n        │\n    }\n}\n",
        "body",
        "I();",
        "",
    ),
    ("kotlin", "fun f(): Int {\n    │\n}\n", "body", "val x = 1\nreturn x", "val x = 1\n    return x"),
    ("kotlin", "fun f() {\n    if (x) {│}\n}\n", "statements", "a()\nb()", "\n        a()\n        b()\n    "),
    ("kotlin", "fun f(xs: X) = xs.map {│}\n", "statements", "it + 1", " it + 1 "),
    ("kotlin", "fun f(xs: X) {\n    xs.map { x ->│\n    }\n}\n", "statements", "x + 1", "\n        x + 1"),
    ("kotlin", "fun f(xs: X) {\n    xs.map { x ->\n│\n    }\n}\n", "statements", "x + 1", "        x + 1"),
    (
        "kotlin",
        "class A(x: Int) :\n    B(x) {\n    init {\n        a()\n    }\n│\n}\n",
        "statements",
        "init {\n    b()\n}",
        "    init {\n        b()\n    }",
    ),
    (
        "kotlin",
        'val s = when (x) {\n    1 -> "a"\n    │\n    else -> "b"\n}\n',
        "statement",
        '2 -> "c"\n3 -> "d"',
        '2 -> "c"',
    ),
    ("kotlin", 'val s = "a ${│} b"\n', "line", "x.y", ""),
    (
        "kotlin",
        "fun f() {\n    a()\n        .b()\n    │\n    c()\n}\n",
        "statement",
        "d()\n    .e()\nf()",
        "d()\n        .e()",
    ),
    (
        "php",
        "<?php\nclass A\n{\n    function f()\n    {\n        │\n    }\n\n    function g() { }\n}\n",
        "body",
        "$x = 1;\nreturn $x;",
        "$x = 1;\n        return $x;",
    ),
    ("php", "<p>don't</p>\n<?php\nfunction f() {\n    │\n}\n?>\n<p>it's</p>\n", "body", "return 1;\n?>", "return 1;"),
    ("php", "<?php\na();\n\nfunction f() {\n    b();\n    │\n    c();\n}\n", "statement", "g(;", None),
    ("php", "<?php foreach ($xs as $x): ?>\n  <p><?= │ ?></p>\n<?php endforeach; ?>\n", "line", "$x->y ?>", "$x->y"),
    ("php", "<?php foreach ($xs as $x): ?>\n  <p>│</p>\n<?php endforeach; ?>\n", "line", "<?= $x ?></p>", "<?= $x ?>"),
    ("php", "<?php\nreturn [\n    'a' => 1,\n    │\n    'c' => 3,\n];\n", "statement", "'b' => 2", "'b' => 2,"),
    ("php", "<?php\nif ($a):\n    │\nendif;\n", "statements", "b();\nc();", "b();\n    c();"),
    ("php", "<?php\nif ($a):\n    │\nendif;\n", "statements", "b();\nelse:\n    c();\nendif;\nd();\n", "b();"),
    ("php", "<?php\nwhile ($a):\n    b();\n│\nendwhile;\n", "statements", "c();\nendwhile;\n", "    c();"),
    (
        "php",
        "<?php\nfunction f() {\n    │\n}\n",
        "body",
        "if (g($a, h(1))):\n    b();\nelse:\n    c();\nendif;\nreturn 1;\n}",
        "if (g($a, h(1))):\n        b();\n    else:\n        c();\n    endif;\n    return 1;",
    ),
    ("php", "<?php if ($a): ?>\n  │\n<?php endif; ?>\n", "statements", "<b></b>\n<?php else: ?>\n<i></i>", "<b></b>"),
    ("scala", "object A {\n  def f(): Int = {\n    │\n  }\n}\n", "body", "val x = 1\nx + 1", "val x = 1\n    x + 1"),
    (
        "scala",
        "object A {\n  def f(x: Int) = x match {\n    case 1 =>\n      │\n    case _ => b\n  }\n}\n",
        "statements",
        "g()\na\ncase 2 =>",
        "g()\n      a",
    ),
    ("scala", "case class A(x: Int) {\n  │\n}\n", "statements", "case object B", "case object B"),
    (
        "scala",
        "object A {\n  │\n}\n",
        "statements",
        "object B {\n    case class C(x: Int)\n    }",
        "object B {\n    case class C(x: Int)\n  }",
    ),
    ("scala", 'object A {\n  val s = s"a ${│} b"\n}\n', "line", "x.y", ""),
    (
        "scala",
        "object A:\n  def f(): Int =\n    val x = 1\n    │\n    x + y\n",
        "statement",
        "val y = 2\nval z = 3",
        "val y = 2",
    ),
    ("swift", "func f() -> Int {\n    │\n}\n", "body", "let x = 1\nreturn x", "let x = 1\n    return x"),
    ("swift", "func f() {\n    if x {│}\n}\n", "statements", "a()\nb()", "\n        a()\n        b()\n    "),
    ("swift", "func f() {\n    guard let y = x else {│}\n    g()\n}\n", "statements", "return", " return "),
    ("swift", "func f() {\n    xs.map { x in│\n    }\n}\n", "statements", "x + 1", "\n        x + 1"),
    (
        "swift",
        "class A {\n    var x: Int {\n        get {\n            │\n        }\n    }\n}\n",
        "body",
        "return y",
        "",
    ),
    (
        "swift",
        "func f() {\n    switch x {\n    case 1:\n        │\n    default:\n        g()\n    }\n}\n",
        "statements",
        "a()\nb()\ncase 2:",
        "a()\n        b()",
    ),
    ("swift", "func f() {\n    │\n    g()\n}\n", "statement", "let a = b\n    || c\nd()", "let a = b\n        || c"),
    ("swift", 'let s = "a \\(│) b"\n', "line", "x.y", ""),
]


@pytest.mark.parametrize(("language_id", "text", "kind", "middle", "expected"), PLACES)
def test_a_text_is_set_into_its_place(
    language_id: str, text: str, kind: str, middle: str, expected: str | None
) -> None:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    hole = find_hole(snapshot, len(before))
    assert hole.kind == kind
    fill = present(hole, middle)
    assert fill.parse_valid == (expected is not None)
    if expected is not None:
        assert applied(snapshot, fill) == before + (expected or middle) + after
