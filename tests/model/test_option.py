"""Options as their fields declare them, and the values that they accept."""

from dataclasses import dataclass
from typing import Literal

import pytest

from dlm_model.option import Range, option, options_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    count: int = option(3, "how many", within=Range(1, 8), aliases=("n",))
    share: float | None = option(None, "how much", within=Range(0, 1, excludes_low=True))
    heat: float = option(0.0, "how hot", within=Range(0.5, 2, includes_zero=True))
    order: Literal["up", "down"] | None = option("up", "where to")
    names: tuple[str, ...] = option((), "who")
    is_on: bool = option(True, "whether")
    path: str = option("", "where")
    hidden: int = 0


OPTIONS = options_of(Dials)


def test_a_declaration_is_a_default_and_tells_the_rest() -> None:
    assert Dials(share=0.5).share == 0.5
    assert Dials().count == OPTIONS["count"].default == 3
    assert list(OPTIONS) == ["count", "share", "heat", "order", "names", "is_on", "path"]
    assert (OPTIONS["count"].aliases, OPTIONS["count"].meaning) == (("n",), "how many")
    assert [each.kind for each in OPTIONS.values()] == [int, float, float, str, tuple, bool, str]
    assert [name for name, each in OPTIONS.items() if each.is_optional] == ["share", "order"]
    assert OPTIONS["order"].choices == ("up", "down")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", (1, 8)),
        ("share", (None, 1, 0.001)),
        ("heat", (0, 0.0, 0.5, 2)),
        ("order", (None, "down")),
        ("names", ((), ["a"], ("a", "b"))),
        ("is_on", (False,)),
        ("path", ("", "a")),
    ],
)
def test_what_is_taken(name: str, values: tuple[object, ...]) -> None:
    assert [value for value in values if OPTIONS[name].problem_with(value)] == []


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("count", 0, "from 1 to 8"),
        ("count", 2.0, "a whole number"),
        ("count", True, "a whole number"),
        ("count", None, "a whole number"),
        ("share", 0, "in (0, 1]"),
        ("share", float("nan"), "in (0, 1]"),
        ("heat", 0.2, "0, or from 0.5 to 2"),
        ("heat", "hot", "a number"),
        ("order", "left", "one of up, down"),
        ("order", {}, "one of up, down"),
        ("names", "a", "a list of texts"),
        ("names", ["a", 3], "a list of texts"),
        ("is_on", 1, "true or false"),
        ("path", 1, "a text"),
    ],
)
def test_what_is_refused(name: str, value: object, accepted: str) -> None:
    assert OPTIONS[name].problem_with(value) == f"must be {accepted}, got {value!r}"


@pytest.mark.parametrize(
    ("numbers", "words"), [(Range(), "0 or more"), (Range(1), "1 or more"), (Range(excludes_low=True), "above 0")]
)
def test_an_open_range_ends_before_infinity(numbers: Range, words: str) -> None:
    assert str(numbers) == words
    assert 1e300 in numbers
    assert float("inf") not in numbers
