"""A workspace that names executables, a model and a device: none of them is taken, trusted or not.

A stand-in for the Python extension has the part of its API that ours uses, and an interpreter of the workspace
selected. The real one is in no package index.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import CodeServer, until, write_vsix
from tests.editors.vscode.workbench import Workbench

PYTHON_EXTENSION = {
    "name": "python",
    "publisher": "ms-python",
    "capabilities": {"untrustedWorkspaces": {"supported": True}},
}
ACTIVATE = """
const { EventEmitter, Uri } = require('vscode');
exports.activate = () => ({
    environments: {
        getActiveEnvironmentPath: () => ({ id: PATH, path: PATH }),
        resolveEnvironment: async ({ path }) => ({ executable: { uri: Uri.file(path) } }),
        onDidChangeActiveEnvironmentPath: new EventEmitter().event,
    },
});
"""
MIDDLE = "return name.upper()"


@pytest.fixture(scope="module")
def trusts_workspaces() -> bool:
    return False


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """The folder in which an executable of the workspace leaves its name when it runs."""
    return tmp_path


def write_script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.fixture
def untrusted(code_server: CodeServer, daemon: ScriptedDaemon, traces: Path) -> Iterator[Workbench]:
    """A window in Restricted Mode, on a workspace whose settings name its own programs."""
    code_server.reset_settings()
    workspace = code_server.workspace
    own = write_script(workspace / "own/dlm-lsp", f"touch {traces}/setting")
    beside = workspace / "environment/bin"
    write_script(beside / "dlm-lsp", f"touch {traces}/interpreter", f"exec {shlex.join(daemon.command)}")
    interpreter = write_script(beside / "python", f"touch {traces}/python")
    code_server.write_workspace_settings(
        {
            "dlm-lsp.server.command": [str(own)],
            "dlm-lsp.model": str(workspace / "model"),
            "dlm-lsp.device": "cuda:7",
            "dlm-lsp.guide": str(workspace / "guide"),
        }
    )
    script = ACTIVATE.replace("PATH", json.dumps(str(interpreter)))
    code_server.install(write_vsix(code_server.folder / "python.vsix", PYTHON_EXTENSION, script))
    file = workspace / "greeting.py"
    file.write_text("def greet(name):\n    ")
    with Workbench.opened(code_server, file) as workbench:
        workbench.page.locator(".statusbar-item", has_text="Restricted Mode").wait_for()
        workbench.wait_until_ready()
        yield workbench


def restart_with(workbench: Workbench, settings: dict[str, object]) -> str:
    """The origin of the server with these settings of the machine; empty if there is none."""
    num_before = len(workbench.server.sources())
    workbench.server.write_settings("Machine", settings)
    return until(lambda: workbench.server.sources()[num_before:], "another start")[-1]


def test_trust(
    untrusted: Workbench, code_server: CodeServer, daemon: ScriptedDaemon, server_command: list[str], traces: Path
) -> None:
    of_machine = {"dlm-lsp.server.command": server_command}

    def settings_that_arrive() -> dict[str, str | None]:
        untrusted.press("Control+1", "Control+End")
        assert untrusted.ask_for_ghost() == MIDDLE
        untrusted.press("Escape")
        return daemon.settings

    assert "the setting" in code_server.sources()[-1]
    taken = settings_that_arrive()
    assert taken == {"model": None, "device": "cpu", "guide": None}, "the user's own"

    assert "interpreter" not in restart_with(untrusted, {})
    assert list(traces.iterdir()) == [], "nothing of the workspace has run"

    num_starts = len(code_server.sources())
    untrusted.press("F1")
    untrusted.page.keyboard.type("Workspaces: Manage Workspace Trust")
    untrusted.choose("Manage Workspace Trust")
    untrusted.page.get_by_role("button", name="Trust", exact=True).first.click()
    started = until(lambda: code_server.sources()[num_starts:], "the server to be looked for again")
    assert "interpreter" in started[-1]

    assert "the setting" in restart_with(untrusted, of_machine)
    untrusted.wait_until_ready()
    assert settings_that_arrive() == taken
    assert [each.name for each in traces.iterdir()] == ["interpreter"]
