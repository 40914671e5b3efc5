"""Servers, buffers and modes that come and go while something is shown or on its way."""

import time
from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import NATIVE_PAUSE_SECONDS, until

DRAFT = {"text": "tot", "stableRanges": []}

ANOTHER_CLIENT = """
local config = require('dlm_lsp.server').lsp_config()
local defaults = vim.lsp.protocol.make_client_capabilities()
config.capabilities = vim.tbl_deep_extend('force', defaults, config.capabilities)
return vim.lsp.start(config, { bufnr = 0, reuse_client = function() return false end })
"""

NUM_CLIENTS = "return #vim.lsp.get_clients({ bufnr = 0, _uninitialized = true })"

BEFORE_0_11 = "vim.lsp.enable = nil; vim.lsp.is_enabled = nil; vim.lsp.config = nil; vim.cmd('filetype on')"

PAINT = """
local id, buf = ..., vim.api.nvim_get_current_buf()
local at = { line = 0, character = 4 }
require('dlm_lsp.drafts').on_draft(nil, {
  uri = vim.uri_from_bufnr(0), version = vim.lsp.util.buf_versions[buf], requestId = id, text = 'total',
  range = { start = at, ['end'] = at }, stableRanges = {}
}, { client_id = vim.lsp.get_clients({ name = 'dlm_lsp' })[1].id })
"""

NEWEST_REQUEST = """
local newest = 0
for id, request in pairs(vim.lsp.get_clients({ name = 'dlm_lsp' })[1].requests) do
  newest = request.type == 'pending' and math.max(newest, id) or newest
end
return newest
"""


def test_ctrl_c_hides_it_and_stops_what_runs(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    neovim.press("<C-c>")
    neovim.await_no_ghost()
    server.says(seconds=60, drafts=[DRAFT])
    neovim.press("o")
    until(lambda: server.typed("inlineCompletion")[-1] == "")
    neovim.press("<C-c>")
    until(lambda: server.heard("cancelled"))
    neovim.await_no_ghost()


def test_a_server_that_takes_over_is_served_by_when_the_old_one_ends(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]})
    neovim = scripted("\n")
    old = neovim.served_by
    new = neovim.lua(ANOTHER_CLIENT)
    until(lambda: neovim.served_by == new)
    neovim.lua("vim.lsp.stop_client(...)", old)
    until(lambda: neovim.lua("return #vim.lsp.get_clients()") == 1)
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")
    neovim.press("<Tab>")
    neovim.await_lines(["x = total + 1"])


@pytest.mark.parametrize("before", ["", BEFORE_0_11], ids=["now", "before 0.11"])
def test_a_buffer_that_is_no_file_is_served_once_it_is_one(
    scripted: Start, server: Server, tmp_path: Path, before: str
) -> None:
    server.says(completions={"x = ": ["total + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = scripted("\n", before=before)
    for command in ("edit scratch | setlocal buftype=nofile | set filetype=python", "enew | set filetype=python"):
        neovim.api.command(command)
        neovim.lua("vim.wait(50)")
        assert neovim.lua(NUM_CLIENTS) == 0
    neovim.api.command(f"write {tmp_path}/named.py")
    neovim.await_server()
    neovim.press("ix = ")
    neovim.await_ghost("tot")
    server.goes_on()
    neovim.await_ghost("total + 1")


@pytest.mark.surface("native")
def test_a_buffer_that_gets_its_name_when_the_server_is_not_wanted_any_more_gets_none(
    scripted: Start, tmp_path: Path
) -> None:
    neovim = scripted("\n")
    neovim.api.command("enew | set filetype=python")
    neovim.lua("vim.lsp.enable('dlm_lsp', false)")
    neovim.api.command(f"write {tmp_path}/named.py")
    neovim.lua("vim.wait(50)")
    assert neovim.lua(NUM_CLIENTS) == 0


def test_a_draft_of_a_stopped_request_is_dropped(scripted: Start, server: Server) -> None:
    server.says(seconds=60)
    neovim = scripted("\n")
    neovim.press("ix = ")
    until(lambda: "x = " in server.typed("inlineCompletion"))
    asked = neovim.lua(NEWEST_REQUEST)
    neovim.lua(PAINT, asked)
    assert neovim.ghost() == "total"
    neovim.lua("require('dlm_lsp').dismiss()")
    neovim.lua(PAINT, asked)
    assert neovim.ghost() == ""
    neovim.lua(PAINT, asked + 1)
    assert neovim.ghost() == "total"


def test_a_draft_goes_when_its_request_fails(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1, failure="the model has gone")
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("tot")
    server.goes_on()
    neovim.await_no_ghost()


def test_a_fill_stopped_by_insert_mode_leaves_no_draft_there(scripted: Start, server: Server) -> None:
    fill = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 4}}, "text": "x"}
    server.says(fill=fill, seconds=60)
    neovim = scripted("pass\n")
    neovim.press(":DlmFill<CR>")
    until(lambda: server.heard("infillRange"))
    asked = neovim.lua(NEWEST_REQUEST)
    neovim.press("A")
    until(lambda: server.heard("cancelled"))
    neovim.lua(PAINT, asked)
    assert neovim.ghost() == ""


def test_a_buffer_that_is_wiped_out_does_not_come_back_with_a_draft(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1)
    neovim = scripted("\n")
    neovim.press("ix = ")
    neovim.await_ghost("tot")
    uri = neovim.lua("return vim.uri_from_bufnr(0)")
    neovim.press("<Esc>:bwipe!<CR>")
    until(lambda: neovim.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0)
    neovim.lua("require('dlm_lsp.drafts').on_draft(nil, { uri = ... }, { client_id = 1 })", uri)
    assert neovim.lua("return #vim.api.nvim_list_bufs()") == 1


OPEN_TWO_MORE = """
for _, name in ipairs({ 'second', 'third' }) do vim.cmd.edit(('%s/%s/example.py'):format(..., name)) end
"""


@pytest.mark.parametrize(("before", "waits"), [("", False), (BEFORE_0_11, True)], ids=["starting", "before 0.11"])
def test_one_server_serves_all_projects(
    scripted: Start, server: Server, tmp_path: Path, before: str, *, waits: bool
) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").touch()
    neovim = scripted("\n", name="first/example.py", before=before, waits=waits)
    neovim.lua(OPEN_TWO_MORE, str(tmp_path))
    neovim.await_server()

    def roots() -> list[str]:
        told = server.heard("initialize") + server.heard("didChangeFolders")
        return [uri for message in told for uri in message["folders"]]

    until(lambda: len(roots()) == 3)
    assert roots() == [(tmp_path / name).as_uri() for name in ("first", "second", "third")]
    assert len(server.heard("initialize")) == 1
    server.says(completions={"x = ": ["total + 1"]})
    neovim.press("ix = ")
    neovim.await_ghost("total + 1")


def test_setup_before_0_11_starts_the_server_for_what_is_open(start: Start, server: Server) -> None:
    neovim = start("\n", server.command, before=BEFORE_0_11, sets_up=False, waits=False)
    neovim.setup({"cmd": server.command})
    neovim.await_server()


@pytest.mark.surface("native")
def test_neovim_asks_nothing_during_a_fill(scripted: Start, server: Server) -> None:
    fill = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 4}}, "text": "x"}
    server.says(fill=fill, held_at=0)
    neovim = scripted("pass\n")
    neovim.press("A<C-o>:DlmFill<CR>")
    until(lambda: server.heard("infillRange"))
    num_asked = len(server.heard("inlineCompletion"))
    neovim.press("<Left>")
    time.sleep(2 * NATIVE_PAUSE_SECONDS)
    assert len(server.heard("inlineCompletion")) == num_asked
    server.goes_on()
    neovim.await_lines(["x"])
