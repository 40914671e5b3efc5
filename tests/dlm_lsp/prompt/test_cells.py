"""The prompt of a cell: the cells around it stand there as if all were one file. A token is a character here."""

import pytest

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.languages import language_for
from dlm_lsp.languages.cells import PYTHON_CELL
from dlm_lsp.prompt.context import build_request
from dlm_model.request import InfillRequest

IMPORTS = "import numpy as np\n%matplotlib inline"
FILLER = "\n".join(f"filler_{number} = {number}" for number in range(40))
RADIUS = "radius = 2\n"
NEXT = "print(area)\n"


def _cell(text: str, number: int = 0) -> Snapshot:
    return Snapshot.parse(f"vscode-notebook-cell:/a.ipynb#{number}", PYTHON_CELL, text)


def _around(before: tuple[str, ...], after: tuple[str, ...] = ()) -> Cells:
    return Cells(tuple(map(_cell, before)), tuple(map(_cell, after)))


def _request(text: str, cells: Cells, max_prompt_tokens: int = 10_000) -> InfillRequest:
    before, after = text.split("│")
    cell = _cell(before + after)
    hole = find_hole(cell, len(before))
    return build_request(hole, max_prompt_tokens=max_prompt_tokens, count_tokens=len, cells=cells)


def test_the_cells_before_are_above_and_those_after_below_with_a_blank_line_between() -> None:
    request = _request("area = │", _around((IMPORTS, RADIUS), (NEXT,)))
    assert request.prefix == f"{IMPORTS}\n\n{RADIUS}\n\narea = "
    assert request.suffix == f"\n\n{NEXT}"
    assert request.single_line


@pytest.mark.parametrize("budget", [60, 100, 200, 400, 800])
def test_they_are_cut_as_one_file_is(budget: int) -> None:
    cells = _around((IMPORTS, "import os", FILLER, RADIUS), (NEXT, FILLER))
    text = "def area(r):\n    pi = 3\n    return │\n\nx = 1\n"
    above = cells.text_before + text.split("│", maxsplit=1)[0]
    below = text.split("│")[1] + cells.text_after
    whole = Snapshot.parse("file:///a.py", language_for("a.py", None), (above + below).replace("%mat", "#mat"))
    hole = find_hole(whole, len(above))
    as_one_file = build_request(hole, max_prompt_tokens=budget, count_tokens=len)
    request = _request(text, cells, budget)
    assert request.prefix.replace("%mat", "#mat") == as_one_file.prefix
    assert request.suffix == as_one_file.suffix
    assert len(request.prefix + request.suffix) <= budget


def test_of_what_is_far_above_the_imports_of_all_cells_stay() -> None:
    request = _request("import os\n│", _around((IMPORTS, FILLER, RADIUS)), 200)
    assert request.prefix.startswith("import numpy as np\n")
    assert request.prefix.endswith(f"\n{RADIUS}\n\nimport os\n")
    assert "filler_0 " not in request.prefix


def test_where_there_is_room_for_all_nothing_is_counted() -> None:
    cell, cells = _cell("area = "), _around((RADIUS,), (NEXT,))
    budget = len(cells.text_before + cell.text + cells.text_after)
    hole = Hole(cell, 7, 7, "line")
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    build_request(hole, max_prompt_tokens=budget, count_tokens=count, cells=cells)
    assert counted == []
    build_request(hole, max_prompt_tokens=budget - 1, count_tokens=count, cells=cells)
    assert counted


def test_a_statement_stands_as_deep_as_its_own_cell_has_it() -> None:
    assert _request("│", _around(("def f():\n    return 1",))).prefix == "def f():\n    return 1\n\n"


def test_no_cells_are_no_text() -> None:
    assert (NO_CELLS.text_before, NO_CELLS.text_after, NO_CELLS.num_bytes) == ("", "", 0)
