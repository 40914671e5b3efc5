"""From typed text to a goal: accepting leads there whatever the editor closes by itself, and nothing is doubled."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_lsp.keystrokes.goal import agreed_part, next_step
from tests.dlm_lsp.typist import CLOSED, CODE, SHIFTS, alike, type_along


def _accepted(goal: str, typed: str, behind: str) -> str:
    """The text after everything shown has been accepted, with the cursor moved below every finished line."""
    while (step := next_step(goal, typed, behind)) or behind.startswith("\n"):
        if step:
            typed, behind = typed + step.text, behind[step.num_replaced :]
        if below := re.match(r"\n[^\n]*", behind):
            typed, behind = typed + below.group(), behind[below.end() :]
    return typed + behind


def _solid(text: str) -> str:
    return re.sub(r"\s", "", text)


def _without_trailing_blanks(text: str) -> str:
    return re.sub(r" +\n", "\n", alike(text)).rstrip()


@given(CODE, CLOSED, st.just(0) | SHIFTS)
def test_accepting_at_any_point_leads_to_the_goal(goal: str, closes: frozenset[str], shift: int) -> None:
    for typed, behind in type_along(goal, closes, shift):
        step = next_step(goal, typed, behind)
        lacking = _solid(goal).removeprefix(_solid(typed))
        if not step and "\n" in behind:
            on_line, below = re.match(r"(.*)\n *(.*)", behind).groups()
            # The goal may have text between two closers that stand side by side below the cursor.
            assert len(below) > 1 or lacking.startswith(_solid(on_line + below))
        elif not step:
            assert lacking in ("", behind)
        elif "\n" in behind:
            assert _without_trailing_blanks(_accepted(goal, typed, behind)) == _without_trailing_blanks(goal)
            assert "\n" not in behind[: step.num_replaced]
        else:
            accepted = typed + step.text + behind[step.num_replaced :]
            assert alike(accepted) == alike(goal)


@given(CODE, CODE, CLOSED, st.text(alphabet=" \n)]}\"'`a", max_size=4))
def test_where_the_document_left_the_way_nothing_is_changed_but_by_insertion(
    goal: str, other: str, closes: frozenset[str], behind: str
) -> None:
    for typed, _ in type_along(other, closes):
        if step := next_step(goal, typed, behind):
            after = typed + step.text + behind[step.num_replaced :]
            assert after.startswith(typed)
            rest = iter(after[len(typed) :])
            assert all(character in rest for character in behind.replace(" ", ""))


@pytest.mark.parametrize(
    ("goal", "typed", "behind", "text", "num_replaced"),
    [
        ("f(x) + 1", "f(", ")", "x) + 1", 1),
        ('d["key"] = 1', 'd["', '"]', 'key"] = 1', 2),
        ('"""Say so."""\nx', '"""', '"""', 'Say so."""\nx', 3),
        ("return (a)", "return (", ")  ", "a)", 3),
        ("{\n  a\n}", "{\n  ", "\n}", "a", 0),
        ("f({\n  a\n})", "f({\n  ", "\n})", "a", 0),
        ("if {\n  a\n} else {\n  b\n}", "if {\n  ", "\n}", "a\n} else {\n  b", 0),
        ("if {\n  a\n}\nb", "if {\n  ", "\n}", "a", 0),
        ("{\r\n  g(a)\r\n}", "{\r\n  g(", ")\r\n}", "a)", 1),
        ("x {\n  y {\n    a\n  }\n  b\n}\nc", "x {\n  y {\n    ", "\n  }\n}", "a", 0),
        ("x {\n  a\n}\nb", "x {\n  ", "\n  }", "a", 0),
        ("x {\n  a\n}\nb", "x {\n  a\n  }", "", "\nb", 0),
        ("f(\n    a,\n)", "f(\n    ", "\n    )", "a,", 0),
        ("f(\r\n    a,\r\n)", "f(\r\n    ", "\r\n\t)", "a,", 0),
        ("x {\n  y {\n    a\n  }\n  b\n}\nc", "x {\n  ", "\n  }", "y {\n    a\n  }\n  b", 0),
        ("f(\n    a,\n)", "f(\n    a,\n    ", "", ")", 0),
        ("f(\n    a,\n    )", "f(\n    a,\n", "", "    )", 0),
        ('x {\n  "{"\n  a\n}\nb', "x {\n  ", "\n  }", '"{"\n  a', 0),
    ],
    ids=[
        *("bracket", "several", "quotes", "blanks of the hole", "block", "call with a block", "up to the last closer"),
        *("up to the closer", "both, and CRLF", "block in a block", "indented deeper", "indented deeper and passed"),
        *("call indented deeper", "tab, and CRLF", "indented like a block in the block"),
        *("blanks beyond the closer", "blanks still to come", "opener in a string"),
    ],
)
def test_closers_after_the_cursor_are_allowed_for(
    goal: str, typed: str, behind: str, text: str, num_replaced: int
) -> None:
    assert next_step(goal, typed, behind) == (text, num_replaced)


@pytest.mark.parametrize(
    ("goal", "typed", "behind"),
    [
        ("f(x)", "g(", ")"),
        ("f(x", "f(", ")"),
        ("f(x)", "f(", "]"),
        ("f(x)", "f(", "x)"),
        ("f(x)", "f(x", ")"),
        ("f(x)", "f(x)", ""),
        ("{\n  a\n}\nb", "{\n  a", "\n}"),
        ("{\n  a}", "{\n  ", "\n}"),
        ("x {\n  a\n}", "x {\n  ", "\n  }\n}"),
        ("x {\n  a\n}", "x {\n a", "\n}"),
        ("f(\n    a,\n    b\n)", "f(\n    a,\n        ", ""),
        ("f(\n    a,\n)", "f(\n    a,\n\n", ""),
        ('"""\n  a\n"""', '"""\n  ', '\n  """'),
    ],
    ids=[
        *("other text", "nothing closes", "another bracket", "text behind", "all but the closer", "all"),
        *(
            "all of the block",
            "closed elsewhere",
            "one block too many",
            "text indented otherwise",
            "blanks beyond text",
            "an empty line more",
            "quotes indented otherwise",
        ),
    ],
)
def test_elsewhere_there_is_no_step(goal: str, typed: str, behind: str) -> None:
    assert next_step(goal, typed, behind) is None


@given(CODE, CLOSED, st.just(0) | SHIFTS)
def test_a_goal_agrees_with_all_that_is_typed_along_with_it(goal: str, closes: frozenset[str], shift: int) -> None:
    for typed, behind in type_along(goal, closes, shift):
        agreed = agreed_part(goal, typed + behind)
        assert agreed is not None
        assert agreed.startswith(typed)


@pytest.mark.parametrize("content", ["q", "f(x)) + q", "f(x q)"])
def test_a_goal_does_not_agree_with_anything_else(content: str) -> None:
    assert agreed_part("f(x) + 1", content) is None
