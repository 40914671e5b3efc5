"""Off and on at run time, everywhere or in one buffer."""

import time
from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, until

NATIVE_PAUSE_SECONDS = 0.2


@pytest.mark.parametrize("bang", ["", "!"])
def test_nothing_is_asked_for_while_it_is_off(scripted: Start, server: Server, bang: str) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS)
    neovim.press("ix = ")
    neovim.await_ghost("total")
    neovim.press(f"<Cmd>DlmDisable{bang}<CR>")
    neovim.await_no_ghost()
    num_asked = len(server.heard("inlineCompletion"))
    neovim.press("<Tab>")
    neovim.await_lines(["x =     "])
    time.sleep(2 * NATIVE_PAUSE_SECONDS)
    neovim.press("<Esc>:DlmFill<CR>")
    until(lambda: "switched off" in "".join(neovim.lua("return vim.g.notified")))
    assert (len(server.heard("inlineCompletion")), server.heard("infillRange")) == (num_asked, [])
    assert neovim.lua("return require('dlm_lsp').statusline()") == "dlm –: switched off"
    neovim.press(f":DlmToggle{bang}<CR>Sx = ")
    neovim.await_ghost("total")


def test_a_buffer_overrules_what_holds_everywhere(scripted: Start, server: Server, tmp_path: Path) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n")
    neovim.api.command("DlmDisable!")
    neovim.api.command(f"edit {tmp_path}/second.py")
    neovim.await_server()
    neovim.press("ix = ")
    neovim.await_ghost("total")
    neovim.press("<Esc>")
    neovim.api.command("DlmDisable")
    neovim.api.command("let b:dlm_lsp_enabled = v:true")
    neovim.press("Sx = ")
    neovim.await_ghost("total")
    assert [neovim.lua("return require('dlm_lsp').is_enabled(...)", buf) for buf in (1, 2)] == [False, True]
