"""The server as a process: missing."""

from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Start, version_of
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, until

NOTIFIED = "return vim.g.notified"
ADVICE = ":checkhealth dlm_lsp says what to do"


@pytest.mark.parametrize(
    ("name", "problem"),
    [("nowhere-to-be-found", "is not on Neovim's PATH"), ("/nowhere/dlm-lsp", "cannot be run")],
)
def test_a_missing_server_is_reported_once(start: Start, tmp_path: Path, name: str, problem: str) -> None:
    neovim = start("\n", [name, "serve"], before=COLLECT_NOTIFICATIONS, waits=False)
    neovim.api.command(f"edit {tmp_path}/second.py")
    until(lambda: neovim.lua(NOTIFIED))
    assert neovim.lua(NOTIFIED) == [f'dlm-lsp: "{name}" {problem}; {ADVICE}']


def test_a_missing_server_is_reported_where_vim_lsp_enable_is_all(start: Start, neovim_setup: tuple[str, str]) -> None:
    if version_of(neovim_setup[0]) < (0, 11):
        pytest.skip("vim.lsp.enable came with Neovim 0.11")
    before = f"{COLLECT_NOTIFICATIONS} vim.env.PATH = '/nowhere'; vim.lsp.enable('dlm_lsp')"
    neovim = start("\n", [], before=before, sets_up=False, waits=False)
    until(lambda: neovim.lua(NOTIFIED))
    assert neovim.lua(NOTIFIED) == [f'dlm-lsp: "dlm-lsp" is not on Neovim\'s PATH; {ADVICE}']
