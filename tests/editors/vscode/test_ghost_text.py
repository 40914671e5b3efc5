"""Typing in VS Code: ghost text, and the reason where there is none."""

import re
from collections.abc import Callable

import pytest

from dlm_lsp.options import Settings
from tests.editors.unwritten import UNWRITTEN, unwritten_body
from tests.editors.vscode.code_server import until
from tests.editors.vscode.conftest import NUM_STEPS
from tests.editors.vscode.workbench import Workbench

DEFAULTS = Settings()
RECTANGLE = '''class Rectangle:
    def __init__(self, left, top, right, bottom):
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def width(self):
        """From the left edge to the right one."""
        return self.right - self.left

    def height(self):
        """From the top edge to the bottom one."""
'''
NOTHING_CONFIGURED: dict[str, object] = {
    f"dlm-lsp.{name}": default
    for name, default in {
        "numSteps": DEFAULTS.decode.num_steps,
        "maxMiddleTokens": DEFAULTS.decode.max_middle_tokens,
        "maxPromptTokens": DEFAULTS.max_prompt_tokens,
        "requireValid": DEFAULTS.require_valid,
    }.items()
}
"""What `CONFIG` makes quick, as somebody has it who has configured nothing."""
REQUEST = "Sending request 'textDocument/inlineCompletion"


def test_what_was_typed_is_completed_and_tab_takes_it(workbench: Workbench) -> None:
    file = workbench.open_at_end("rectangle.py", RECTANGLE)
    workbench.type("        ret")
    ghost = workbench.wait_for_ghost()
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    typed = workbench.save(file).removeprefix(RECTANGLE)
    assert typed.startswith(f"        ret{ghost.splitlines()[0]}")


def test_untouched_options_leave_the_users_file_in_force(workbench: Workbench) -> None:
    workbench.open_at_end("untouched.py", RECTANGLE)
    workbench.type("        return self.t")
    workbench.wait_for_ghost()
    *_, num_steps = re.findall(r"tokens in (\d+) steps", workbench.server.log())
    assert int(num_steps) <= NUM_STEPS


def test_escape_leaves_the_text_alone(workbench: Workbench) -> None:
    file = workbench.open_at_end("escape.py", RECTANGLE)
    workbench.type("        return self.b")
    workbench.wait_for_ghost()
    workbench.press("Escape")
    until(lambda: not workbench.ghost, "the ghost text to go")
    assert workbench.save(file) == f"{RECTANGLE}        return self.b"


@pytest.mark.parametrize(("part", "key"), [("word", "Control+ArrowRight"), ("line", "Control+Alt+ArrowRight")])
def test_a_part_of_it_can_be_taken(workbench: Workbench, part: str, key: str) -> None:
    file = workbench.open_at_end(f"{part}.py", RECTANGLE)  # an open file of that name would show what it held before
    workbench.type("        return self.r")
    ghost = workbench.wait_for_ghost()
    workbench.press(key)
    typed = workbench.save(file).removeprefix(RECTANGLE)
    taken = typed.removeprefix("        return self.r").rstrip()
    assert taken
    assert ghost.startswith(taken)


def test_alt_backslash_asks_for_it(workbench: Workbench) -> None:
    workbench.open_at_end("invoked.py", RECTANGLE + "        return self.")
    assert not workbench.ghost
    workbench.press("Alt+Backslash")
    assert workbench.wait_for_ghost()


def test_a_whole_body_stands_there_as_ghost_text(workbench: Workbench, picture: Callable[[str], None]) -> None:
    before, after = unwritten_body()
    workbench.close_all()  # other open files would be read as well
    file = workbench.open(UNWRITTEN.name, before + after)
    workbench.go_to_line_end(before.count("\n"))
    with workbench.settings(NOTHING_CONFIGURED):
        workbench.press("Enter")
        ghost = workbench.wait_for_ghost()
        picture("ghost-text.png")
    assert len(ghost.splitlines()) > 1
    workbench.press("Tab")
    until(lambda: not workbench.ghost, "the ghost text to be taken")
    assert workbench.save(file) == f"{before}    {ghost}\n{after}"


def test_candidates_are_gone_through(workbench: Workbench) -> None:
    # Neither this file nor another one suggests a text, so that candidates differ.
    workbench.open_at_end("candidates.py", RECTANGLE + "        ")
    with workbench.settings(NOTHING_CONFIGURED | {"dlm-lsp.contextFiles": False}):
        first = workbench.ask_for_ghost()
        workbench.press("Alt+BracketRight")
        until(lambda: workbench.ghost not in ("", first), "another candidate")
        workbench.press("Alt+BracketLeft")
        until(lambda: workbench.ghost == first, "the first one again")


def test_there_is_no_request_with_several_cursors(workbench: Workbench) -> None:
    workbench.open("cursors.py", "first = 1\nfirst = 2\n")
    before = workbench.server.log().count(REQUEST)
    workbench.type("x")
    until(lambda: workbench.server.log().count(REQUEST) > before, "the request of one cursor")
    workbench.press("Escape", "Shift+Alt+ArrowDown")
    until(lambda: workbench.page.locator(".cursors-layer .cursor").count() == 2, "two cursors")
    before = workbench.server.log().count(REQUEST)
    workbench.type("yz")
    workbench.press("Alt+Backslash")
    workbench.page.wait_for_timeout(500)
    assert workbench.server.log().count(REQUEST) == before
    workbench.press("Escape")


def test_the_status_says_why_a_file_with_secrets_gets_nothing(workbench: Workbench) -> None:
    workbench.open(".env", "TOKEN=\n")
    workbench.press("End", "x")
    workbench.wait_for_status("files named like .env may hold secrets")


def test_the_status_says_why_a_language_gets_nothing(workbench: Workbench) -> None:
    workbench.open("notes.md", "# Notes\n")
    workbench.press("End", "x")
    workbench.wait_for_status("No grammar for markdown")
    workbench.open("part.py", RECTANGLE)
    until(lambda: "No grammar" not in workbench.status, "a status that is about this file")


def test_a_language_can_be_switched_off_and_on(workbench: Workbench) -> None:
    workbench.open_at_end("switched.py", RECTANGLE)
    with workbench.reconfigured():
        workbench.run("Switch This Language Off or On")
    until(lambda: workbench.server.read_settings("User").get("dlm-lsp.disabledLanguages") == ["python"], "the setting")
    workbench.press("Control+1")
    workbench.type("        ret")
    workbench.wait_for_status("switched off for python")
    with workbench.reconfigured():
        workbench.run("Switch This Language Off or On")
    until(lambda: workbench.server.read_settings("User").get("dlm-lsp.disabledLanguages") == [], "the setting")
    workbench.press("Control+1")
    workbench.type("u")
    assert workbench.wait_for_ghost()


def test_a_language_that_the_workspace_switches_off_can_be_switched_on_and_off(workbench: Workbench) -> None:
    server = workbench.server
    workbench.open_at_end("of_workspace.py", RECTANGLE)
    users = server.read_settings("User")
    with workbench.reconfigured():
        server.write_workspace_settings({"dlm-lsp.disabledLanguages": ["python", "rust"]})
    try:
        for expected in (["rust"], ["rust", "python"]):
            with workbench.reconfigured():
                workbench.run("Switch This Language Off or On")
            setting = {"dlm-lsp.disabledLanguages": expected}
            until(lambda setting=setting: server.read_workspace_settings() == setting, "the setting of the workspace")
        assert server.read_settings("User") == users
    finally:
        with workbench.reconfigured():
            server.write_workspace_settings({})
