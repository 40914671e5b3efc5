"""Typing in VS Code: ghost text, drafts before it, and the reason where there is none."""

import pytest

from tests.editors.vscode.workbench import Workbench, until

pytestmark = pytest.mark.timeout(300)

RECTANGLE = '''class Rectangle:
    def __init__(self, left, top, right, bottom):
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def width(self):
        """From the left edge to the right one."""
        return self.right - self.left

    def height(self):
        """From the top edge to the bottom one."""

'''


def test_a_body_comes_as_ghost_text_and_tab_takes_it(workbench: Workbench) -> None:
    file = workbench.open("rectangle.py", RECTANGLE)
    workbench.press("Control+End")
    workbench.type("        ")
    ghost = workbench.wait_for_ghost()
    workbench.page.screenshot(path="/tmp/ghost.png")
    print(repr(ghost))
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    saved = workbench.save(file)
    print(saved)
    assert saved.startswith(RECTANGLE)
    assert ghost.split("\n")[0] in saved.removeprefix(RECTANGLE)
