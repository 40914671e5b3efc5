"""The cache of fills: fills typed in part, deleted again, accepted in parts; any other document is a miss."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.positions import PositionEncoding
from dlm_lsp.fills import Fill
from dlm_lsp.ghost_text import ghost_item
from dlm_lsp.keystrokes.type_through import MAX_ANSWERS, MAX_CHARS, Answer, TypeThroughCache
from dlm_lsp.languages.python import PYTHON
from dlm_model.decode_options import DecodeOptions
from tests.dlm_lsp.typist import CLOSED, CODE, SHIFTS, alike, type_along

ONE, THREE = DecodeOptions(), DecodeOptions(num_candidates=3)
BEFORE, AFTER = "def f():\n    ", "\nx = 1\n"
URI = "file:///a.py"


def _snapshot(text: str, uri: str = URI) -> Snapshot:
    return Snapshot.unparsed(uri, PYTHON, text)


def _answer(*texts: str, before: str = BEFORE, gap: str = "", options: DecodeOptions = ONE) -> Answer:
    hole = len(before), len(before + gap)
    fills = tuple(Fill(text, *hole, parse_valid=True) for text in texts)
    return Answer.of(_snapshot(before + gap + AFTER), fills, options, "run")


def _found(cache: TypeThroughCache, left: str, right: str = AFTER, options: DecodeOptions = ONE) -> list[str]:
    served = cache.find(_snapshot(left + right), len(left), options)
    return [fill.text for fill in served.fills] if served else []


@pytest.fixture
def cache() -> TypeThroughCache:
    cache = TypeThroughCache()
    cache.put(_answer("y = 2\n    return y"))
    return cache


@pytest.mark.parametrize("num_typed", range(len("y = 2\n    return y")))
def test_whatever_part_was_typed_the_rest_is_known(cache: TypeThroughCache, num_typed: int) -> None:
    text = "y = 2\n    return y"
    for back_and_forth in (num_typed, 0, num_typed):
        assert _found(cache, BEFORE + text[:back_and_forth]) == [text[back_and_forth:]]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (BEFORE + "z", AFTER),
        (BEFORE + "y = 2\n    return y", AFTER),
        (BEFORE + "y", "\nx = 2\n"),
        (BEFORE + "y", "z" + AFTER),
        (BEFORE + "y", ")" + AFTER),
        ("def g():\n    y", AFTER),
        (BEFORE[:-1], AFTER),
    ],
    ids=[
        "typed otherwise",
        "all typed",
        "other suffix",
        "text between",
        "closed what nobody opens",
        "other prefix",
        "cursor before the hole",
    ],
)
def test_a_document_that_says_otherwise_is_a_miss(cache: TypeThroughCache, left: str, right: str) -> None:
    assert _found(cache, left, right) == []


def test_blanks_that_the_fill_replaces_stay_part_of_the_hole() -> None:
    cache = TypeThroughCache()
    cache.put(_answer("return 1", gap="  "))
    text = BEFORE + "ret" + "  " + AFTER
    served = cache.find(_snapshot(text), len(BEFORE + "ret"), ONE)
    assert served
    [fill] = served.fills
    assert text[: fill.start] + fill.text + text[fill.end :] == BEFORE + "return 1" + AFTER


@given(CODE, CLOSED, st.just(0) | SHIFTS, st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_whatever_the_editor_closes_accepting_the_item_leads_to_the_goal(
    goal: str, closes: frozenset[str], shift: int, encoding: PositionEncoding
) -> None:
    cache = TypeThroughCache()
    cache.put(_answer(goal))
    for typed, behind in type_along(goal, closes, shift):
        snapshot, cursor = _snapshot(BEFORE + typed + behind + AFTER), len(BEFORE + typed)
        served = cache.find(snapshot, cursor, ONE)
        item = ghost_item(snapshot, cursor, served.fills[0], encoding) if served else None
        assert bool(item) is bool(served)
        if item and item.range and "\n" not in behind:
            start, end = (
                snapshot.lines.offset(each.line, each.character, encoding)
                for each in (item.range.start, item.range.end)
            )
            accepted = snapshot.text[:start] + str(item.insert_text) + snapshot.text[end:]
            assert alike(accepted) == alike(BEFORE + goal + AFTER)


def test_alternatives_that_close_otherwise_drop_out() -> None:
    cache = TypeThroughCache()
    cache.put(_answer("f(x)", "f(x", "f(y)[z]", options=THREE))
    assert _found(cache, BEFORE + "f(", ")" + AFTER, THREE) == ["x)", "y)[z]"]


def test_alternatives_that_disagree_with_what_is_typed_drop_out() -> None:
    cache = TypeThroughCache()
    cache.put(_answer("return 1", "raise", "return 2", options=THREE))
    assert _found(cache, BEFORE + "re", options=THREE) == ["turn 1", "turn 2"]
    assert _found(cache, BEFORE + "r", options=ONE) == ["eturn 1"]


def test_one_candidate_does_not_serve_a_request_for_three(cache: TypeThroughCache) -> None:
    assert _found(cache, BEFORE, options=THREE) == []


def test_other_options_are_a_miss(cache: TypeThroughCache) -> None:
    assert _found(cache, BEFORE, options=replace(ONE, num_steps=7)) == []


def test_the_newest_answer_wins(cache: TypeThroughCache) -> None:
    cache.put(_answer("y = 3"))
    assert _found(cache, BEFORE + "y = ") == ["3"]
    assert _found(cache, BEFORE + "y = 2") == ["\n    return y"]


def test_a_document_is_forgotten_and_others_are_not(cache: TypeThroughCache) -> None:
    cache.forget("file:///b.py")
    assert _found(cache, BEFORE)
    assert cache.find(_snapshot(BEFORE + AFTER, "file:///b.py"), len(BEFORE), ONE) is None
    cache.forget(URI)
    assert _found(cache, BEFORE) == []


def test_the_least_recently_used_goes_first() -> None:
    cache = TypeThroughCache()
    for number in range(MAX_ANSWERS):
        cache.put(_answer("text", before=f"{number} "))
    assert _found(cache, "0 ") == ["text"]
    cache.put(_answer("text", before="one more "))
    assert _found(cache, "0 ") == ["text"]
    assert _found(cache, "1 ") == []


def test_memory_is_bounded_in_characters_too() -> None:
    cache = TypeThroughCache()
    for number in range(4):
        cache.put(_answer("x" * (MAX_CHARS // 3), before=f"{number} "))
    assert [bool(_found(cache, f"{number} ")) for number in range(4)] == [False, True, True, True]
