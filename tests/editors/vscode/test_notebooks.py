"""A Jupyter notebook in VS Code: ghost text and fills in a cell, from what the cells around it say."""

import json
from pathlib import Path

import pytest

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import until
from tests.editors.vscode.workbench import Workbench

MIDDLE = ""  # until a test says what
DEFINITION = "def fahrenheit(celsius):\n    return celsius * 9 / 5 + 32"
LAST = "%matplotlib inline"


def notebook(*cells: str) -> str:
    """The text of its file."""
    common = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    written = [{**common, "id": f"cell{number}", "source": cell} for number, cell in enumerate(cells)]
    metadata = {"language_info": {"name": "python"}}
    return json.dumps({"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def cells_of(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]


def open_cell(workbench: Workbench, name: str, cells: tuple[str, ...], number: int) -> Path:
    """Show a notebook, with the cursor at the end of one of its cells."""
    file = workbench.server.workspace / name
    file.write_text(notebook(*cells))
    workbench.press("Control+P")
    workbench.page.locator(".quick-input-widget input.input").wait_for()
    workbench.page.keyboard.type(str(file))
    workbench.choose(name)
    workbench.page.locator(f'.tab.active[data-resource-name="{name}"]').wait_for()
    cells = workbench.page.locator(".notebookOverlay:not([inert]) .cell .view-lines").filter(visible=True)
    cells.nth(number).click()
    workbench.page.locator(".notebookOverlay .monaco-editor.focused").wait_for()
    workbench.press("Control+End")
    return file


def test_a_cell_is_completed_from_the_cells_around_it(workbench: Workbench, daemon: ScriptedDaemon) -> None:
    daemon.fills_in("fahrenheit(20)")
    file = open_cell(workbench, "ghost.ipynb", (DEFINITION, "warm =", LAST), 1)
    workbench.type(" ")
    assert workbench.wait_for_ghost() == "fahrenheit(20)"
    assert daemon.prefixes[-1].endswith(f"{DEFINITION}\n\nwarm = ")
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    workbench.save(file)
    assert cells_of(file) == [DEFINITION, "warm = fahrenheit(20)", LAST]


def test_a_body_in_a_cell_is_shown_as_a_diff_and_applied(workbench: Workbench, daemon: ScriptedDaemon) -> None:
    daemon.fills_in("return (degrees - 32) * 5 / 9")
    header = "def celsius(degrees):\n    "
    file = open_cell(workbench, "body.ipynb", (DEFINITION, f"{header}pass", LAST), 1)
    workbench.press("Control+Alt+Backslash")
    workbench.wait_for_fill()
    assert daemon.prefixes[-1].endswith(f"{DEFINITION}\n\n{header}")
    assert workbench.page.locator('[id="status.editor.mode"]').inner_text() == "Python"
    workbench.apply_fill()
    workbench.save(file)
    assert cells_of(file) == [DEFINITION, f"{header}return (degrees - 32) * 5 / 9", LAST]


@pytest.mark.parametrize(
    ("name", "cell", "reason"), [("shell.ipynb", "%%bash\nls", "%%bash"), (".env.ipynb", "x =", "may hold secrets")]
)
def test_the_status_says_why_a_cell_gets_nothing(
    workbench: Workbench, daemon: ScriptedDaemon, name: str, cell: str, reason: str
) -> None:
    daemon.fills_in("nothing")
    open_cell(workbench, name, (DEFINITION, cell), 1)
    workbench.type(" ")
    workbench.wait_for_status(reason)
    assert not workbench.ghost
