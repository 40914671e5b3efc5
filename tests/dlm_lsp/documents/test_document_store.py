"""The server's text follows the client's, whatever lines and columns the client counts in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dlm_lsp.documents import document_store
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_store import DocumentStore, path_of
from dlm_lsp.documents.positions import LineIndex, PositionEncoding
from dlm_lsp.errors import DocumentNotOpenError, UnreadableDocumentError, UnsupportedLanguageError
from tests.dlm_lsp.documents.naive_lines import ENCODINGS, PIECES, TEXTS, naive_offset

URI = "file:///project/example.py"
POSITIONS = st.tuples(st.integers(0, 3), st.integers(0, 9))
EDITS = st.tuples(POSITIONS, POSITIONS, TEXTS).map(lambda edit: (min(edit[:2]), max(edit[:2]), edit[2]))


def _store(text: str, *, uri: str = URI, language_id: str = "python") -> DocumentStore:
    store = DocumentStore()
    store.open(types.TextDocumentItem(uri, language_id, 1, text))
    return store


def _change(store: DocumentStore, *changes: types.TextDocumentContentChangeEvent, uri: str = URI) -> None:
    store.change(types.VersionedTextDocumentIdentifier(2, uri), changes, "utf-16")


def _edit(start: tuple[int, int], end: tuple[int, int], text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(types.Range(types.Position(*start), types.Position(*end)), text)


@given(TEXTS, EDITS, st.sampled_from(ENCODINGS))
def test_any_edit_in_any_encoding_is_a_slice_of_the_text(
    text: str, edit: tuple[tuple[int, int], tuple[int, int], str], encoding: PositionEncoding
) -> None:
    start, end, new_text = edit
    store = _store(text)
    store.change(types.VersionedTextDocumentIdentifier(2, URI), [_edit(*edit)], encoding)
    snapshot = store.snapshot(URI)
    before, behind = text[: naive_offset(text, *start, encoding)], text[naive_offset(text, *end, encoding) :]
    assert snapshot.text == before + new_text + behind
    assert snapshot.version == 2


@given(TEXTS, st.lists(EDITS, min_size=2, max_size=5), st.booleans(), st.sampled_from(ENCODINGS))
def test_many_edits_at_once_come_to_what_they_do_one_after_the_other(
    text: str, edits: list[tuple[tuple[int, int], tuple[int, int], str]], is_upwards: bool, encoding: PositionEncoding
) -> None:
    if is_upwards:
        edits.sort(reverse=True)
    one_by_one, together = _store(text), _store(text)
    for version, edit in enumerate(edits, 2):
        one_by_one.change(types.VersionedTextDocumentIdentifier(version, URI), [_edit(*edit)], encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_store, "MANY_CHANGES", 2)
        identifier = types.VersionedTextDocumentIdentifier(len(edits) + 1, URI)
        together.change(identifier, [_edit(*edit) for edit in edits], encoding)
    snapshot, expected = (store.snapshot(URI) for store in (together, one_by_one))
    assert snapshot.text == expected.text
    assert snapshot.version == expected.version
    assert [snapshot.lines.line_start(line) for line in range(snapshot.lines.num_lines)] == [
        expected.lines.line_start(line) for line in range(expected.lines.num_lines)
    ]


@given(st.lists(PIECES, min_size=6, max_size=40).map("".join), st.sampled_from(ENCODINGS), st.data())
def test_edits_of_several_places_make_one_text(text: str, encoding: PositionEncoding, data: st.DataObject) -> None:
    places = [place for place in range(len(text) + 1) if text[place - 1 : place + 1] != "\r\n"]
    ends = sorted(data.draw(st.sets(st.sampled_from(places), min_size=4, max_size=8)))
    edits, expected, lines = [], text, LineIndex(text)
    for start, end in reversed(list(zip(ends[::2], ends[1::2], strict=False))):
        new_text = data.draw(TEXTS)
        edits.append(_edit(lines.position(start, encoding), lines.position(end, encoding), new_text))
        expected = expected[:start] + new_text + expected[end:]
    store = _store(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document_store, "MANY_CHANGES", 2)
        made = _texts_made(patch)
        store.change(types.VersionedTextDocumentIdentifier(2, URI), edits, encoding)
    assert store.snapshot(URI).text == expected
    assert len(made) == 1


def test_many_edits_of_a_long_document_make_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store("x = 1\n" * 2000)
    made = _texts_made(monkeypatch)
    _change(store, *(_edit((line, 0), (line, 1), "yy") for line in reversed(range(2000))))
    assert store.snapshot(URI).text == "yy = 1\n" * 2000
    assert len(made) == 1


def _texts_made(patch: pytest.MonkeyPatch) -> list[str]:
    """What is put in by each replacement from now on."""
    made: list[str] = []
    replaced = Snapshot.replaced

    def count(snapshot: Snapshot, start: int, end: int, new_text: str, version: int | None) -> Snapshot:
        made.append(new_text)
        return replaced(snapshot, start, end, new_text, version)

    patch.setattr(Snapshot, "replaced", count)
    return made


def test_a_change_without_edits_brings_its_version_and_costs_nothing() -> None:
    store = _store("x = 1\n")
    before = store.snapshot(URI)
    _change(store)
    after = store.snapshot(URI)
    assert (before.version, after.version) == (1, 2)
    assert (after.text, after.lazy_tree) == (before.text, before.lazy_tree)
    assert store.is_current(after)


def test_edits_of_one_change_build_on_each_other() -> None:
    store = _store("one\ntwo\n")
    _change(store, _edit((0, 0), (1, 0), ""), _edit((0, 3), (0, 3), "!"))
    assert store.snapshot(URI).text == "two!\n"


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x0b", "\x85", "\x1c"])
def test_only_lsp_line_breaks_break_lines(separator: str) -> None:
    store = _store(f"a = '{separator}'\nb = 2\n")
    _change(store, _edit((1, 4), (1, 5), "3"))
    assert store.snapshot(URI).text == f"a = '{separator}'\nb = 3\n"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((0, 99), (0, 99), "ab!\ncd"),
        ((9, 9), (99, 0), "ab\ncd!"),
        ((0, 1), (99, 99), "a!"),
        ((1, 2), (1, 0), "ab\n!"),
    ],
    ids=["past the line", "past the text", "end past the text", "backwards"],
)
def test_dirty_ranges_are_clamped(start: tuple[int, int], end: tuple[int, int], expected: str) -> None:
    store = _store("ab\ncd")
    _change(store, _edit(start, end, "!"))
    assert store.snapshot(URI).text == expected


def test_a_change_without_a_range_replaces_everything() -> None:
    store = _store("old")
    _change(store, types.TextDocumentContentChangeWholeDocument("new"))
    assert store.snapshot(URI).text == "new"


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    store = _store("a\ud83db")
    assert store.snapshot(URI).text == "a\ufffdb"
    _change(store, _edit((0, 3), (0, 3), "\udc00"))
    assert store.snapshot(URI).text == "a\ufffdb\ufffd"


def test_a_snapshot_is_not_changed_by_later_edits_but_known_to_be_old() -> None:
    store = _store("old")
    before = store.snapshot(URI)
    assert store.is_current(before)
    _change(store, types.TextDocumentContentChangeWholeDocument("new"))
    assert before.text == "old"
    assert not store.is_current(before)
    after = store.snapshot(URI)
    store.close(URI)
    assert not store.is_current(after)


@pytest.mark.parametrize(
    ("uri", "language_id", "text", "error"),
    [
        ("file:///a.md", "markdown", "x", UnsupportedLanguageError),
        ("untitled:Untitled-1", "plaintext", "x", UnsupportedLanguageError),
        ("file:///p/.env", "python", "x", UnreadableDocumentError),
        ("file:///p/large.py", "python", "x" * 1001, UnreadableDocumentError),
    ],
)
def test_a_refused_document_keeps_its_reason_and_ignores_edits(
    monkeypatch: pytest.MonkeyPatch, uri: str, language_id: str, text: str, error: type[Exception]
) -> None:
    monkeypatch.setattr("dlm_lsp.documents.document_store.LARGEST_DOCUMENT_CHARS", 1000)
    store = _store(text, uri=uri, language_id=language_id)
    _change(store, _edit((0, 0), (0, 1), "y"), uri=uri)
    with pytest.raises(error):
        store.snapshot(uri)


@pytest.fixture
def at_most_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_lsp.documents.document_store.LARGEST_DOCUMENT_CHARS", 10)


@pytest.mark.usefixtures("at_most_ten")
def test_a_document_that_was_too_large_is_served_again_once_the_whole_of_it_is_sent() -> None:
    store = _store("x" * 11)
    _change(store, _edit((0, 0), (0, 11), ""))  # of a text that is not held
    with pytest.raises(UnreadableDocumentError, match=r"11 characters; .*open it again"):
        store.snapshot(URI)
    _change(store, types.TextDocumentContentChangeWholeDocument("x" * 12))
    with pytest.raises(UnreadableDocumentError, match="12 characters"):
        store.snapshot(URI)
    _change(store, types.TextDocumentContentChangeWholeDocument("x = 1"), _edit((0, 4), (0, 5), "2"))
    assert store.snapshot(URI).text == "x = 2"


@pytest.mark.usefixtures("at_most_ten")
def test_a_document_that_grows_too_large_is_refused_from_then_on() -> None:
    store = _store("x" * 10)
    _change(store, _edit((0, 0), (0, 0), "yy"), _edit((0, 0), (0, 2), ""))
    with pytest.raises(UnreadableDocumentError, match="12 characters"):
        store.snapshot(URI)
    assert store.snapshots() == ()


def test_a_closed_document_is_forgotten() -> None:
    store = _store("x")
    store.close(URI)
    store.close(URI)
    _change(store, _edit((0, 0), (0, 0), "y"))
    with pytest.raises(DocumentNotOpenError, match="is not open"):
        store.snapshot(URI)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///p/a%20b.py", "/p/a b.py"),
        ("untitled:Untitled-1", None),
        ("vscode-notebook-cell:/p/a.ipynb#X1", None),
        ("not a uri", None),
        ("file://", None),
    ],
)
def test_only_file_uris_have_a_path(uri: str, path: str | None) -> None:
    assert path_of(uri) == path


def test_a_refusal_remembers_none_of_those_who_asked() -> None:
    store = _store("SECRET=1", uri="file:///project/.env")
    depths = []
    for _ in range(3):
        with pytest.raises(UnreadableDocumentError) as refusal:
            store.snapshot("file:///project/.env")
        depths.append(len(refusal.traceback))
    assert len(set(depths)) == 1
