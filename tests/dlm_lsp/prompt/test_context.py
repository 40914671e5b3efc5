"""The prompt of the model; a token is a character here, so that budgets can be read off the text."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import range_hole
from dlm_lsp.languages import language_for
from dlm_lsp.prompt.context import EXPECTED_TOKENS, build_plain_request, build_request
from dlm_model.request import INITIAL_TOKENS, InfillRequest
from dlm_model.training.examples import CANVAS_LENGTHS
from tests.dlm_lsp.snapshots import snapshot_of

PYTHON = language_for("a.py", None)

LONG_CLASS = '''import os
from sys import path

UNUSED = "................................................................................................"


class Store:
    """Kept things."""

    def other(self):
        return 0

    @cached
    def find(
        self, key
    ):
        """Look a key up."""
        first = 1
        second = 2
        third = 3
        │
        return third

    def last(self):
        return 9
'''


def request_at_cursor(text: str, max_prompt_tokens: int, language_id: str = "python") -> InfillRequest:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    hole = find_hole(snapshot, len(before))
    return build_request(hole, max_prompt_tokens=max_prompt_tokens, count_tokens=len)


def test_a_document_that_fits_is_sent_whole_and_uncounted() -> None:
    before, after = LONG_CLASS.split("│")
    snapshot = Snapshot.parse("file:///a.py", PYTHON, before + after)
    request = build_request(
        find_hole(snapshot, len(before)),
        max_prompt_tokens=2000,
        count_tokens=lambda _: pytest.fail("counted"),
    )
    assert (request.prefix, request.suffix) == (before, after)


@pytest.mark.parametrize(
    ("text", "single_line", "expected_tokens"),
    [
        ("x = │\n", True, 16),
        ("x = 1\n│\n", False, 48),
        ("x = 1\n│\ny = 2\n", False, 24),
        ("def f():\n    │\n", False, 64),
    ],
)
def test_the_kind_of_hole_tells_the_length(text: str, single_line: bool, expected_tokens: int) -> None:
    request = request_at_cursor(text, 100)
    assert (request.single_line, request.expected_tokens) == (single_line, expected_tokens)


@pytest.mark.parametrize("budget", [20, 500])
@pytest.mark.parametrize(
    ("language_id", "text", "prefix_end", "suffix_start"),
    [
        ("python", "def f(x):│\n", "def f(x):\n    ", "\n"),
        ("python", "def f(x):\n│\n", "def f(x):\n    ", "\n"),
        ("javascript", "function f() {│}\n", "{\n  ", "\n}\n"),
        ("javascript", "function f() {\n│}\n", "{\n  ", "\n}\n"),
    ],
)
def test_the_model_begins_with_its_first_word(
    language_id: str, text: str, prefix_end: str, suffix_start: str, budget: int
) -> None:
    request = request_at_cursor(text, budget, language_id)
    assert request.prefix.endswith(prefix_end)
    assert request.suffix.startswith(suffix_start)
    assert len(request.prefix) + len(request.suffix) <= budget


@pytest.mark.parametrize(
    ("text", "expected_tokens"),
    [
        ("x = 1⟦⟧\n", INITIAL_TOKENS),
        ("x = ⟦1⟧\n", 16),
        ("x = ⟦" + "1" * 40 + "⟧\n", 50),
        ("⟦x = 1⟧\ny = 2\n", 24),
        ("⟦x = 1\ny = f(" + "1" * 27 + ")⟧\nz = 2\n", 50),
        ("f(⟦1,\n  2⟧)\n", 8),
    ],
)
def test_what_stood_in_a_hole_tells_the_length(text: str, expected_tokens: int) -> None:
    before, named, after = re.split("[⟦⟧]", text)
    snapshot = Snapshot.parse("file:///a.py", PYTHON, before + named + after)
    hole = range_hole(snapshot, len(before), len(before + named))
    assert build_request(hole, max_prompt_tokens=99, count_tokens=len).expected_tokens == expected_tokens


def test_no_more_of_a_huge_hole_is_counted_than_a_prompt_may_have() -> None:
    text, counted = "x = 1\n" * 10_000, [0]

    def count(line: str) -> int:
        counted.append(len(line))
        return len(line)

    snapshot = Snapshot.parse("file:///a.py", PYTHON, text)
    request = build_request(range_hole(snapshot, 0, len(text)), max_prompt_tokens=100, count_tokens=count)
    assert 100 < max(counted) < 5000
    assert request.expected_tokens > 100


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
@pytest.mark.parametrize("budget", [30, 500])
def test_lines_end_in_line_feeds(ending: str, budget: int) -> None:
    text = "def f(x):\n    a = x\n    │\n    return a\n".replace("\n", ending)
    request = request_at_cursor(text, budget)
    assert "\r" not in request.prefix + request.suffix
    assert request.prefix.endswith("\n    ")
    assert request.suffix.startswith("\n")


def test_signature_docstring_and_class_stay_when_the_middle_is_dropped() -> None:
    request = request_at_cursor(LONG_CLASS, 168)
    assert request.prefix == (
        "class Store:\n    @cached\n    def find(\n        self, key\n    ):\n"
        '        """Look a key up."""\n        second = 2\n        third = 3\n        '
    )
    assert request.suffix == "\n        return third\n\n"


def test_imports_come_before_the_rest_of_what_is_above_the_scope() -> None:
    request = request_at_cursor(LONG_CLASS, 400)
    assert request.prefix.startswith("import os\nfrom sys import path\n")
    assert "UNUSED" not in request.prefix


def test_signatures_are_kept_before_docstrings() -> None:
    text = 'def f(a):\n    """' + "Long. " * 20 + '"""\n' + "    x = 1\n" * 20 + "    │\n"
    request = request_at_cursor(text, 60)
    assert request.prefix.startswith("def f(a):\n    x = 1\n")


def test_a_docstring_that_fits_is_kept_whole_whatever_it_leaves() -> None:
    docstring = '    """Doc.\n' + "    More of it.\n" * 9 + '    """\n'
    text = "def f(a):\n" + docstring + "    x = 1\n" * 40 + "    │\n"
    for budget in range(len("def f(a):\n" + docstring + "    \n"), 400, 20):
        assert request_at_cursor(text, budget).prefix.startswith("def f(a):\n" + docstring), budget


def test_a_docstring_longer_than_the_budget_leaves_room_for_code() -> None:
    text = 'def f(a):\n    """Doc.\n' + "    More of it.\n" * 40 + '    """\n' + "    x = 1\n" * 20 + "    │\n"
    request = request_at_cursor(text, 200)
    assert request.prefix.startswith('def f(a):\n    """Doc.\n    More of it.\n')
    assert request.prefix.count("x = 1") >= 5


def test_an_unused_share_goes_to_the_other_side() -> None:
    below = "│\n" + "y = 1\n" * 50
    assert len(request_at_cursor("x = 1\n" + below, 100).suffix) > 80
    above = "x = 1\n" * 50 + "│\n"
    assert len(request_at_cursor(above, 100).prefix) > 90


def test_the_prefix_gets_three_quarters() -> None:
    request = request_at_cursor("x = 1\n" * 100 + "│\n" + "y = 1\n" * 100, 200)
    assert 140 <= len(request.prefix) <= 156
    assert 40 <= len(request.suffix) <= 56


def test_a_line_longer_than_the_budget_is_cut_at_a_word() -> None:
    request = request_at_cursor("values = [" + "number, " * 100 + "│" + "number, " * 100 + "]\n", 80)
    assert 0 < len(request.prefix) <= 60
    assert request.prefix.startswith(("number", ","))
    assert request.suffix.startswith("number, ")
    assert len(request.prefix) + len(request.suffix) <= 80


def test_doc_comments_belong_to_the_definition_below_them() -> None:
    text = "fn a() {}\n" * 20 + "/// Finds it.\n#[inline]\nfn f() -> i32 {\n" + "    g();\n" * 20 + "    │\n}\n"
    request = request_at_cursor(text, 120, "rust")
    assert request.prefix.startswith("/// Finds it.\n#[inline]\nfn f() -> i32 {\n    g();\n")


def test_a_window_on_a_long_document_moves_rarely() -> None:
    above = "".join(f"def f{number}(a):\n    b = a * {number}\n    return b\n\n" for number in range(200))
    typed = "first = f1(2)\nsecond = f2(first)\n" * 12
    starts = [request_at_cursor(f"{above}{typed[:end]}│\n", 1200).prefix[:40] for end in range(len(typed))]
    assert sum(before != after for before, after in pairwise(starts)) <= 6, (
        "in 25 lines, which are twice as many tokens"
    )
    assert all(start.startswith("def f") for start in starts)


def test_counting_is_linear_in_the_lines_kept() -> None:
    counted: list[str] = []

    def count_tokens(text: str) -> int:
        counted.append(text)
        return len(text)

    text = "x = 1\n" * 20_000
    snapshot = Snapshot.parse("file:///a.py", PYTHON, text)
    request = build_request(
        Hole(snapshot, 60_000, 60_000, "statements"), max_prompt_tokens=600, count_tokens=count_tokens
    )
    assert len(counted) <= (request.prefix + request.suffix).count("\n") + 10
    assert max(map(len, counted)) <= 6


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(["import a", "def f(x):", "    y = x", "", "class A:", "    def m(self):", "é😀 = 1"]),
        max_size=30,
    ),
    st.integers(32, 300),  # a smaller budget would cut the line of the hole, or the indentation before it
    st.floats(0, 1),
)
def test_both_sides_fit_and_are_whole_lines_of_the_document(lines: list[str], budget: int, place: float) -> None:
    text = "\n".join(lines)
    snapshot = Snapshot.parse("file:///a.py", PYTHON, text)
    hole = find_hole(snapshot, round(place * len(text)))
    request = build_request(hole, max_prompt_tokens=budget, count_tokens=len)
    is_whole = len(text.encode()) <= budget
    assert is_whole or len(request.prefix) + len(request.suffix) <= budget
    assert set(request.prefix.split("\n")[:-1]) <= set(lines)
    assert text[hole.end :].startswith(request.suffix)


def test_plain_text_that_fits_is_sent_whole_and_uncounted() -> None:
    request = build_plain_request("a\r\nb", "c\rd", max_prompt_tokens=9, count_tokens=lambda _: pytest.fail("counted"))
    assert request == InfillRequest("a\nb", "c\nd")


def test_of_plain_text_the_nearest_lines_are_kept() -> None:
    above = "".join(f"line {number}\n" for number in range(50))
    request = build_plain_request(f"{above}half a", " line\n" + above, max_prompt_tokens=60, count_tokens=len)
    assert request == InfillRequest("line 46\nline 47\nline 48\nline 49\nhalf a", " line\nline 0\nline 1\n")


@settings(max_examples=50, deadline=None)
@given(
    st.text("a \n\r(é😀\ud800", max_size=80),
    st.text("a \n\r)é😀\ud800", max_size=80),
    st.integers(min_value=1, max_value=60),
)
def test_plain_text_always_fits(prefix: str, suffix: str, budget: int) -> None:
    request = build_plain_request(prefix, suffix, max_prompt_tokens=budget, count_tokens=len)
    assert len(request.prefix) + len(request.suffix) <= budget
    assert prefix.replace("\r\n", "\n").replace("\r", "\n").endswith(request.prefix)
    assert suffix.replace("\r\n", "\n").replace("\r", "\n").startswith(request.suffix)


def test_every_canvas_is_of_a_length_that_training_shows() -> None:
    assert {*EXPECTED_TOKENS.values(), INITIAL_TOKENS} == set(CANVAS_LENGTHS)
