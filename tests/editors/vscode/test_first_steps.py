"""The extension right after its installation: the walkthrough, and the messages of its output channel."""

import re

from tests.editors.vscode.code_server import until
from tests.editors.vscode.workbench import Workbench

STEPS = {
    "Install the server": "",
    "Complete a function body": "ghost-text.png",
    "Replace existing code": "fill.png",
    "Balance quality and latency": "",
}
"""By their titles, the picture beside each that has one."""

FOUND = re.compile(r"\[info\] server found through .+: .+")
FILLED = re.compile(r"\[info\] normal: \d+ tokens in \d+ steps, \d+ ms")


def test_the_walkthrough_is_shown_with_its_steps_and_pictures(workbench: Workbench) -> None:
    workbench.run("Get Started")
    steps = workbench.page.locator(".gettingStartedContainer .step-title")
    until(lambda: steps.all_inner_texts() == list(STEPS), "the steps")
    beside = workbench.page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")
    beside.locator("pre", has_text="pip install -c constraints.txt .").wait_for()
    for title, name in STEPS.items():
        if name:
            steps.filter(has_text=title).click()
            picture = beside.locator(f'img[src*="{name}"]')
            picture.wait_for()  # it is not before it has a size
            assert picture.evaluate("image => image.naturalWidth")
    workbench.page.locator('.tab[data-resource-name="greeting.py"]').click()
    workbench.page.locator(".monaco-editor.focused").first.wait_for()


def test_the_output_tells_where_the_server_is_from_and_what_a_fill_took(workbench: Workbench) -> None:
    workbench.open_at_end("told.py", "def double(number):\n    ")
    workbench.press("Alt+Backslash")
    workbench.wait_for_ghost()
    workbench.run("Show Output")
    lines = workbench.page.locator(".panel .view-line")
    until(lambda: FILLED.search("\n".join(lines.all_inner_texts()).replace("\xa0", " ")), "what the fill took")
    assert FOUND.search(workbench.server.log())
