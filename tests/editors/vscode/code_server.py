"""The server of a real VS Code, with our extension and folders of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")

WAIT_SECONDS = 60.0
QUIET = {
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "security.workspace.trust.startupPrompt": "never",
    "security.workspace.trust.banner": "never",
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoCheckUpdates": False,
    "chat.disableAIFeatures": True,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.minimap.enabled": False,
    "editor.accessibilitySupport": "off",
    "files.autoSave": "off",
}
"""Settings that keep the workbench's own notices away; machine settings are another file."""


def until(ask: Callable[[], Answer], what: str) -> Answer:
    """The first true answer, asked for until there is one."""
    end = time.monotonic() + WAIT_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return answer


def read_json(file: Path) -> dict[str, Any]:
    """An object from a file; empty while another process is writing it, or has not begun to."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        read: dict[str, Any] = json.loads(file.read_text())
        return read
    return {}


def free_port(address: str) -> int:
    """A port of an address of this machine that no server listens on."""
    with socket.socket() as free:
        free.bind((address, 0))
        port: int = free.getsockname()[1]
        return port


def write_vsix(file: Path, manifest: Mapping[str, object], script: str) -> Path:
    """Pack an extension of one script, `extension.js`, that works beside ours."""
    common = {
        "version": "1.0.0",
        "engines": {"vscode": "^1.91.0"},
        "main": "./extension.js",
        "activationEvents": ["onStartupFinished"],
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("extension/package.json", json.dumps({**common, **manifest}))
        archive.writestr("extension/extension.js", script)
    return file


class Host(Protocol):
    """Where commands run.

    Attributes:
        address: Where a server of that machine listens; its port leads there from this machine as well.
    """

    address: str

    def calling(self, command: Sequence[str]) -> list[str]:
        """The command to start here, so that a command runs there."""

    def serving(self, command: Sequence[str], port: int) -> list[str]:
        """The same for a server that listens there, and ends with its standard input or with this process."""


class ThisMachine:
    """Runs commands directly."""

    address = "127.0.0.1"

    def calling(self, command: Sequence[str]) -> list[str]:
        return [*command]

    def serving(self, command: Sequence[str], port: int) -> list[str]:
        del port  # which leads here without a tunnel
        return [*command]


class CodeServer:
    """One VS Code server with its own folders, and the extension installed in it."""

    def __init__(
        self,
        installation: Path,
        vsix: Path,
        folder: Path,
        environment: Mapping[str, str],
        *,
        trusts_workspaces: bool,
        settings: Mapping[str, object] | None = None,
        host: Host | None = None,
    ) -> None:
        """Install the extension. The settings are of the machine, the only ones that may name a command."""
        self.folder = folder
        self._host = host or ThisMachine()
        self._environment = environment
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True)
        self._trusts_workspaces = trusts_workspaces
        self._settings = settings or {}
        self.reset_settings()
        self.port = free_port("127.0.0.1")
        # An empty gallery keeps it from asking the one on the network.
        self._command = ["env", "EXTENSIONS_GALLERY={}"]
        self._command += [str(installation / "bin/node"), str(installation / "vscode/out/server-main.js")]
        self._command += ["--accept-server-license-terms", "--telemetry-level", "off"]
        self._command += ["--server-data-dir", str(folder / "server"), "--user-data-dir", str(folder / "data")]
        self._command += ["--extensions-dir", str(folder / "extensions")]
        self.install(vsix)

    def install(self, vsix: Path) -> None:
        """Install an extension; a window that is open does not see it."""
        install = self._host.calling([*self._command, "--install-extension", str(vsix)])
        subprocess.run(install, env=self._environment, check=True, capture_output=True, timeout=120)

    def reset_settings(self) -> None:
        """Have all settings as they were at first."""
        self.write_settings("User", {**QUIET, "security.workspace.trust.enabled": not self._trusts_workspaces})
        self.write_settings("Machine", self._settings)
        self._workspace_settings.unlink(missing_ok=True)

    def write_settings(self, kind: str, settings: Mapping[str, object]) -> None:
        """`User` or `Machine` settings."""
        file = self.folder / "data" / kind / "settings.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings, indent=1))

    def write_workspace_settings(self, settings: Mapping[str, object]) -> None:
        self._workspace_settings.parent.mkdir(exist_ok=True)
        self._workspace_settings.write_text(json.dumps(settings))

    def read_workspace_settings(self) -> dict[str, Any]:
        return read_json(self._workspace_settings)

    def read_settings(self, kind: str) -> dict[str, Any]:
        return read_json(self.folder / "data" / kind / "settings.json")

    @property
    def _workspace_settings(self) -> Path:
        return self.workspace / ".vscode/settings.json"

    def log(self) -> str:
        """The text of the extension's output channel."""
        return "".join(file.read_text() for file in sorted((self.folder / "data/logs").rglob("*dlm-lsp*.log")))

    def sources(self) -> list[str]:
        """The origin of each server that was started, in order; empty for one that was not found."""
        return re.findall(r"server found through (.+?):|the dlm-lsp server was not found", self.log())

    @contextmanager
    def running(self) -> Iterator[None]:
        flags = ["--host", self._host.address, "--port", str(self.port), "--without-connection-token"]
        flags += ["--disable-workspace-trust"] * self._trusts_workspaces
        serve = self._host.serving([*self._command, *flags], self.port)
        streams = {"stdin": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with (
            (self.folder / "server.log").open("w") as log,
            subprocess.Popen(serve, env=self._environment, stdout=log, start_new_session=True, **streams) as process,
        ):
            try:
                until(self._answers, "the server of VS Code")
                yield
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)

    def address(self, file: Path) -> str:
        # The log has every message between client and server.
        payload = [["logLevel", "dlm-lsp.dlm-lsp=trace"], ["openFile", f"vscode-remote://127.0.0.1:{self.port}{file}"]]
        query = urllib.parse.urlencode({"folder": str(self.workspace), "payload": json.dumps(payload)})
        return f"http://127.0.0.1:{self.port}/?{query}"

    def _answers(self) -> bool:
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=1).close()
            return True
        return False
