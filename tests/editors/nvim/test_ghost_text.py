"""Ghost text as keys are pressed, with a server that answers what the test says."""

import time

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import until

TEXT = "def add(a, b):\n    \n"
BODY = "a + b\n\n\nprint(add(1, 2))"


def test_accept_puts_all_of_it_in(scripted: Start, server: Server) -> None:
    server.says(completions={"    return ": [BODY]})
    neovim = scripted(TEXT)
    neovim.press("jAreturn ")
    assert neovim.await_ghost() == BODY
    assert {group for text, group in neovim.chunks() if text.strip()} <= {"DlmLspGhost", "ComplHint"}
    assert neovim.lines == ["def add(a, b):", "    return "], "ghost text is not text"
    neovim.press("<Tab>")
    neovim.await_lines(["def add(a, b):", "    return a + b", "", "", "print(add(1, 2))"])
    assert neovim.cursor == (5, 16)
    neovim.await_no_ghost()
    until(lambda: server.heard("didAccept"))
    assert server.heard("didShow")[0]["text"] == "    return " + BODY


def test_one_undo_takes_an_accepted_suggestion_back_and_not_what_was_typed(scripted: Start, server: Server) -> None:
    server.says(completions={"    return ": [BODY]})
    neovim = scripted(TEXT)
    neovim.press("jAreturn ")
    neovim.await_ghost(BODY)
    neovim.press("<Tab>")
    until(lambda: len(neovim.lines) == 5)
    neovim.press("  # five<Esc>")
    until(lambda: neovim.lines[-1] == "print(add(1, 2))  # five")
    neovim.press("u")
    neovim.await_lines(["def add(a, b):", "    return a + b", "", "", "print(add(1, 2))"])
    neovim.press("u")
    neovim.await_lines(["def add(a, b):", "    return "])


def test_words_and_lines_are_accepted_one_after_the_other(scripted: Start, server: Server) -> None:
    server.says(completions={"    return ": [BODY]})
    neovim = scripted(TEXT)
    neovim.press("jAreturn ")
    neovim.await_ghost(BODY)
    neovim.press("<M-Right>")
    neovim.await_lines(["def add(a, b):", "    return a"])
    neovim.await_ghost(BODY.removeprefix("a"))
    neovim.press("<M-Right>")
    neovim.await_lines(["def add(a, b):", "    return a +"])
    neovim.await_ghost(BODY.removeprefix("a +"))
    neovim.press("<M-C-Right>")
    neovim.await_lines(["def add(a, b):", "    return a + b"])
    neovim.await_ghost(BODY.removeprefix("a + b"))
    neovim.press("<M-C-Right>")
    neovim.await_lines(["def add(a, b):", "    return a + b", "", "", "print(add(1, 2))"])
    neovim.await_no_ghost()
    until(lambda: server.heard("didAccept"))
    told = [part["text"] for part in server.heard("didPartiallyAccept")]
    assert told == ["    return " + BODY] * 3


def test_typing_what_is_shown_trims_it_without_an_answer(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    server.says(seconds=60)
    neovim.press("to")
    neovim.await_ghost("tal + 1")
    neovim.press("tal + ")
    neovim.await_ghost("1")
    neovim.press("<Tab>")
    neovim.await_lines(["x = total + 1"])


@pytest.mark.surface("own")
def test_typing_what_is_shown_asks_for_nothing(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    num_requests = len(server.heard("inlineCompletion"))
    neovim.press("total")
    neovim.await_ghost(" + 1")
    assert len(server.heard("inlineCompletion")) == num_requests


def test_typing_something_else_hides_it_at_once(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    server.says(seconds=60)
    neovim.press("q")
    until(lambda: neovim.lines == ["x = q"])
    neovim.await_no_ghost()
    neovim.press("<Esc>")


def test_characters_typed_while_it_is_shown_are_not_doubled(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    server.says(seconds=60)
    neovim.press("tot<Tab>")
    neovim.await_lines(["x = total + 1"])


def test_leaving_insert_mode_hides_it(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    neovim.press("<Esc>")
    neovim.await_no_ghost()


def test_it_is_shown_in_front_of_what_follows_on_the_line(scripted: Start, server: Server) -> None:
    server.says(completions={"print(": ["first, second"]})
    neovim = scripted("print()\n")
    neovim.press("f)i")
    neovim.await_ghost("first, second")
    neovim.press("<Tab>")
    neovim.await_lines(["print(first, second)"])


def test_keys_do_what_they_did_when_nothing_is_shown(scripted: Start) -> None:
    neovim = scripted("\n")
    neovim.api.command("inoremap <expr> <M-Right> 'mapped'")
    neovim.api.command("inoremap <Plug>(plug) plugged")
    neovim.api.command("imap <M-C-Right> <Plug>(plug)")
    neovim.press("i<Tab>a<M-Right><M-C-Right>")
    neovim.await_lines(["    amappedplugged"])


def test_keys_can_be_chosen_or_left_out(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n", keymaps={"accept": "<C-y>", "dismiss": False})
    neovim.press("ix = ")
    neovim.await_ghost("total")
    assert neovim.lua("return vim.fn.maparg('<C-]>', 'i')") == ""
    neovim.press("<C-y>")
    neovim.await_lines(["x = total"])


def test_dismiss_hides_it_and_keeps_the_text(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total")
    neovim.press("<C-]>")
    neovim.await_no_ghost()
    assert neovim.lines == ["x = "]
    assert neovim.mode == "i"


def test_dismissing_a_draft_stops_what_it_was_the_draft_of(scripted: Start, server: Server) -> None:
    server.says(drafts=[{"text": "tot", "stableRanges": []}], seconds=60)
    neovim = scripted("\n")
    neovim.press("ix = ")
    until(lambda: server.heard("inlineCompletion"))
    neovim.lua("require('dlm_lsp').dismiss()")
    until(lambda: server.heard("cancelled"))
    neovim.await_no_ghost()
    assert neovim.mode == "i"


def test_candidates_are_asked_for_and_cycled_through(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["one", "two", "three"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.press("<M-\\>")
    until(lambda: [message for message in server.heard("inlineCompletion") if message["kind"] == 1])
    neovim.await_ghost("one (1/3)")
    neovim.press("<M-]>")
    neovim.await_ghost("two (2/3)")
    neovim.press("<M-[><M-[>")
    neovim.await_ghost("three (3/3)")
    neovim.press("<Tab>")
    neovim.await_lines(["x = three"])


def test_a_storm_of_keys_leaves_one_request_and_its_answer(scripted: Start, server: Server) -> None:
    text = "abcdefghijklmnopqrstuvwxyz1234"
    server.says(completions={text: [" = 1"]}, held_at=0)
    neovim = scripted("\n")
    neovim.press("i")
    for key in text:
        neovim.press(key)
        time.sleep(0.02)
    until(lambda: text in server.typed("inlineCompletion"))
    until(lambda: sorted([*server.typed("cancelled"), text]) == sorted(server.typed("inlineCompletion")))
    server.goes_on()
    neovim.await_ghost(" = 1")
    assert server.typed("answered") == [text], "an overtaken request went on"
    neovim.await_answers()


MOVE_LEFT = """
for column = 6, 4, -1 do
  vim.api.nvim_win_set_cursor(0, { 1, column })
  vim.api.nvim_exec_autocmds('CursorMovedI', { buffer = 0 })
end
"""
"""As `<Left>` three times, on a machine that never rests in between."""


def test_a_cursor_that_moves_on_asks_where_it_stops(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("x = abc\n")
    neovim.press("A")
    until(lambda: server.heard("answered"))
    neovim.lua(MOVE_LEFT)
    neovim.await_ghost("total")
    assert server.typed("inlineCompletion") == ["x = abc", "x = "]


@pytest.mark.surface("native")
def test_the_plugin_draws_where_neovim_could_if_set_to(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n", surface="own")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    assert not neovim.lua("return vim.lsp.inline_completion.get()")
    neovim.press("to<Tab>")
    neovim.await_lines(["x = total + 1"])


@pytest.mark.surface("native")
def test_typing_past_what_is_known_of_a_draft_keeps_its_request(scripted: Start, server: Server) -> None:
    server.says(
        completions={"x = ": ["total(a)"], "x = t": ["otal(a)"]},
        drafts=[{"text": "…(a)", "stableRanges": []}],
        held_at=1,
    )
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("…(a)")
    server.goes_on(held_at=0)  # no draft of another request
    neovim.press("t")
    neovim.await_no_ghost()
    server.goes_on()
    neovim.await_ghost("otal(a)")
    assert "x = " not in server.typed("cancelled")
