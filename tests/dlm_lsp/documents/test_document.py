"""Documents under random edits: the text of naive string editing, the tree of a parse from scratch."""

from dataclasses import replace
from pathlib import Path

import pytest
import tree_sitter
from hypothesis import given, settings
from hypothesis import strategies as st

import dlm_lsp
from dlm_lsp.documents.document import MOST_BYTES_BEHIND, RETRIED_AFTER_BYTES, Snapshot, SourceText
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.languages import LANGUAGES, Language
from tests.bench.long_text import long_text

PACKAGE = Path(dlm_lsp.__file__).parent
BY_ID = {language.id: language for language in LANGUAGES}

SOURCES = {
    "python": 'class A:\n    def f(self, x):\n        """Doc é😀."""\n        return [i for i in x]\n\n\nx = 1\n',
    "javascript": "class A {\r\n  f(x) {\r\n    return `é😀${x}`;\r\n  }\r\n}\r\nconst y = [1, 2];\r\n",
    "rust": "impl A {\n    fn f(&self) -> i32 {\n        todo!() // é😀\n    }\n}\n",
}
MANY_FUNCTIONS = "".join(f"def f{number}():\n    return {number}\n" for number in range(300))
FRAGMENTS = ["", "x", "\n", "\r\n", "    ", "é", "😀", "\ud800", "(", "}", "def g():\n    pass\n", "'''", "\u2028"]


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, list[tuple[float, float, str]]]:
    """A language, and edits whose ends are fractions of the text as it then is."""
    fraction = st.floats(0, 1)
    edit = st.tuples(fraction, fraction, st.sampled_from(FRAGMENTS))
    return draw(st.sampled_from(sorted(SOURCES))), draw(st.lists(edit, min_size=1, max_size=8))


@settings(max_examples=150, deadline=None)
@given(edits())
def test_random_edits_equal_a_parse_from_scratch(case: tuple[str, list[tuple[float, float, str]]]) -> None:
    language_id, changes = case
    text = SOURCES[language_id]
    snapshot = Snapshot.unparsed("file:///a", BY_ID[language_id], text, version=0)
    for version, (a, b, new_text) in enumerate(changes, start=1):
        start, end = sorted((round(a * len(text)), round(b * len(text))))
        end = min(end, start + 20)
        snapshot = snapshot.replaced(start, end, new_text, version)
        if version % 2:
            assert snapshot.tree.root_node is not None
        text = text[:start] + new_text + text[end:]
    fresh = Snapshot.parse("file:///a", BY_ID[language_id], text)
    assert snapshot.text == text
    assert snapshot.version == len(changes)
    assert str(snapshot.tree.root_node) == str(fresh.tree.root_node)
    assert snapshot.tree.root_node.end_byte == len(snapshot.encoded)


def test_an_old_snapshot_outlives_edits() -> None:
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], "x = 1\n")
    before = snapshot
    snapshot = snapshot.replaced(0, 1, "name")
    assert before.text == "x = 1\n"
    assert before.tree.root_node.end_byte == 6
    assert snapshot.text == "name = 1\n"


def test_opening_and_many_edits_in_a_row_cost_one_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    parses: list[bytes] = []
    parse = Language.parse
    monkeypatch.setattr(Language, "parse", lambda *args: parses.append(args[1]) or parse(*args))
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], "x = 1\n" * 50)
    for line in range(50):
        snapshot = snapshot.replaced(line * 7, line * 7, "y")
    assert snapshot.tree.root_node.named_child_count == 50
    assert snapshot.tree.root_node.end_byte == 350
    assert len(parses) == 1


def test_a_range_outside_the_text_is_refused() -> None:
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], "x\n")
    with pytest.raises(ValueError, match="not inside"):
        snapshot = snapshot.replaced(0, 3, "")


@given(st.text(alphabet="aé漢😀\n\ud800", max_size=30), st.sampled_from([1, 300]), st.data())
def test_bytes_and_characters_are_inverse(text: str, repeats: int, data: st.DataObject) -> None:
    source = SourceText(text := text * repeats)
    offset = data.draw(st.integers(0, len(text)))
    assert source.to_offset(source.to_byte(offset)) == offset
    assert source.to_byte(offset) == len(text[:offset].encode("utf-8", "surrogatepass"))
    assert source.to_byte(len(text)) == len(source.encoded)


def test_an_edit_that_breaks_a_long_text_is_not_followed_to_its_end_and_mending_it_is() -> None:
    text = "def f(a):\n    return a\n\n\n" * 3000
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    whole = snapshot.tree
    at = len(text) // 2
    snapshot = snapshot.replaced(at, at, "x = f(\n")
    broken = snapshot
    assert not broken.tree.root_node.has_error, "read to the end in search of the least error"
    assert broken.tree.root_node.end_byte == len(broken.encoded), "its nodes stand where the text now has them"
    snapshot = snapshot.replaced(at, at + len("x = f(\n"), "")
    assert str(snapshot.tree.root_node) == str(whole.root_node)


def test_edits_of_a_long_text_are_followed_while_that_is_cheap() -> None:
    text = long_text(2500)
    text = text[: text.rindex("\nclass") + 1]
    snapshot = Snapshot.parse("file:///a.py", BY_ID["python"], text)
    num_before = len(snapshot.top_level)
    for number, character in enumerate("y = 1\n", len(text)):
        snapshot = snapshot.replaced(number, number, character)
        fresh = Snapshot.parse(snapshot.uri, snapshot.language, snapshot.text)
        assert replace(find_hole(snapshot, number + 1), snapshot=fresh) == find_hole(fresh, number + 1)
    assert len(snapshot.top_level) == num_before + 1


@pytest.mark.parametrize("file", ["holes/excerpts.py", "options.py"])
@pytest.mark.parametrize("typed", ["import os\nimport sys\n", '"""What this is.\n\nfor', "x = f([\n"])
def test_a_text_of_usual_length_is_parsed_at_every_key(file: str, typed: str) -> None:
    snapshot = Snapshot.parse("file:///a.py", BY_ID["python"], (PACKAGE / file).read_text(encoding="utf-8"))
    for number, character in enumerate(typed):
        snapshot = snapshot.replaced(number, number, character)
        fresh = Snapshot.parse(snapshot.uri, snapshot.language, snapshot.text)
        assert str(snapshot.tree.root_node) == str(fresh.tree.root_node)
        assert replace(find_hole(snapshot, number + 1), snapshot=fresh) == find_hole(fresh, number + 1)


def test_a_statement_between_many_functions_is_known_at_once() -> None:
    snapshot = Snapshot.parse("file:///a.py", BY_ID["python"], MANY_FUNCTIONS)
    at = MANY_FUNCTIONS.index("def f50")
    assert len(snapshot.replaced(at, at, "x = 1\n").top_level) == 301


def test_no_code_is_offered_inside_a_docstring_that_is_being_typed() -> None:
    snapshot = Snapshot.parse("file:///a.py", BY_ID["python"], MANY_FUNCTIONS)
    for number, character in enumerate('"""What this is.\n\n'):
        snapshot = snapshot.replaced(number, number, character)
        hole = find_hole(snapshot, number + 1)
    assert hole.kind == "line"


def test_what_was_too_costly_to_follow_is_tried_again_once_more_was_typed_and_completed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried_at: list[int] = []

    def parse_briefly(language: Language, source: bytes, old_tree: tree_sitter.Tree) -> tree_sitter.Tree | None:
        tried_at.append(len(source) - len(text))
        return original(language, source, old_tree)

    original = Language.parse_briefly
    monkeypatch.setattr(Language, "parse_briefly", parse_briefly)
    text = long_text(2500)
    snapshot = Snapshot.parse("file:///a.py", BY_ID["python"], text)
    num_before = len(snapshot.top_level)
    snapshot = snapshot.replaced(0, 0, broken := "x = f([\n")
    for end in range(len(broken), MOST_BYTES_BEHIND):
        assert len(snapshot.top_level) == num_before
        snapshot = snapshot.replaced(end, end, " ")
    assert tried_at == [len(broken) + number * RETRIED_AFTER_BYTES for number in range(4)]
    assert snapshot.tree.root_node.has_error, "completed"
    snapshot = snapshot.replaced(len(broken) - 1, MOST_BYTES_BEHIND, "])\n" + "y = 1\n" * 2)
    fresh = Snapshot.parse(snapshot.uri, snapshot.language, snapshot.text)
    assert str(snapshot.tree.root_node) == str(fresh.tree.root_node)


def test_what_is_taken_out_of_a_long_text_counts_too() -> None:
    text = long_text(2500)
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    num_before, start = len(snapshot.top_level), text.index("\ndef") + 1
    snapshot = snapshot.replaced(start, text.index("\nclass", start) + 1, "")
    fresh = Snapshot.parse("file:///a.py", BY_ID["python"], snapshot.text)
    assert len(snapshot.top_level) == len(fresh.top_level) < num_before


def test_however_much_is_put_in_is_read() -> None:
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], "x = 1\n")
    assert snapshot.tree
    snapshot = snapshot.replaced(0, 0, "def f(a):\n    return a\n\n\n" * 3000)
    assert len(snapshot.top_level) == 3001
