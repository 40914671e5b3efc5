"""Fills between the methods of a class: what may begin one, and the blank lines around it."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from tests.dlm_lsp.filled_documents import fill_at_cursor
from tests.dlm_lsp.snapshots import snapshot_of

PUSH = "class Stack:\n    def push(self, item):\n        self.items.append(item)\n"
SIZE = "    def size(self):\n        return len(self.items)\n"
POP = "def pop(self):\n        return self.items.pop()"
GAPS = ["│\n", "    │\n", "\n│\n\n", "\n    │\n\n"]


def first_words(text: str) -> tuple[str, ...]:
    before, after = text.split("│")
    snapshot = snapshot_of("python", before + after)
    return HoleEnding(find_hole(snapshot, len(before))).first_words


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize(
    "middle", ["self.items.append(item)", "    self.items.append(item)\n", "return 1", "for a in b:"]
)
def test_a_statement_of_a_body_is_no_member(gap: str, middle: str) -> None:
    assert not fill_at_cursor("python", PUSH + gap + SIZE, middle)[1].text


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("member", [POP, f"@property\n    {POP}", "top = property(pop)", "count: int", "# The rest."])
def test_a_member_is(gap: str, member: str) -> None:
    result, fill = fill_at_cursor("python", PUSH + gap + SIZE, member)
    assert member in result
    assert fill.parse_valid


@pytest.mark.parametrize(
    "member", ["a, b = 1, 2", "push.short = 1", "register(push)", "for a in b:\n        pass", POP]
)
def test_anything_may_follow_the_last_method(member: str) -> None:
    result, fill = fill_at_cursor("python", f"{PUSH}\n    │\n", member)
    assert (result, fill.parse_valid) == (f"{PUSH}\n    {member}\n", True)


@pytest.mark.parametrize("gap", ["│\n", "\n│\n\n", "\n    │\n\n"])
def test_blank_lines_stay_between_definitions(gap: str) -> None:
    expected = f"{PUSH}\n    {POP}\n\n{SIZE}"
    assert fill_at_cursor("python", PUSH + gap + SIZE, POP)[0] == expected
    assert fill_at_cursor("python", PUSH + gap + SIZE, f"    {POP}\n\n")[0] == expected


def test_a_blank_line_stays_below_where_the_cursor_is_indented() -> None:
    assert fill_at_cursor("python", f"{PUSH}    │\n{SIZE}", POP)[0] == f"{PUSH}    {POP}\n\n{SIZE}"
    assert fill_at_cursor("python", "def a():\n    b()\n│\ndef d():\n    e()\n", "c()")[0].count("\n\n") == 2


@pytest.mark.parametrize("gap", GAPS)
def test_a_method_begins_with_its_word(gap: str) -> None:
    assert first_words(PUSH + gap + SIZE) == ("async", "def")


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    │\n\n    def b(self): ...\n",
        "class A:\n    x = 1\n    │\n\n    def b(self): ...\n",
        "class A:\n    def b(self): ...\n\n    │\n\n    x = 1\n",
        f"{PUSH}\n    │\n",
        f"{PUSH}\n    @property\n{SIZE}\n    │\n\n{SIZE}",
        "def a():\n    b()\n\n\n│\n\n\ndef c():\n    d()\n",
        "def a():\n    def b(): ...\n\n    │\n\n    def c(): ...\n",
    ],
    ids=["first", "below-a-field", "above-a-field", "last", "decorated", "top-level", "in-a-function"],
)
def test_elsewhere_a_member_begins_as_it_likes(text: str) -> None:
    assert first_words(text) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{PUSH}\n    @│\n", "property"),
        (f"{PUSH}\n    @│\n\n    x = 1\n", "staticmethod"),
        ("@│\n\n", "dataclass(frozen=True)"),
        ("@dataclass(│)\n", "frozen=True"),
        (f"{PUSH}\n    @│\n{SIZE}", "property"),
        ("x = (a\n    @ │)\n", "b"),
    ],
)
def test_a_decorator_may_be_written_before_what_it_decorates(text: str, name: str) -> None:
    result, fill = fill_at_cursor("python", text, name)
    assert (result, fill.parse_valid) == (text.replace("│", name), True)
    assert not fill_at_cursor("python", text, f"{name}(")[1].parse_valid
