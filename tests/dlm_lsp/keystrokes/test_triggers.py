"""When there is no automatic completion, and which kind of edit a notification brings."""

import pytest
from lsprotocol import types

from dlm_lsp.keystrokes.triggers import LastEdit, edit_of, silence_reason
from tests.dlm_lsp.snapshots import snapshot_of


def _change(start: tuple[int, int], end: tuple[int, int], text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(types.Range(types.Position(*start), types.Position(*end)), text)


def test_typing_deleting_and_several_cursors_are_distinguished() -> None:
    after = snapshot_of("python", "ab\n😀cd\n")
    typed = [_change((1, 2), (1, 2), "c")]
    assert edit_of(typed, after, "utf-16") == LastEdit("insertion", 5)
    assert edit_of([_change((0, 1), (0, 9), "")], after, "utf-16") == LastEdit("deletion", 1)
    several = [_change((1, 2), (1, 2), "c"), _change((0, 0), (0, 0), "c")]
    assert edit_of(several, after, "utf-16") == LastEdit("several cursors", 1)
    apart = [_change((1, 2), (1, 2), "c"), _change((0, 0), (0, 0), "a")]
    assert edit_of(apart, after, "utf-16") == LastEdit("insertion", 1)


def test_fast_typing_in_one_message_is_no_second_cursor() -> None:
    twice = [_change((0, 0), (0, 0), "a"), _change((0, 1), (0, 1), "a")]
    assert edit_of(twice, snapshot_of("python", "aa"), "utf-16") == LastEdit("insertion", 2)
    keys = [_change((0, 1), (0, 1), "("), _change((0, 1), (0, 2), ""), _change((0, 1), (0, 1), "(")]
    assert edit_of(keys, snapshot_of("python", "x("), "utf-16") == LastEdit("insertion", 2)


def test_a_whole_document_says_nothing_of_the_edit() -> None:
    assert edit_of([types.TextDocumentContentChangeWholeDocument("x")], snapshot_of("python", "x"), "utf-8") is None
    assert edit_of([], snapshot_of("python", "x"), "utf-8") is None


@pytest.mark.parametrize(
    ("text", "cursor", "edit", "reason"),
    [
        ("x = foobar", 7, None, "in the middle of a word"),
        ("x = foo_bar", 7, None, "in the middle of a word"),
        ("x = foo(bar)", 7, None, None),
        ("x = foo", 7, LastEdit("insertion", 7), None),
        ("x = foo", 7, LastEdit("deletion", 7), "after a deletion"),
        ("x = foo", 7, LastEdit("deletion", 3), None),
        ("x = foo", 7, LastEdit("several cursors", 7), "with several cursors"),
    ],
)
def test_silence_has_a_reason(text: str, cursor: int, edit: LastEdit | None, reason: str | None) -> None:
    said = silence_reason(snapshot_of("python", text), cursor, edit)
    assert (said is None) if reason is None else (said is not None and said.endswith(reason))


@pytest.mark.parametrize(
    ("language_id", "automatic", "reason"),
    [
        ("yaml", None, "no automatic completions in yaml (automatic)"),
        ("yaml", True, None),
        ("lua", None, None),
        ("lua", False, "no automatic completions (automatic)"),
    ],
)
def test_data_is_filled_by_itself_only_if_that_is_wanted(
    language_id: str, automatic: bool | None, reason: str | None
) -> None:
    assert silence_reason(snapshot_of(language_id, "a: "), 3, None, automatic=automatic) == reason
