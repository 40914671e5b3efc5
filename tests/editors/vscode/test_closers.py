"""Closers that VS Code inserts by itself, with the real server: ghost text fits around them and doubles none."""

import pytest

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import until
from tests.editors.vscode.workbench import Workbench

MIDDLE = ""  # until a test says what
BEFORE = "def last(stack):\n    "
SUM = "return sum(stack.top[0]) + 1"


@pytest.mark.parametrize("num_typed", [SUM.index("(") + 1, SUM.index("[") + 1, SUM.index("]") + 1])
def test_the_rest_is_shown_around_them_and_taken_once(
    workbench: Workbench, daemon: ScriptedDaemon, num_typed: int
) -> None:
    daemon.fills_in(SUM)
    file = workbench.open_at_end(f"sum{num_typed}.py", BEFORE)
    workbench.press("Alt+Backslash")
    until(lambda: workbench.ghost == SUM, "all of it")
    # One request may belong to the file before, caused by the acceptance there.
    num_requests = daemon.num_requests
    workbench.type(SUM[: num_typed - 1])
    # VS Code has dropped its item: the rest comes from the server, which the next key asks again.
    workbench.press("Escape")
    until(lambda: not workbench.ghost, "the ghost text to go")
    workbench.type(SUM[num_typed - 1 : num_typed])
    workbench.wait_for_ghost()
    typed = workbench.editor_text().splitlines()[1]
    assert typed.startswith(f"    {SUM[:num_typed]}")
    assert daemon.num_requests == num_requests
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    assert workbench.save(file) == f"{BEFORE}{SUM}"


def test_a_block_that_is_closed_below_is_filled_up_to_there(workbench: Workbench, daemon: ScriptedDaemon) -> None:
    daemon.fills_in("sizes = {\n        1: 2,\n    }\n    return sizes")
    file = workbench.open_at_end("block.py", BEFORE)
    workbench.press("Alt+Backslash")
    workbench.wait_for_ghost()
    num_requests = daemon.num_requests
    workbench.type("sizes = {\n")
    until(lambda: workbench.ghost == "1: 2,", "the line between the braces")
    assert daemon.num_requests == num_requests
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    assert workbench.save(file) == f"{BEFORE}sizes = {{\n        1: 2,\n    }}"
    workbench.press("Control+End")
    workbench.press("Alt+Backslash")
    until(lambda: workbench.ghost.strip() == "return sizes", "what comes after the braces")
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    assert workbench.save(file) == f"{BEFORE}sizes = {{\n        1: 2,\n    }}\n    return sizes"
