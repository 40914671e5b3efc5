"""Fills that ghost text cannot show, and the other commands: by a diff, one step of undo, and settings."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.editors.vscode.code_server import CodeServer, until
from tests.editors.vscode.conftest import NUM_STEPS
from tests.editors.vscode.workbench import Workbench

PLACEHOLDER = '''class Rectangle:
    """Two corners."""

    def __init__(self, left, right):
        self.left, self.right = left, right

    def width(self):
        """From the left edge to the right one."""
        pass

    def is_empty(self):
        return self.width() <= 0
'''
STARTED = "normal: server "
SELECTED = PLACEHOLDER.split("return self.width", maxsplit=1)[0]
BEFORE, AFTER = PLACEHOLDER.split("        pass\n")


def fill_placeholder(workbench: Workbench, name: str) -> None:
    """Fill the body that is still to be written, and wait for the whole fill in the diff."""
    workbench.open(name, PLACEHOLDER)
    workbench.go_to_line_end(9)
    workbench.press("Control+Alt+Backslash")
    workbench.wait_for_fill()


def test_a_body_is_shown_as_a_diff_and_applied_as_one_step(
    workbench: Workbench, picture: Callable[[str], None]
) -> None:
    with workbench.settings({"dlm-lsp.numSteps": 64}):
        fill_placeholder(workbench, "applied.py")
    workbench.page.locator(".monaco-diff-editor .line-insert").first.wait_for(state="attached")
    workbench.page.locator(".notification-toast").wait_for(state="detached")
    picture("fill.png")
    file = workbench.server.workspace / "applied.py"
    assert file.read_text() == PLACEHOLDER
    workbench.apply_fill()
    filled = workbench.save(file)
    assert filled.startswith(BEFORE)
    assert filled.endswith(AFTER)
    assert filled != PLACEHOLDER
    workbench.press("Control+Z")
    assert workbench.save(file) == PLACEHOLDER


def test_a_fill_that_is_discarded_leaves_no_trace(workbench: Workbench) -> None:
    fill_placeholder(workbench, "discarded.py")
    workbench.discard_fill()
    assert workbench.editor_text() == PLACEHOLDER


def test_a_diff_takes_no_tab_away_and_its_keys_are_those_of_its_text(workbench: Workbench) -> None:
    previews = {"workbench.editor.enablePreviewFromQuickOpen": True, "dlm-lsp.numSteps": NUM_STEPS + 1}
    with workbench.settings(previews):
        fill_placeholder(workbench, "previewed.py")
    tabs = workbench.page.locator('.tab[data-resource-name="previewed.py"]')
    assert tabs.count() == 2, "the file's and the diff's"
    workbench.press("Control+F")
    find = workbench.page.locator(".monaco-editor .find-widget.visible")
    find.first.wait_for()
    workbench.press("Escape")
    until(lambda: not find.count(), "the search to close")
    workbench.press("F1")
    workbench.page.locator(".quick-input-widget input.input").wait_for()
    workbench.press("Escape")
    workbench.page.locator(".quick-input-widget").wait_for(state="hidden")
    assert workbench.page.locator(".tab", has_text="Fill ").count() == 1
    workbench.discard_fill()
    assert workbench.editor_text() == PLACEHOLDER


def test_another_fill_takes_the_place_of_the_first(workbench: Workbench) -> None:
    fill_placeholder(workbench, "another.py")
    workbench.page.get_by_role("button", name="Try Another Fill").click()
    workbench.page.get_by_role("button", name="Apply Fill").wait_for(state="detached")
    workbench.wait_for_fill()
    workbench.discard_fill()


def test_a_selection_is_rewritten(workbench: Workbench) -> None:
    file = workbench.open("selected.py", PLACEHOLDER)
    workbench.go_to_line_end(12)
    workbench.press("Shift+Home")
    workbench.run("Refill Selection")
    workbench.wait_for_fill()
    workbench.page.locator(".monaco-diff-editor .line-insert").first.wait_for(state="attached")
    assert file.read_text() == PLACEHOLDER
    workbench.apply_fill()
    refilled = workbench.save(file)
    assert refilled.startswith(SELECTED)
    assert refilled != PLACEHOLDER
    workbench.press("Control+Z")
    assert workbench.save(file) == PLACEHOLDER


def test_what_ghost_text_cannot_show_is_offered_by_the_status(workbench: Workbench) -> None:
    workbench.open("offered.py", PLACEHOLDER)
    workbench.go_to_line_end(9)
    workbench.press("Alt+Backslash")
    workbench.wait_for_status("this hole holds a placeholder")
    workbench.run("Show Status and Actions")
    workbench.choose("Fill it")
    workbench.wait_for_fill()
    workbench.discard_fill()


def test_the_dial_sets_steps_and_deadline(workbench: Workbench) -> None:
    workbench.run("Set Steps and Deadline")
    workbench.choose("8 steps")
    until(lambda: "8 steps" in workbench.dial, "the dial to show the steps")
    workbench.run("Set Steps and Deadline")
    workbench.choose("At most 5 s")
    until(lambda: "8 steps ≤ 5 s" in workbench.dial, "the dial to show the deadline")
    chosen = {"dlm-lsp.numSteps": 8, "dlm-lsp.deadlineMs": 5000}
    until(lambda: chosen.items() <= workbench.server.read_settings("User").items(), "the settings")


def test_a_workspace_can_be_switched_off_and_on(workbench: Workbench, code_server: CodeServer) -> None:
    workbench.open("switched.py", PLACEHOLDER)
    with workbench.reconfigured():
        workbench.run("Switch This Workspace Off or On")
    until(lambda: code_server.read_workspace_settings() == {"dlm-lsp.enabled": False}, "the setting")
    workbench.press("Control+1", "Control+End")
    workbench.type("x")
    workbench.wait_for_status("switched off (enabled = false)")
    with workbench.reconfigured():
        workbench.run("Switch This Workspace Off or On")
    until(lambda: code_server.read_workspace_settings() == {"dlm-lsp.enabled": True}, "the setting")


def test_a_server_that_is_not_there_is_explained(
    workbench: Workbench, code_server: CodeServer, server_command: list[str]
) -> None:
    code_server.write_settings("Machine", {"dlm-lsp.server.command": ["/nowhere/dlm-lsp"]})
    workbench.wait_for_status("server was not found")
    workbench.page.get_by_role("button", name="How to Install").click()
    workbench.page.get_by_text("pip install -c constraints.txt .").first.wait_for()
    code_server.write_settings("Machine", {"dlm-lsp.server.command": server_command})
    workbench.wait_until_ready()


def test_a_command_of_the_wrong_type_is_explained(
    workbench: Workbench, code_server: CodeServer, server_command: list[str]
) -> None:
    code_server.write_settings("Machine", {"dlm-lsp.server.command": server_command[0]})
    workbench.wait_for_status("did not start: dlm-lsp.server.command")
    code_server.write_settings("Machine", {"dlm-lsp.server.command": server_command})
    workbench.wait_until_ready()


def test_the_server_can_be_restarted(workbench: Workbench, code_server: CodeServer) -> None:
    starts = code_server.log().count("server found through")
    workbench.run("Restart Server")
    until(lambda: code_server.log().count("server found through") > starts, "another start")
    workbench.wait_until_ready()


def test_a_server_that_hangs_can_be_restarted(
    workbench: Workbench, code_server: CodeServer, server_command: list[str], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    command = ["/bin/sh", "-c", f'echo $$ > {pid}; exec {server_command[0]} "$@"', "dlm-lsp"]
    before = code_server.read_settings("Machine")
    num_started = code_server.log().count(STARTED)
    code_server.write_settings("Machine", before | {"dlm-lsp.server.command": command})
    until(lambda: code_server.log().count(STARTED) > num_started, "the server to start")
    hanging = os.pidfd_open(int(pid.read_text()))
    try:
        signal.pidfd_send_signal(hanging, signal.SIGSTOP)
        starts = code_server.log().count("server found through")
        workbench.run("Restart Server")
        until(lambda: code_server.log().count("server found through") > starts, "another start")
        workbench.wait_until_ready()
    finally:
        with suppress(ProcessLookupError):  # it has ended, as it should
            signal.pidfd_send_signal(hanging, signal.SIGKILL)
        os.close(hanging)
        code_server.write_settings("Machine", before)
    workbench.wait_until_ready()


def test_a_command_that_never_answers_can_be_replaced(workbench: Workbench, code_server: CodeServer) -> None:
    before = code_server.read_settings("Machine")
    code_server.write_settings("Machine", before | {"dlm-lsp.server.command": ["/bin/sh", "-c", "sleep 600"]})
    until(lambda: "sleep 600 serve" in code_server.log(), "the command to start")
    code_server.write_settings("Machine", before)
    workbench.wait_until_ready()
