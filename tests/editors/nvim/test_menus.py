"""Ghost text makes room for a menu, and comes back when that closes."""

import time

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import NATIVE_PAUSE_SECONDS, until

MENU_CLOSED = "return vim.fn.pumvisible() == 0"
MENU_OPEN = "return vim.fn.pumvisible() == 1"


def test_it_is_hidden_while_the_popup_menu_is_open(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"]})
    neovim = scripted("tomato\ntoast\n\n")
    neovim.press("jjito")
    neovim.await_ghost("tal")
    neovim.press("<C-x><C-n>")
    until(lambda: neovim.lua(MENU_OPEN))
    neovim.await_no_ghost()
    neovim.press("<C-e>")
    neovim.await_ghost("tal")


ANOTHER_PLUGIN = """
local dlm, on = require('dlm_lsp'), vim.api.nvim_create_autocmd
on('User', { pattern = 'MenuOpen', callback = dlm.menu_opened })
on('User', { pattern = 'MenuClose', callback = dlm.menu_closed })
vim.keymap.set('i', '<Tab>', 'x')
"""


def test_it_leaves_room_and_key_to_the_menu_of_another_plugin(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"]})
    neovim = scripted("\n", before=ANOTHER_PLUGIN)
    neovim.press("ito")
    neovim.await_ghost("tal")
    neovim.api.command("doautocmd User MenuOpen")
    neovim.await_no_ghost()
    neovim.press("<Tab>")
    neovim.await_lines(["tox"])
    neovim.press("<BS>")
    neovim.await_lines(["to"])
    time.sleep(2 * NATIVE_PAUSE_SECONDS)
    assert neovim.ghost() == ""
    neovim.api.command("doautocmd User MenuClose")
    neovim.await_ghost("tal")
    neovim.press("<Tab>")
    neovim.await_lines(["total"])


def test_a_menu_that_closes_without_having_been_open_changes_nothing(scripted: Start, server: Server) -> None:
    neovim = scripted("\n", before=ANOTHER_PLUGIN)
    neovim.press("ito")
    until(lambda: "to" in server.typed("answered"))
    num_asked = len(server.heard("inlineCompletion"))
    neovim.api.command("doautocmd User MenuClose")
    time.sleep(NATIVE_PAUSE_SECONDS)
    assert len(server.heard("inlineCompletion")) == num_asked


def test_a_menu_does_not_outlive_insert_mode(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"]})
    neovim = scripted("\n", before=ANOTHER_PLUGIN)
    neovim.api.command("doautocmd User MenuOpen")
    neovim.press("ix<Esc>Sto")
    neovim.await_ghost("tal")


def test_an_answer_that_comes_while_the_popup_menu_is_open_waits(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"]}, held_at=0)
    neovim = scripted("tomato\ntoast\n\n")
    neovim.press("jjito")
    until(lambda: "to" in server.typed("inlineCompletion"))
    neovim.press("<C-x><C-n><C-p>")  # the menu, with what is typed in place of its first entry
    until(lambda: neovim.lua(MENU_OPEN))
    server.goes_on()
    until(lambda: "to" in server.typed("answered"))
    neovim.await_answers()
    assert neovim.ghost() == ""
    assert neovim.lua(MENU_OPEN)
    neovim.press("<C-e>")
    neovim.await_ghost("tal")
    neovim.press("<Tab>")
    neovim.await_lines(["tomato", "toast", "total"])


def test_an_entry_of_the_popup_menu_that_is_taken_is_gone_on_from(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"], "tomato": [" = 1"]})
    neovim = scripted("tomato\ntoast\n\n")
    neovim.press("jjito")
    neovim.await_ghost("tal")
    neovim.press("<C-x><C-n>")
    until(lambda: neovim.lua(MENU_OPEN) and neovim.lines[2] == "tomato")
    neovim.press("<C-y>")
    until(lambda: neovim.lua(MENU_CLOSED))
    neovim.await_ghost(" = 1")
    assert neovim.lines[2] == "tomato"


def test_leaving_insert_mode_from_the_popup_menu_shows_nothing(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal"], "tomato": [" = 1"], "tomat": ["o = 1"]})
    neovim = scripted("tomato\ntoast\n\n")
    neovim.press("jjito")
    neovim.await_ghost("tal")
    neovim.press("<C-x><C-n>")
    until(lambda: neovim.lua(MENU_OPEN))
    neovim.press("<Esc>")
    until(lambda: neovim.mode == "n")
    time.sleep(2 * NATIVE_PAUSE_SECONDS)
    assert neovim.ghost() == ""


def test_what_is_left_after_a_word_comes_back_when_the_popup_menu_has_gone(scripted: Start, server: Server) -> None:
    server.says(completions={"to": ["tal + toast"], "total": [" + toast"]})
    neovim = scripted("totally\ntotals\n\n")
    neovim.press("jjito")
    neovim.await_ghost("tal + toast")
    neovim.press("<M-Right>")
    neovim.await_ghost(" + toast")
    neovim.press("<C-x><C-n>")
    until(lambda: neovim.lua("return vim.fn.pumvisible()") == 1)
    neovim.await_no_ghost()
    neovim.press("<C-e>")
    neovim.await_ghost(" + toast")
    neovim.press("<M-C-Right>")
    neovim.await_lines(["totally", "totals", "total + toast"])
