"""Excerpts: small, sound, and exact about offsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.holes.excerpts import NEARBY_BYTES, Edit, Excerpt, errors_in
from dlm_lsp.languages import language_for
from tests.dlm_lsp.snapshots import snapshot_of

SOURCES = {
    "python": "import a\n\n\nclass A:\n    x = 1\n\n    @d\n    def f(self):\n        é = '😀'\n        return é\n\n"
    "    def g(self):\n        return 2\n\n\ndef h():\n    return 3\n",
    "javascript": "import a from 'a';\nexport class A {\n  f() {\n    return 'é😀';\n  }\n\n  g() { return 2; }\n}\n",
    "php": "<p>é</p>\n<?php\nf();\n\nfunction g() {\n  return 1; // 😀\n}\n\n"
    "class A {\n  function h() { return 2; }\n}\n?>\n<b>\n<?= $x ?>\n</b>\n",
    "cpp": "#ifndef A\n#define A\nnamespace n {\nclass A {\n  int f() { return 1; }\n};\n}\nint g();\n#endif\n",
}


def excerpt_at(language_id: str, text: str, needle: str) -> Excerpt:
    snapshot = snapshot_of(language_id, text)
    return Excerpt.around(snapshot, text.index(needle), text.index(needle) + len(needle))


@pytest.mark.parametrize(
    ("language_id", "needle", "expected"),
    [
        (
            "python",
            "return é",
            "class A:\n    @d\n    def f(self):\n        é = '😀'\n        return é\n\n"
            "    def g(self):\n        return 2",
        ),
        ("python", "return 3", "def h():\n    return 3"),
        ("javascript", "return 2", "export class A {\n  g() { return 2; }\n}"),
        ("php", "return 1", "<?php\nfunction g() {\n  return 1; // 😀\n}\nclass A {\n  function h() { return 2; }\n}"),
        ("php", "return 2", "<?php\nclass A {\n  function h() { return 2; }\n}"),
        ("php", "f();", "<?php\nf();\nfunction g() {\n  return 1; // 😀\n}"),
        ("cpp", "return 1", "#ifndef A\nnamespace n {\nclass A {\n  int f() { return 1; }\n};\n}\n#endif"),
    ],
)
def test_an_excerpt_is_the_definition_in_its_containers(language_id: str, needle: str, expected: str) -> None:
    excerpt = excerpt_at(language_id, SOURCES[language_id], needle)
    parsed = excerpt.parse(Edit(excerpt.start, excerpt.start, ""))
    lines = [line for line in parsed.source.text.split("\n") if line.strip()]
    assert lines == [line for line in expected.split("\n") if line.strip()]
    assert parsed.num_errors == 0


@given(st.sampled_from(sorted(SOURCES)), st.data())
def test_offsets_outside_the_edit_are_exact(language_id: str, data: st.DataObject) -> None:
    text = SOURCES[language_id]
    snapshot = snapshot_of(language_id, text)
    line = data.draw(st.integers(0, snapshot.lines.num_lines - 1))
    start, end = snapshot.lines.line_start(line), snapshot.lines.line_end(line)
    excerpt = Excerpt.around(snapshot, start, end)
    parsed = excerpt.parse(Edit(start, end, data.draw(st.sampled_from(["", "x", "é = 😀", "a\nb"]))))
    offset = data.draw(st.integers(excerpt.start, excerpt.end))
    byte = parsed.to_byte(offset)
    if start < offset < end:
        assert parsed.to_offset(byte) == start
        return
    assert parsed.to_offset(byte) in (offset, start)
    following = text[offset : excerpt.end] if offset >= end and offset > start else text[offset:start]
    assert parsed.source.encoded[byte:].decode().startswith(following)


def test_the_best_edit_has_the_fewest_errors() -> None:
    excerpt = excerpt_at("python", "x = 1\n", "1")
    assert excerpt.best([Edit(4, 5, "("), Edit(4, 5, "2"), Edit(4, 5, "3")]).edit.text == "2"
    assert excerpt.best([Edit(4, 5, "(]"), Edit(4, 5, "(")]).num_errors > 0


def test_what_is_broken_beside_the_place_takes_part() -> None:
    text = "a = 1\n\nx_\n    1,\n    2,\n]\n\nb = 2\n"
    excerpt = excerpt_at("python", text, "x_")
    assert excerpt.parse(Edit(7, 9, "x = [")).num_errors == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("f(1);\n", []),
        ("f(1;\n", [")"]),
        ("f(1;\nlet a = = 2;\n", [")", "ERROR ="]),
        ("let a = = 2;\nif (b { c(3; }\n", ["ERROR =", "ERROR if (b { c(3; }", "ERROR b"]),
    ],
)
def test_errors_are_found_before_those_within_them(text: str, found: list[str]) -> None:
    root = language_for(None, "javascript").parse(text.encode()).root_node
    assert [f"{node.type} {(node.text or b'').decode()}".strip() for node in errors_in(root)] == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", "def f():\n    return 1 return 2\n", "return 1"),
        ("a.py", "import os import sys\n", "import os"),
        ("a.toml", "a = 1 b = 2\n", "a = 1"),
    ],
)
def test_a_line_break_that_is_missing_is_an_error_though_the_tree_hides_it(name: str, text: str, found: str) -> None:
    (error,) = errors_in(language_for(name, None).parse(text.encode()).root_node)
    assert (error.text or b"").decode().startswith(found)


def test_a_file_that_is_one_error_takes_part_with_what_is_near() -> None:
    function = "def f(a):\n    if a:\n        return a\n    return 0\n\n\n"
    functions = function * (NEARBY_BYTES // 20)
    before, after = f"{functions}def h(a):\n    x = (1,\n    ", f"\n    for v in a\n        print(v)\n\n\n{functions}"
    snapshot = snapshot_of("python", before + after)
    assert [node.type for node in snapshot.top_level] == ["ERROR"]
    excerpt = Excerpt.around(snapshot, len(before), len(before))
    assert excerpt.end - excerpt.start < 3 * NEARBY_BYTES
    assert snapshot.text[excerpt.start : len(before)].endswith(f"{function}def h(a):\n    x = (1,\n    ")
    assert snapshot.text[len(before) : excerpt.end].startswith(f"\n    for v in a\n        print(v)\n\n\n{function}")
