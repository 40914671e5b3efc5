"""Two rules of what closes what agree on whole code, and differ where brackets are missing."""

import pytest

from dlm_lsp.languages.brackets import growth, left_open, left_open_of_kind, num_unmatched, scan


@pytest.mark.parametrize(
    ("code", "open_by_turn", "open_of_kind"),
    [
        ("f([a], {b: c})", "", ""),
        ("a[i { (", "[{(", "[{("),
        ("{ ( }", "{", ""),
        ("( ]", "", "("),
        ("} ( {", "({", "({"),
        ("( }", "", "("),
    ],
)
def test_what_is_left_open(code: str, open_by_turn: str, open_of_kind: str) -> None:
    assert "".join(bracket for bracket, _ in left_open(code)) == open_by_turn
    assert "".join(bracket for bracket, _ in left_open_of_kind(code)) == open_of_kind
    assert all(code[start] == bracket for bracket, start in (*left_open(code), *left_open_of_kind(code)))


@pytest.mark.parametrize(
    ("code", "openers", "expected"),
    [(")](", "([{", (1, 2)), ("(]", "([{", (0, 0)), ("(]", "(", (1, 0)), ("{(]}", "{", (0, 0)), ("]}{", "{", (1, 1))],
)
def test_what_is_unmatched_among_some_kinds(code: str, openers: str, expected: tuple[int, int]) -> None:
    num_open, num_closed = num_unmatched(code, openers)
    assert (num_open, num_closed) == expected
    assert growth(code, openers) == num_open - num_closed


def test_a_scan_tells_what_each_bracket_closes() -> None:
    assert list(scan("(a[0])}")) == [("(", 0, -1), ("[", 2, -1), ("]", 4, 2), (")", 5, 0), ("}", 6, -1)]
