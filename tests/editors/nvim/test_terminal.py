"""Neovim as its users see it: in a terminal, with colours, the real daemon and the weights that ship.

`DLM_LSP_IMAGES=1` writes the screen to editors/nvim/images, for the README.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.editors.nvim.neovim import PLUGIN, until
from tests.editors.unwritten import UNWRITTEN, unwritten_body

MODEL_SECONDS = 90.0
COLUMNS, ROWS = 80, 28
IMAGES = PLUGIN / "images"
BACKGROUND, FOREGROUND = (20, 22, 27), (224, 226, 234)
"""Of Neovim's own dark colours, which the terminal is told about cell by cell."""

INIT = """
vim.opt.runtimepath:prepend('{plugin}')
vim.o.swapfile, vim.o.termguicolors, vim.o.laststatus, vim.o.ruler = false, true, 2, false
vim.o.statusline = "%f %m%= %{{%v:lua.require'dlm_lsp'.statusline()%}} "
require('dlm_lsp').setup({{
  cmd = {{ '{python}', '-P', '-m', 'dlm_lsp', 'serve' }},
  settings = {{ device = 'cpu' }},
}})
"""


class Terminal:
    """A tmux server of its own, with one window."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._name = f"dlm-lsp-{uuid.uuid4().hex}"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        environment = {**environment, "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        self._tmux("-f", os.devnull, "new-session", "-d", *size, shlex.join(command), environment=environment)
        self._tmux("set", "-s", "escape-time", "0")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options)

    def close(self) -> None:
        """End the server; it is gone already if its window has ended."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _tmux(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        command = ["tmux", "-L", self._name, "-u", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def terminal(neovim_setup: tuple[str, str], tmp_path: Path, child_environment: dict[str, str]) -> Iterator[Terminal]:
    if not shutil.which("tmux"):
        pytest.skip("no tmux on the PATH")
    (tmp_path / "init.lua").write_text(INIT.format(plugin=PLUGIN, python=sys.executable))
    shutil.copy(UNWRITTEN, tmp_path)
    folders = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    command = [neovim_setup[0], "--clean", "-u", str(tmp_path / "init.lua"), str(tmp_path / UNWRITTEN.name)]
    window = Terminal(["env", f"-C{tmp_path}", "TERM=tmux-256color", *command], {**child_environment, **folders})
    yield window
    window.close()


def colours(screen: str, text: str) -> set[str]:
    """The foreground colours in which a text is on the screen, as the terminal got them."""
    found, foreground = set(), ""
    for escape, plain in re.findall(r"\x1b\[([\d;]*)m|([^\x1b]+)", screen):
        if escape:
            colour = re.search(r"38;2;\d+;\d+;\d+", escape)
            foreground = colour[0] if colour else "" if escape in ("", "0", "39") else foreground
        elif text in plain:
            found.add(foreground)
    return found


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", screen)


def picture(screen: str, file: Path) -> None:
    """Write the output of `capture-pane -e` as an SVG."""
    theme = TerminalTheme(BACKGROUND, FOREGROUND, [FOREGROUND] * 8)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen), crop=False)
    file.parent.mkdir(exist_ok=True)
    svg = console.export_svg(title="dlm-lsp in Neovim", theme=theme)
    # Without its fonts, which a viewer would load from the network.
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def body_rows(screen: str) -> list[str]:
    """The rows of the body that is still to be written; they end at the text below, which ghost text pushes down."""
    before, after = unwritten_body()
    blank, following = re.fullmatch(r"(\n*)(.*)\n(?:.|\n)*", after).groups()
    rows = screen.splitlines()
    end = next(number for number, row in enumerate(rows) if plain(row).rstrip() == following)
    return rows[before.count("\n") : end - len(blank)]


def colour_of_body(screen: str) -> str:
    """That of all its text; empty for a draft, which has several, and before there is any text."""
    of_rows = [colours(row, text) for row in body_rows(screen) if (text := plain(row).strip())]
    return next(iter(of_rows[0])) if of_rows and all(len(each) == 1 and each == of_rows[0] for each in of_rows) else ""


def with_ghost_text(screen: str) -> str:
    """The screen, once the server has finished and its answer is there."""
    return screen if "dlm ●" in plain(screen) and colour_of_body(screen) else ""


def test_a_whole_body_is_shown_as_ghost_text(terminal: Terminal, tmp_path: Path) -> None:
    before, after = unwritten_body()
    file = tmp_path / UNWRITTEN.name
    until(lambda: "dlm ●" in terminal.screen(), MODEL_SECONDS)
    terminal.press(f"{before.count(chr(10))}Go")
    until(lambda: "dlm ◐" in terminal.screen(), MODEL_SECONDS)
    coloured = until(lambda: with_ghost_text(terminal.screen("-e")), MODEL_SECONDS)
    ghost, ghost_colour = [plain(row).rstrip() for row in body_rows(coloured)], colour_of_body(coloured)
    assert len(ghost) > 1
    assert ghost_colour not in colours("\n".join(coloured.splitlines()[: before.count("\n")]), "numbers")
    assert file.read_text() == before + after
    if os.environ.get("DLM_LSP_IMAGES"):
        picture(coloured, IMAGES / "ghost-text.svg")
    terminal.press("Tab")
    until(lambda: ghost_colour not in colours("".join(body_rows(terminal.screen("-e"))), ghost[0].strip()))
    terminal.press("Escape", ":wq", "Enter")
    written = before + "\n".join(ghost) + "\n" + after
    until(lambda: file.read_text() == written)  # while it is being written, it is empty
