"""Where the text for a hole may end: rows of (document with the cursor at │, text, whether it may end so)."""

import pytest

from dlm_lsp.fitting.hole_ending import HoleEnding
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.languages import language_for
from tests.dlm_lsp.snapshots import snapshot_of

BODY, GAP, LINE = "def f(x):\n    │\n", "def f(x):\n    │\n    return x\n", "x = f(│\ny = 2\n"


def ending_at(language_id: str, text: str) -> HoleEnding:
    before, after = text.split("│")
    snapshot = snapshot_of(language_id, before + after)
    return HoleEnding(find_hole(snapshot, len(before)))


@pytest.mark.parametrize(
    ("language_id", "document", "text", "may_end"),
    [
        ("python", BODY, "return x", True),
        ("python", BODY, "return x +", False),
        ("python", BODY, "y = [x for", False),
        ("python", BODY, "if x:", False),
        ("python", BODY, "if x:\n        return", True),
        ("python", BODY, "y = x\n    return y.", False),
        ("python", BODY, '"""What', False),
        ("python", BODY, "", True),
        ("python", GAP, "for i in x:\n        x.append(", False),
        ("python", GAP, "x = 1\n    y = (", True),
        ("python", GAP, "return x", True),
        ("python", LINE, "1, 2", False),
        ("python", LINE, "1, 2)", True),
        ("python", "if (:\n    y = │\n", "x", True),
        ("javascript", "function f(x) {\n  │\n}\n", "if (x) {", False),
        ("javascript", "function f(x) {\n  │\n}\n", "return x;", True),
        ("go", "func f() {\n\t│\n}\n", "a(", False),
    ],
)
def test_a_text_may_end_where_it_parses(language_id: str, document: str, text: str, may_end: bool) -> None:
    assert ending_at(language_id, document).may_end(text) is may_end


def test_within_a_line_the_model_says_where_it_ends() -> None:
    assert not ending_at("python", LINE).is_over("1)\ny = 2\nz = 3\n")
    assert ending_at("python", GAP).is_over("y = 2\n")


@pytest.mark.parametrize("document", [BODY, GAP, LINE])
def test_what_loops_is_over_wherever_it_stands(document: str) -> None:
    ending, looping = ending_at("python", document), "a" + ".same_word" * 5
    assert ending.is_over(looping)
    assert not ending.is_over(looping[:-1])
    assert not ending.is_over(f"{looping}()")


@pytest.mark.parametrize("language_id", ["python", "javascript"])
def test_no_text_goes_on_in_another_file(language_id: str) -> None:
    language = language_for(None, language_id)
    mark, name = language.line_comment, f"g{language.suffixes[0]}"
    ending = ending_at(language_id, "│\nx = 1\n")
    assert ending.is_over(f"y = 2\n\n{mark} {name}:\n{mark}")
    assert not ending.is_over(f"y = 2\n\n{mark} {name}: y\n{mark}")


def test_a_comma_behind_which_nothing_stands_yet_hides_no_end_of_data() -> None:
    ending = ending_at("json", '{\n  "a": 1,\n  │\n}\n')
    assert [ending.is_over(text) for text in ('"b": 2\n', '"b": 2\n}')] == [False, True]
    assert not ending_at("json", "[\n  [1,\n  │\n").is_over("2\n]")
