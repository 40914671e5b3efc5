"""A remote window: the workbench is in the browser, files and our extension are where VS Code's server is.

Remote-SSH, WSL and containers differ from this one in how the connection is made (`test_remote_ssh.py`). A second
extension inspects ours by VS Code's own API.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.editors.vscode.code_server import CodeServer, read_json, until, write_vsix
from tests.editors.vscode.workbench import Workbench

MIDDLE = "return name.upper()"
WITNESS = {"name": "witness", "publisher": "tests", "extensionKind": ["workspace"]}
TESTIFY = """
const { env, extensions, ExtensionKind, UIKind } = require('vscode');
exports.activate = () => {
    const { extensionKind } = extensions.getExtension('dlm-lsp.dlm-lsp');
    const kind = ExtensionKind[extensionKind];
    const testimony = { pid: process.pid, remote: env.remoteName, window: UIKind[env.uiKind], kind };
    require('fs').writeFileSync(FILE, JSON.stringify(testimony));
};
"""


@pytest.fixture(scope="module")
def testimony(code_server: CodeServer) -> Path:
    """The file that the second extension writes its findings to; it is installed before the window opens."""
    file = code_server.folder / "testimony.json"
    script = TESTIFY.replace("FILE", json.dumps(str(file)))
    code_server.install(write_vsix(code_server.folder / "witness.vsix", WITNESS, script))
    return file


def children(parent: int) -> list[str]:
    """Command lines of the processes that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # of no process, or of one that has just ended
            int(folder.name)
            if f"PPid:\t{parent}\n" in (folder / "status").read_text():
                found.append((folder / "cmdline").read_bytes().decode().replace("\0", " "))
    return found


def test_extension_and_server_run_where_the_files_are(
    testimony: Path, workbench: Workbench, server_command: list[str]
) -> None:
    def children_of_extension_host() -> list[str]:
        return children(read_json(testimony).get("pid", -1))

    command = " ".join(server_command)
    until(lambda: [line for line in children_of_extension_host() if line.startswith(command)], "the server")
    seen = read_json(testimony)
    assert seen["window"] == "Web", "the window is elsewhere"
    assert seen["remote"]
    assert seen["kind"] == "Workspace"
    workbench.press("Control+1", "Control+End")
    workbench.type("    ")
    assert workbench.ask_for_ghost() == MIDDLE
