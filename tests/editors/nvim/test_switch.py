"""Off and on at run time, everywhere or in one buffer."""

import time
from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, NATIVE_PAUSE_SECONDS, until


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
    until(lambda: f":DlmEnable{bang} switches it on" in "".join(neovim.lua("return vim.g.notified")))
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


def test_what_holds_everywhere_is_toggled_where_a_buffer_has_its_own(scripted: Start) -> None:
    neovim = scripted("\n")
    neovim.api.command("DlmEnable!")
    states = []
    for _ in range(2):
        neovim.api.command("DlmToggle")
        states.append((neovim.lua("return vim.g.dlm_lsp_enabled"), neovim.lua("return vim.b.dlm_lsp_enabled")))
    assert states == [(False, True), (True, True)]


@pytest.mark.parametrize(("bang", "place"), [("", "everywhere"), ("!", "in this buffer")])
def test_a_toggle_says_how_it_is_now(scripted: Start, bang: str, place: str) -> None:
    neovim = scripted("\n")
    said = [neovim.lua("return vim.fn.execute(...)", f"DlmToggle{bang}").strip() for _ in range(2)]
    assert said == [f"dlm-lsp: off {place} (:DlmToggle{bang} switches it on)", "dlm-lsp: on"]


def test_a_toggle_says_where_this_buffer_stays_off(scripted: Start) -> None:
    neovim = scripted("\n")
    neovim.api.command("DlmDisable!")
    neovim.api.command("DlmToggle")
    said = neovim.lua("return vim.fn.execute('DlmToggle')").strip()
    assert said == "dlm-lsp: on everywhere except in this buffer (:DlmToggle! switches it on here)"


@pytest.mark.parametrize("scope", ["b", "g"])
def test_the_variable_switches_off_what_is_shown_at_the_next_key(scripted: Start, server: Server, scope: str) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total")
    neovim.api.command(f"let {scope}:dlm_lsp_enabled = 0")
    neovim.press("t")
    neovim.await_no_ghost()
    neovim.await_lines(["x = t"])


def test_an_answer_that_comes_after_the_variable_has_switched_off_is_not_shown(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]}, held_at=0)
    neovim = scripted("\n")
    neovim.press("ix = ")
    until(lambda: "x = " in server.typed("inlineCompletion"))
    neovim.api.command("let b:dlm_lsp_enabled = 0")
    server.goes_on()
    until(lambda: "x = " in server.typed("answered"))
    neovim.await_answers()
    assert neovim.ghost() == ""
