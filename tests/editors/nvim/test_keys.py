"""The plugin's keys where they have nothing to do: other mappings of them work as without the plugin."""

import pytest

from tests.editors.nvim.conftest import Server, Start
from tests.editors.nvim.neovim import until

MAPPED = {
    "keys that are no characters": (r'inoremap <expr> <M-Right> "ab\<Left>c"', "i<M-Right>", "acb"),
    "plug": ("imap <M-Right> <Plug>(plug)", "i<M-Right>x", "pluggedx"),
    "plug or the key itself": ("imap <expr> <Tab> v:false ? '<Plug>(plug)' : '<Tab>'", "i<Tab>x", "    x"),
    "the key and more": ("imap <Tab> <Tab>a", "i<Tab>x<Tab>", "    ax  a"),
    "function": ("lua vim.keymap.set('i', '<M-Right>', function() Put('put') end)", "i<M-Right>x", "putx"),
    "several at once": ("imap <expr> <M-Right> 'a<Plug>(plug)'", "i<M-Right><M-Right>b", "apluggedapluggedb"),
}


@pytest.mark.parametrize(("mapping", "keys", "line"), MAPPED.values(), ids=list(MAPPED))
def test_a_mapping_finishes_before_the_keys_after_it(scripted: Start, mapping: str, keys: str, line: str) -> None:
    neovim = scripted("\n", before="function Put(text) vim.api.nvim_put({ text }, 'c', false, true) end")
    neovim.api.command("inoremap <Plug>(plug) plugged")
    neovim.api.command(mapping)
    neovim.press(keys)
    neovim.await_lines([line])


MAP_IN_BUFFERS = """
vim.api.nvim_create_autocmd('FileType', {
  callback = function(event) vim.keymap.set('i', '<Tab>', 'mapped', { buffer = event.buf }) end,
})
"""


def test_a_mapping_of_the_buffer_is_gone_by_and_comes_back(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n", before=MAP_IN_BUFFERS)
    neovim.press("i<Tab>")
    neovim.await_lines(["mapped"])
    neovim.press("<C-u>x = ")
    neovim.await_ghost("total")
    neovim.press("<Tab>")
    neovim.await_lines(["x = total"])
    neovim.lua("vim.lsp.stop_client(vim.lsp.get_clients())")
    until(lambda: neovim.lua("return vim.fn.maparg('<Tab>', 'i')") == "mapped")


def test_keys_are_given_back_when_the_server_stops(scripted: Start) -> None:
    neovim = scripted("\n")
    neovim.api.command("inoremap <M-]> mapped")
    neovim.lua("vim.lsp.stop_client(vim.lsp.get_clients())")
    until(lambda: neovim.lua("return #vim.lsp.get_clients()") == 0)
    neovim.press("i<M-]>")
    neovim.await_lines(["mapped"])
