"""Documents under random edits: the text of naive string editing, the tree of a parse from scratch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_lsp.documents.document import FOLLOWED_FROM_BYTES, Snapshot, SourceText
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.languages import LANGUAGES, Language
from tests.bench.trace import long_text

BY_ID = {language.id: language for language in LANGUAGES}

SOURCES = {
    "python": 'class A:\n    def f(self, x):\n        """Doc é😀."""\n        return [i for i in x]\n\n\nx = 1\n',
    "javascript": "class A {\r\n  f(x) {\r\n    return `é😀${x}`;\r\n  }\r\n}\r\nconst y = [1, 2];\r\n",
    "rust": "impl A {\n    fn f(&self) -> i32 {\n        todo!() // é😀\n    }\n}\n",
}
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


def test_small_edits_of_a_long_text_are_followed_together() -> None:
    text = long_text(2500)
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    num_before = len(snapshot.top_level)
    at = text.index("\nclass", len(text) // 2) + 1
    typed = "def g(first, second):\n    return second, first, second\n\n\ny = 1\n\n\n"
    num_members = []
    for number, character in enumerate(typed, at):
        snapshot = snapshot.replaced(number, number, character)
        num_members.append(len(snapshot.top_level))
        assert snapshot.tree.root_node.descendant_for_byte_range(number + 1, number + 6).type == "class"  # type: ignore[union-attr]
        fresh = Snapshot.parse(snapshot.uri, snapshot.language, snapshot.text)
        assert find_hole(snapshot, number + 1) == find_hole(fresh, number + 1)
    assert num_members[: FOLLOWED_FROM_BYTES - 1] == [num_before] * (FOLLOWED_FROM_BYTES - 1)
    assert num_members[FOLLOWED_FROM_BYTES - 1] == num_before + 2


def test_what_was_too_costly_to_follow_is_tried_again_once_more_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[bool] = []

    def parse_again(*arguments: object) -> object:
        tree = original(*arguments)  # type: ignore[arg-type]
        attempts.append(tree is not None)
        return tree

    original = Language.parse_again
    monkeypatch.setattr(Language, "parse_again", parse_again)
    text = long_text(2500)
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    num_before = len(snapshot.top_level)
    start = text.index("\nclass", len(text) // 2) + 1
    snapshot = snapshot.replaced(start, start, broken := "x = f(\n" + "    # nobody closes this bracket\n" * 2)
    end = start + len(broken)
    for _ in range(FOLLOWED_FROM_BYTES + 2):
        assert len(snapshot.top_level) == num_before
        snapshot = snapshot.replaced(end, end, " ")
    assert attempts == [False, False], "at once, and after as many keys"
    snapshot = snapshot.replaced(end, end, ")\n" + "y = 1\n" * 12)
    assert len(snapshot.top_level) == num_before + 13
    assert attempts == [False, False, True]


def test_what_was_too_costly_in_a_short_text_is_tried_again_more_and_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried_at: list[int] = []

    def parse_again(language: Language, source: bytes, *arguments: object) -> object:
        tried_at.append(len(source) - len(text))
        return original(language, source, *arguments)  # type: ignore[arg-type]

    original = Language.parse_again
    monkeypatch.setattr(Language, "parse_again", parse_again)
    text = long_text(1200)
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    num_before = len(snapshot.top_level)
    start = text.index("\nclass", len(text) // 2) + 1
    snapshot = snapshot.replaced(start, start, "x = f([\n")
    for end in range(start + 8, start + 208):
        assert len(snapshot.top_level) == num_before
        snapshot = snapshot.replaced(end, end, " ")
    assert [number - 8 for number in tried_at] == [0, 2, 6, 14, 30, 62, 126, 190]
    tried_at.clear()
    snapshot = snapshot.replaced(start + 8, start + 208, "])\n")
    assert len(snapshot.top_level) == num_before + 1
    snapshot = snapshot.replaced(start, start, "y = 1\n")
    assert len(snapshot.top_level) == num_before + 2
    assert len(tried_at) == 2, "what can be followed is, at every key"


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


def test_a_text_that_stays_broken_is_read_to_its_end_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_lsp.documents.document.MOST_GIVEN_UP", 4)
    text = "def f(a):\n    return a\n\n\n" * 3000
    snapshot = Snapshot.unparsed("file:///a.py", BY_ID["python"], text)
    assert snapshot.tree
    snapshot = snapshot.replaced(0, 0, "x = function(\n")
    has_error = []
    for _ in range(6):
        has_error.append(snapshot.tree.root_node.has_error)
        snapshot = snapshot.replaced(5, 6, "")
    assert has_error == [False] * 4 + [True, True]
