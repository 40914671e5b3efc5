"""A headless Neovim with the plugin of this repository: presses keys, and reads what a user would see."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pynvim

T = TypeVar("T")

PLUGIN = Path(__file__).resolve().parents[3] / "editors" / "nvim"
WAIT_SECONDS = 30.0
NATIVE_PAUSE_SECONDS = 0.2
"""How long Neovim waits after a key before it asks."""

GHOST = """
local shown = {}
for _, name in ipairs({ 'dlm_lsp', 'nvim.lsp.inline_completion' }) do
  local namespace = vim.api.nvim_get_namespaces()[name]
  local marks = namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true }) or {}
  for _, mark in ipairs(marks) do
    if mark[4].virt_text then
      table.insert(shown, { row = mark[2], col = mark[3], first = mark[4].virt_text, rest = mark[4].virt_lines or {} })
    end
  end
end
return shown
"""

NUM_PENDING = "return vim.tbl_count(vim.lsp.get_clients({ name = 'dlm_lsp' })[1].requests)"

SERVED_BY = """
local session = require('dlm_lsp.session').of(vim.api.nvim_get_current_buf())
return session and session.client.id
"""

COLLECT_NOTIFICATIONS = """
vim.g.notified = {}
vim.notify = function(text) vim.g.notified = vim.list_extend(vim.g.notified, { text }) end
"""


def until(look: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """The first true result of `look`, called until there is one."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return seen


def listens(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(address)) == 0


class Neovim:
    """One editor process, which has to be closed."""

    def __init__(self, executable: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it without anybody's configuration, and with its own folders below `folder`."""
        names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        folder.mkdir(exist_ok=True)
        own = {name: str(folder / name.lower()) for name in names}
        address = folder / "nvim.sock"
        arguments = ["--headless", "--clean", "--listen", str(address), "--cmd", f"set rtp^={PLUGIN} noswapfile"]
        self._process = subprocess.Popen(
            [executable, *arguments], env={**environment, **own}, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: listens(address))
        self.api = pynvim.attach("socket", path=str(address))

    def setup(self, options: Mapping[str, object]) -> None:
        self.lua("require('dlm_lsp').setup(...)", options)

    def await_server(self) -> None:
        until(lambda: self.served_by)

    @property
    def served_by(self) -> int | None:
        """The id of the client that the buffer gets suggestions from; clients are numbered as they start."""
        served_by: int | None = self.lua(SERVED_BY)
        return served_by

    def await_answers(self) -> None:
        """Wait until no answer is on its way any more."""
        until(lambda: self.lua(NUM_PENDING) == 0)

    def lua(self, code: str, *arguments: object) -> Any:  # noqa: ANN401
        return self.api.exec_lua(code, *arguments)

    def press(self, keys: str) -> None:
        self.api.input(keys)

    @property
    def lines(self) -> list[str]:
        return list(self.api.current.buffer[:])

    @property
    def cursor(self) -> tuple[int, int]:
        """Row from 1, byte column from 0."""
        row, column = self.api.current.window.cursor
        return row, column

    @property
    def mode(self) -> str:
        return str(self.api.api.get_mode()["mode"])

    def chunks(self) -> list[tuple[str, str]]:
        """Ghost text with its highlight groups; line breaks are chunks of their own."""
        shown = self.lua(GHOST)
        assert len(shown) <= 1, f"ghost text twice: {shown}"
        chunks: list[tuple[str, str]] = []
        for mark in shown:
            for number, line in enumerate([mark["first"], *mark["rest"]]):
                chunks += [("\n", "")] * (number > 0) + [(text, group) for text, group in line]
        return chunks

    def ghost(self) -> str:
        return "".join(text for text, _ in self.chunks())

    def await_ghost(self, text: str | None = None) -> str:
        """Wait until this ghost text, or any, is shown."""
        return until(lambda: (ghost := self.ghost()) and (text is None or ghost == text) and ghost)

    def await_no_ghost(self) -> None:
        until(lambda: not self.lua(GHOST))

    def await_lines(self, lines: list[str]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while self.lines != lines and time.monotonic() < end:
            time.sleep(0.02)
        assert self.lines == lines

    def close(self) -> None:
        """End it, and with it the server."""
        with contextlib.suppress(OSError, EOFError):
            self.api.command("qa!")
        self.api.close()
        try:
            self._process.wait(WAIT_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
