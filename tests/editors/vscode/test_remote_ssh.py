"""Remote-SSH by hand: VS Code's server is installed and started through SSH, and reached through a tunnel.

Microsoft's own extension, which does that from a window, is in no package index.
"""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import CodeServer, until
from tests.editors.vscode.ssh_host import SshHost
from tests.editors.vscode.workbench import Workbench

MIDDLE = "return name.upper()"


class Process(NamedTuple):
    pid: int
    parent: int
    command_line: str

    @property
    def environment(self) -> dict[str, str]:
        entries = Path(f"/proc/{self.pid}/environ").read_bytes().decode().split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)


@pytest.fixture(scope="module")
def host(sshd: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    host = SshHost(sshd, tmp_path_factory.mktemp("ssh"))
    with host.running():
        yield host


@pytest.fixture(scope="module")
def tool(host: SshHost, daemon: ScriptedDaemon, child_environment: dict[str, str]) -> Path:
    """The server where `uv tool install` puts it, without a profile that adds that folder to `PATH`."""
    file = host.home / ".local/bin/dlm-lsp"
    file.parent.mkdir(parents=True)
    start = ["env", f"PYTHONPATH={child_environment['PYTHONPATH']}", *daemon.command]
    file.write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n')
    file.chmod(0o755)
    return file


@pytest.fixture(scope="module")
def code_server(editor: tuple[Path, Path], host: SshHost, tool: Path, daemon: ScriptedDaemon) -> Iterator[CodeServer]:
    assert tool.exists()
    server = CodeServer(*editor, host.home, os.environ, trusts_workspaces=True, host=host)
    with server.running():
        yield server
    until(lambda: not lineage(daemon), "what was started there to end")


def lineage(daemon: ScriptedDaemon) -> list[Process]:
    """The daemon, the process that started it, the one that started that, and so on."""
    found = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # of no process, or of one that has just ended
            line = (folder / "cmdline").read_bytes().decode().replace("\0", " ")
            parent = re.search(r"PPid:\t(\d+)", (folder / "status").read_text())
            if parent:
                found[int(folder.name)] = Process(int(folder.name), int(parent[1]), line)
    each = next((each for each in found.values() if each.command_line.startswith(" ".join(daemon.command))), None)
    line = []
    while each:
        line.append(each)
        each = found.get(each.parent)
    return line


def test_the_server_is_found_and_fills_on_the_other_side_of_ssh(
    host: SshHost, tool: Path, daemon: ScriptedDaemon, workbench: Workbench
) -> None:
    file = workbench.open_at_end("remote.py", "def shout(name):\n    ")
    assert workbench.ask_for_ghost() == MIDDLE
    workbench.press("Tab")
    assert workbench.save(file) == f"def shout(name):\n    {MIDDLE}"

    assert set(workbench.server.sources()) == {"~/.local/bin"}
    _, extension_host, server, shell, session, *_ = lineage(daemon)
    assert "--type=extensionHost" in extension_host.command_line
    assert "server-main.js" in server.command_line
    assert "server-main.js" in shell.command_line
    assert session.command_line.startswith("sshd")
    environment = extension_host.environment
    assert environment["HOME"] == str(host.home)
    assert environment["SSH_CONNECTION"].split()[2] == host.address
    for path in (environment["PATH"], host.output("printenv", "PATH")):
        assert str(tool.parent) not in path.split(os.pathsep)


def test_a_server_that_is_installed_while_the_window_is_open_is_found(tool: Path, workbench: Workbench) -> None:
    away = tool.rename(tool.with_name("away"))
    try:
        workbench.run("Restart Server")
        workbench.wait_for_status("server was not found")
    finally:
        away.rename(tool)
    looked = re.findall("looked beside .*", workbench.server.log())[-1]
    assert f", in {tool.parent}," in looked, "VS Code's PATH is not a terminal's; whoever wonders is told where it went"
    workbench.run("Restart Server")
    workbench.wait_until_ready()
    assert workbench.server.sources()[-2:] == ["", "~/.local/bin"]
