"""Closers that Neovim inserts by itself, with the real server: ghost text fits around them and doubles none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Start
from tests.editors.nvim.neovim import Neovim, until
from tests.editors.scripted_daemon import ScriptedDaemon

CLOSING = """
vim.cmd('filetype indent off')
for opener, closer in pairs({ ['('] = ')', ['['] = ']', ['{'] = '}' }) do
  vim.keymap.set('i', opener, opener .. closer .. '<Left>')
  vim.keymap.set('i', closer, function()
    local column = vim.fn.col('.')
    return vim.fn.getline('.'):sub(column, column) == closer and '<Right>' or closer
  end, { expr = true })
end
vim.keymap.set('i', '<CR>', function()
  local column = vim.fn.col('.')
  return vim.fn.getline('.'):sub(column - 1, column) == '{}' and '<CR><C-o>O' or '<CR>'
end, { expr = true })
"""
"""What people map, or have a plugin map: pairs, typing over, and Enter between two braces."""

BEFORE = "def last(stack):\n    \n"


@pytest.fixture
def daemon(tmp_path: Path) -> ScriptedDaemon:
    folder = tmp_path / "daemon"
    folder.mkdir()
    return ScriptedDaemon(folder)


Open = Callable[[str], Neovim]


@pytest.fixture
def opened(start: Start, daemon: ScriptedDaemon) -> Open:
    def open_file(text: str) -> Neovim:
        return start(text, daemon.command, before=CLOSING, settings={"debounceMs": 0, "drafts": False})

    return open_file


SUM = "return sum(stack.top[0]) + 1"


@pytest.mark.parametrize("num_typed", [SUM.index("(") + 1, SUM.index("[") + 1, SUM.index("0") + 1])
def test_the_rest_is_shown_around_them_and_taken_once(opened: Open, daemon: ScriptedDaemon, num_typed: int) -> None:
    daemon.fills_in(SUM)
    neovim = opened(BEFORE)
    neovim.press("jA")
    neovim.await_ghost(SUM)
    for key in SUM[:num_typed]:
        neovim.press(key)
    until(lambda: neovim.cursor == (2, 4 + num_typed))
    assert neovim.lines[1].removeprefix(f"    {SUM[:num_typed]}") in (")", "])")
    # Neovim's own ghost text begins after closers at the cursor.
    until(lambda: (ghost := neovim.ghost()) and SUM[num_typed:].endswith(ghost))
    assert daemon.num_requests == 1
    neovim.press("<Tab>")
    neovim.await_lines([BEFORE.splitlines()[0], f"    {SUM}"])


@pytest.mark.parametrize("indentation", ["    ", "        "], ids=["as filled", "not as filled"])
def test_a_block_that_is_closed_below_is_filled_up_to_there(
    opened: Open, daemon: ScriptedDaemon, indentation: str
) -> None:
    daemon.fills_in(f"sizes = {{\n        1: 2,\n{indentation}}}\n    return sizes")
    neovim = opened(BEFORE)
    neovim.press("jA")
    neovim.await_ghost()
    neovim.press("sizes = {<CR>")
    first, *_ = BEFORE.splitlines()
    neovim.await_lines([first, "    sizes = {", "    ", "    }"])
    neovim.await_ghost("    1: 2,")
    assert daemon.num_requests == 1
    neovim.press("<Tab>")
    neovim.await_lines([first, "    sizes = {", "        1: 2,", "    }"])
    neovim.press("<Down><End>")
    neovim.await_ghost("\n    return sizes")
    neovim.press("<Tab>")
    neovim.await_lines([first, "    sizes = {", "        1: 2,", "    }", "    return sizes"])
