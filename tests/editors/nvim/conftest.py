"""Real Neovim, driven through its own API, with a scripted server or with the real daemon and the shipped weights.

`DLM_LSP_TEST_NVIMS` names the executables, separated as in PATH; without it, `nvim` on the PATH is taken. Every test
runs once per executable; a test that needs a feature of Neovim (`native`) runs with those that have it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.editors.nvim.neovim import Neovim

HERE = Path(__file__).resolve().parent
OLDEST = (0, 10)
NO_NEOVIM = "no Neovim 0.10 or newer: install one, or name executables in DLM_LSP_TEST_NVIMS"


@cache
def version_of(executable: str) -> tuple[int, int]:
    printed = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.match(r"NVIM v(\d+)\.(\d+)", printed).groups()
    return int(major), int(minor)


@cache
def executables() -> tuple[str, ...]:
    named = [path for path in os.environ.get("DLM_LSP_TEST_NVIMS", "").split(os.pathsep) if path]
    found = named or [path for path in [shutil.which("nvim")] if path]
    return tuple(path for path in found if named or version_of(path) >= OLDEST)


def surfaces() -> list[tuple[str, str]]:
    """Each executable, and who draws ghost text in it by default."""
    return [(path, "native" if version_of(path) >= (0, 12) else "own") for path in executables()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "neovim_setup" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("surface")
    wanted = [each for each in surfaces() if not marker or each[1] in marker.args]
    no_neovim = pytest.param(None, marks=pytest.mark.skip(reason=NO_NEOVIM))
    ids = ["{}.{}-{}".format(*version_of(executable), surface) for executable, surface in wanted]
    metafunc.parametrize("neovim_setup", wanted or [no_neovim], ids=ids or ["none"])


class Server:
    """The scripted server: sets its answers, and reads the messages that it got."""

    def __init__(self, folder: Path) -> None:
        self._script, self._log = folder / "script.json", folder / "log.jsonl"
        self._log.touch()
        self.says()
        self.command = [sys.executable, str(HERE / "scripted_server.py"), str(self._script), str(self._log)]

    def says(self, **script: object) -> None:
        """Let it give these answers from now on."""
        self._said = script
        fresh = self._script.with_suffix(".new")
        fresh.write_text(json.dumps(script), encoding="utf-8")
        fresh.replace(self._script)

    def goes_on(self, *, held_at: int | None = None) -> None:
        """Let what it holds go on, to the end or to another draft."""
        self.says(**{**self._said, "held_at": held_at})

    def heard(self, method: str) -> list[dict[str, Any]]:
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [message for line in lines if (message := json.loads(line))["method"] == method]

    def typed(self, method: str) -> list[str]:
        """What was left of the cursor in each message about an inline completion."""
        return [message["typed"] for message in self.heard(method)]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    folder = tmp_path / "server"
    folder.mkdir()
    return Server(folder)


Start = Callable[..., Neovim]


@pytest.fixture
def start(neovim_setup: tuple[str, str], tmp_path: Path, child_environment: dict[str, str]) -> Iterator[Start]:
    """Open a file in a Neovim that has this plugin and nothing else."""
    opened: list[Neovim] = []

    def open_file(
        text: str,
        command: list[str],
        *,
        name: str = "example.py",
        before: str = "",
        sets_up: bool = True,
        waits: bool = True,
        **options: object,
    ) -> Neovim:
        file = tmp_path / name
        file.write_bytes(text.encode())
        neovim = Neovim(neovim_setup[0], tmp_path / str(len(opened)), child_environment)
        opened.append(neovim)
        neovim.lua(before)
        if sets_up:
            neovim.setup({"cmd": command, **options})
        neovim.api.command(f"edit {file}")
        if waits:
            neovim.await_server()
        return neovim

    yield open_file
    for neovim in opened:
        neovim.close()


@pytest.fixture
def scripted(start: Start, server: Server) -> Start:
    """The same, with the scripted server."""

    def open_file(text: str, **options: Any) -> Neovim:  # noqa: ANN401
        return start(text, server.command, **options)

    return open_file
