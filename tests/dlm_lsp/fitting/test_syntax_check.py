"""The places where drafts break a document, on trees small enough to check by eye."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.syntax_check import DraftChecker
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.named_holes import find_function, range_hole
from dlm_lsp.languages import language_for
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
