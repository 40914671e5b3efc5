"""The accepting key on a draft: remembered until the suggestion is there, unless another key comes first."""

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, Neovim, until

DRAFT = {"text": "tot", "stableRanges": []}
HINT = " ⇥"


def with_draft(scripted: Start, text: str = "\n", keys: str = "ix = ") -> Neovim:
    neovim = scripted(text, before=COLLECT_NOTIFICATIONS)
    neovim.press(keys)
    neovim.await_ghost("tot")
    return neovim


def test_a_draft_is_accepted_once_it_is_finished(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = with_draft(scripted)
    neovim.press("<Tab>")
    neovim.await_ghost("tot" + HINT)
    assert neovim.lines == ["x = "]
    server.goes_on()
    neovim.await_lines(["x = total + 1"])
    assert neovim.cursor == (1, 13)
    neovim.await_no_ghost()
    until(lambda: server.heard("didAccept"))
    neovim.press(" # one<Esc>u")
    neovim.await_lines(["x = total + 1"])
    neovim.press("u")
    neovim.await_lines(["x = "])


def test_its_first_word_can_be_accepted_too(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = with_draft(scripted)
    neovim.press("<M-Right>")
    neovim.await_ghost("tot" + HINT)
    server.goes_on()
    neovim.await_lines(["x = total"])
    neovim.await_ghost(" + 1")


def test_another_key_takes_it_back(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = with_draft(scripted)
    neovim.api.command("inoremap <M-x> <Cmd>let g:is_pressed = 1<CR>")
    neovim.press("<Tab>")
    neovim.await_ghost("tot" + HINT)
    neovim.press("<M-x>")
    neovim.await_ghost("tot")
    server.goes_on()
    neovim.await_ghost("total + 1")
    assert neovim.lines == ["x = "]


def test_what_is_typed_takes_it_back(scripted: Start, server: Server) -> None:
    server.says(completions={"x = t": ["otal + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = with_draft(scripted)
    server.goes_on(held_at=0)  # no draft of another request
    neovim.press("<Tab>t")
    neovim.await_ghost("ot")
    server.goes_on()
    neovim.await_ghost("otal + 1")
    assert neovim.lines == ["x = t"]


def test_the_reason_is_said_where_nothing_came_of_the_draft(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1, status={"state": "inactive", "message": "the model wrote nothing"})
    neovim = with_draft(scripted)
    neovim.press("<Tab>")
    neovim.await_ghost("tot" + HINT)
    server.goes_on()
    until(lambda: neovim.lua("return vim.g.notified") == ["dlm-lsp: the model wrote nothing"])
    assert neovim.lines == ["x = "]
    neovim.press("<Tab>")
    neovim.await_lines(["x =     "])


def test_it_is_said_that_nothing_came_where_no_reason_is_known(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1)
    neovim = with_draft(scripted)
    neovim.press("<Tab>")
    neovim.await_ghost("tot" + HINT)
    server.goes_on()
    until(lambda: neovim.lua("return vim.g.notified") == ["dlm-lsp: there is nothing to accept"])


def test_the_error_is_said_where_the_request_failed(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1, failure="the model has gone")
    neovim = with_draft(scripted)
    neovim.press("<Tab>")
    neovim.await_ghost("tot" + HINT)
    server.goes_on()
    until(lambda: neovim.lua("return vim.g.notified") == ["dlm-lsp: the model has gone"])


def test_the_draft_of_a_fill_needs_no_key(scripted: Start, server: Server) -> None:
    start = {"line": 0, "character": 4}
    server.says(fill={"range": {"start": start, "end": start}, "text": "total"}, drafts=[DRAFT], held_at=1)
    neovim = scripted("x = \n")
    neovim.press("A<C-o>:DlmFill<CR>")
    neovim.await_ghost("tot")
    neovim.press("<Tab><Cmd>let g:is_pressed = 1<CR>")
    until(lambda: neovim.lua("return vim.g.is_pressed"))
    server.goes_on()
    neovim.await_lines(["x = total"])
