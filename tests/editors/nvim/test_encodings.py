"""Line endings and characters of several units: server and buffer agree on positions."""

from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Server, Start


def test_carriage_returns_stay_out_of_the_buffer(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["[\r\n    1,\r\n]"]})
    neovim = scripted("first\r\n\r\n")
    assert neovim.lua("return vim.bo.fileformat") == "dos"
    neovim.press("jix = ")
    assert neovim.await_ghost() == "[\n    1,\n]"
    neovim.press("<Tab>")
    neovim.await_lines(["first", "x = [", "    1,", "]"])
    neovim.api.command("write")
    file = Path(neovim.lua("return vim.api.nvim_buf_get_name(0)"))
    assert file.read_bytes() == b"first\r\nx = [\r\n    1,\r\n]\r\n"


SPEAKS_ONLY = """
local capabilities = vim.lsp.protocol.make_client_capabilities()
capabilities.general.positionEncodings = { '%s' }
vim.lsp.protocol.make_client_capabilities = function() return capabilities end
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_multibyte_text_before_the_cursor(scripted: Start, server: Server, encoding: str) -> None:
    server.says(completions={"é = '😀' + ": ["'漢' + é"]})
    neovim = scripted("\n", before=SPEAKS_ONLY % encoding)
    neovim.press("ié = '😀' + ")
    neovim.await_ghost("'漢' + é")
    column = {"utf-8": 14, "utf-16": 11}[encoding]
    assert server.heard("inlineCompletion")[-1]["character"] == column
    neovim.press("<M-Right>")
    neovim.await_lines(["é = '😀' + '"])
    neovim.await_ghost("漢' + é")
    neovim.press("<Tab>")
    neovim.await_lines(["é = '😀' + '漢' + é"])
