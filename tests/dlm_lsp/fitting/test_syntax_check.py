"""The places where drafts break a document, on trees small enough to check by eye."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fills import Fill
from dlm_lsp.fitting import syntax_check
from dlm_lsp.fitting.syntax_check import DraftChecker, adds_no_error
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import find_function, range_hole
from dlm_lsp.languages import language_for
from dlm_lsp.languages.cells import PYTHON_CELL
from dlm_lsp.languages.python import PYTHON

FUNCTION = "def total(numbers):\n    pass\n\n\ndef after():\n    return 1\n"


def parsed(text: str, name: str = "a.py") -> Snapshot:
    return Snapshot.parse(f"untitled:{name}", language_for(name, None), text)


def body_errors(middle: str) -> list[str]:
    snapshot = parsed(FUNCTION)
    checker = DraftChecker(find_function(snapshot, "total"))
    return [middle[start:end] for start, end in checker.errors(middle)]


@pytest.mark.parametrize("middle", ["return 1", "total = 0\n    return total", "", "return 'é€😀'"])
def test_what_parses_has_no_errors(middle: str) -> None:
    assert body_errors(middle) == []


@pytest.mark.parametrize(
    ("middle", "broken"),
    [
        ("x = 1\n    y = é = = 2\n    return x", "="),
        ("x = 1\n    return sum numbers", "sum"),
        ("x = 1\n    foo(]\n    return x", "foo(]"),
        ("return 1 return 2", "return 1 return 2"),
        ("for x in y\n        pass\n    return 2", "for x in y\n        pass"),
    ],
)
def test_an_error_is_found_where_it_is(middle: str, broken: str) -> None:
    assert body_errors(middle) == [broken]


def test_what_breaks_the_rest_of_the_document_is_the_fault_of_the_end() -> None:
    assert body_errors("return (") == ["return ("]


def test_errors_that_were_there_before_are_not_the_drafts() -> None:
    text = "x = = 3\n\n\ndef total(numbers):\n    pass\n"
    snapshot = parsed(text)
    assert DraftChecker(find_function(snapshot, "total")).errors("return 1") == ()


def test_statements_are_judged_on_the_line_that_they_will_stand_on() -> None:
    snapshot = Snapshot.parse("untitled:a.py", PYTHON, "def total(numbers):\n\n")
    hole: Hole = find_hole(snapshot, len("def total(numbers):\n"))
    assert DraftChecker(hole).errors("return sum(numbers)") == ()
    assert DraftChecker(hole).errors("return sum numbers")


def test_other_languages_are_judged_by_their_own_grammar() -> None:
    text = "function total(numbers) {\n  return 0;\n}\n"
    snapshot = parsed(text, "a.js")
    hole = range_hole(snapshot, text.index("return"), text.index("\n}"))
    checker = DraftChecker(hole)
    assert checker.errors("return numbers.length;") == ()
    assert checker.errors("return numbers length;")


def adds_none(text: str, middle: str, name: str = "a.py") -> bool:
    """Whether a middle adds no error where a document has a `|`."""
    before, after = text.split("|")
    hole = find_hole(parsed(before + after, name), len(before))
    return adds_no_error(hole, Fill(middle, hole.start, hole.end, parse_valid=True))


BLOCK = "def shown(xs):\n    found = []\n    |\n    return found\n"


@pytest.mark.parametrize(
    ("middle", "is_right"),
    [
        ("found.append(xs)", True),
        ("for x in xs:\n        found.append(x)", True),
        (r"print('\d')", True),
        ("for x in xs:", False),
        ("    found.append(xs)", False),
        ("else:\n        pass", False),
        ("print('\0')", False),
    ],
)
def test_python_itself_has_the_last_word(middle: str, is_right: bool) -> None:
    """The grammar takes a header without a block, a line that is too deep, and an escape that only warns."""
    assert adds_none(BLOCK, middle) == is_right


def test_a_command_of_a_notebook_is_no_error() -> None:
    def adds_none_in_cell(text: str, middle: str) -> bool:
        before, after = text.split("|")
        snapshot = Snapshot.parse("untitled:cell", PYTHON_CELL, before + after)
        hole = find_hole(snapshot, len(before))
        return adds_no_error(hole, Fill(middle, hole.start, hole.end, parse_valid=True))

    assert adds_none_in_cell("x = 1\n|\n", "%timeit x")
    assert not adds_none_in_cell("%matplotlib inline\n" + BLOCK, "for x in xs:")


def test_a_very_long_document_is_judged_by_its_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax_check, "_MOST_CHARACTERS", len(BLOCK))
    assert adds_none(BLOCK + "\n# and on", "for x in xs:")


def test_where_a_document_is_broken_elsewhere_its_tree_has_the_last_word() -> None:
    broken = BLOCK + "\n\nfor x in xs:\n"
    assert adds_none(broken, "for x in xs:")
    assert not adds_none(broken, "x = = 3")


def test_what_the_old_text_leaves_whole_the_new_one_must() -> None:
    text = "def shown(xs):\n    return xs\n"
    hole = range_hole(parsed(text), text.index("return"), text.index("\n", text.index("return")))
    assert adds_no_error(hole, Fill("return [*xs]", hole.start, hole.end, parse_valid=True))
    assert not adds_no_error(hole, Fill("while xs:", hole.start, hole.end, parse_valid=True))


def test_toml_takes_a_key_once() -> None:
    assert adds_none('name = "a"\n|\n', 'kind = "b"', "a.toml")
    assert not adds_none('name = "a"\n|\n', 'name = "b"', "a.toml")
