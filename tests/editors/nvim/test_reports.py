"""Reports of the plugin about itself: status line, health, wrong options, help."""

import shlex
from pathlib import Path

import pytest

from dlm_lsp.languages import LANGUAGES
from tests.editors.nvim.conftest import Server, Start, version_of
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, PLUGIN, Neovim, until


def health(neovim: Neovim) -> str:
    neovim.api.command("checkhealth dlm_lsp")
    return "\n".join(neovim.lines)


def test_the_status_line_says_why_nothing_is_shown(scripted: Start, server: Server) -> None:
    server.says(status={"state": "inactive", "message": "100% of a.py is excluded"})
    neovim = scripted("\n")
    neovim.api.command("set statusline=%{%v:lua.require'dlm_lsp'.statusline()%}")
    assert neovim.lua("return vim.api.nvim_eval_statusline(vim.o.statusline, {}).str") == "dlm ●"
    neovim.press("ix")
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "inactive")
    shown = neovim.lua("return vim.api.nvim_eval_statusline(vim.o.statusline, {}).str")
    assert shown == "dlm ○: 100% of a.py is excluded"
    neovim.press("<Esc>:new<CR>")
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "off")


def test_a_reason_for_one_buffer_is_not_shown_for_another(scripted: Start, server: Server, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    server.says(status={"state": "inactive", "message": "example.py is excluded"})
    neovim = scripted("\n")
    neovim.press("ix")
    until(lambda: "x" in server.typed("answered"))
    neovim.await_answers()
    assert neovim.lua("return require('dlm_lsp').status().state") == "inactive"
    neovim.press("<Esc>")
    neovim.api.command(f"edit {tmp_path / 'other.py'}")
    neovim.await_server()
    assert neovim.lua("return require('dlm_lsp').status().state") == "normal"
    neovim.press("ix")
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "inactive")


def test_a_new_status_fires_an_event(scripted: Start, server: Server) -> None:
    server.says(status={"state": "busy", "message": "denoising"})
    neovim = scripted("\n")
    neovim.api.command("autocmd User DlmLspStatus let g:status = luaeval(\"require('dlm_lsp').status().message\")")
    neovim.press("ix")
    until(lambda: neovim.lua("return vim.g.status") == "denoising")


def test_health_of_a_server_that_runs(scripted: Start, server: Server, neovim_setup: tuple[str, str]) -> None:
    server.says(status={"state": "warning", "message": "options ignored: numSteps must be a whole number"})
    neovim = scripted("\n")
    neovim.press("ix")
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "warning")
    neovim.press("<Esc>")
    text = health(neovim)
    assert server.command[0] in text
    drawer = "vim.lsp.inline_completion" if neovim_setup[1] == "native" else "this plugin"
    assert f"ghost text is drawn by {drawer}" in text
    encoding = neovim.lua("return vim.lsp.get_clients({ name = 'dlm_lsp' })[1].offset_encoding")
    assert f"1 buffer(s), {encoding}" in text
    assert "options ignored: numSteps must be a whole number" in text
    assert "doctor" in text
    assert "ERROR" not in text


def test_health_without_a_server(start: Start) -> None:
    neovim = start("\n", ["nowhere-to-be-found", "serve"], name="notes.txt", waits=False)
    text = health(neovim)
    assert "nowhere-to-be-found is not executable" in text
    assert "pip install -c constraints.txt ." in text, "what the README says"
    assert "no server is running" in text


@pytest.mark.parametrize(
    ("command", "report"),
    [
        ("{ '/nowhere/dlm-lsp', 'serve' }", "/nowhere/dlm-lsp is not executable"),
        ("function() end", "started by the function that your configuration passes to vim.lsp.config"),
    ],
    ids=["list", "function"],
)
def test_health_is_about_the_command_that_vim_lsp_config_names(
    start: Start, server: Server, neovim_setup: tuple[str, str], command: str, report: str
) -> None:
    if version_of(neovim_setup[0]) < (0, 11):
        pytest.skip("vim.lsp.config came with Neovim 0.11")
    neovim = start("\n", server.command, name="notes.txt", waits=False)
    neovim.lua(f"vim.lsp.config('dlm_lsp', {{ cmd = {command} }})")
    text = health(neovim)
    assert report in text
    assert server.command[0] not in text


def test_wrong_options_get_a_sentence_each_and_keep_their_defaults(scripted: Start) -> None:
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS, filetypes="python", keymap={}, keymaps={"accpt": "<Tab>"})
    assert [text.split(",")[0] for text in neovim.lua("return vim.g.notified")] == [
        "dlm-lsp: filetypes must be a list of strings",
        "dlm-lsp: keymap is not an option",
        "dlm-lsp: keymaps must be false",
    ]
    assert "keymap is not an option" in health(neovim)


def test_options_reach_the_server(scripted: Start, server: Server) -> None:
    scripted("\n", settings={"numSteps": 4})
    assert server.heard("initialize")[0]["options"] == {"numSteps": 4, "drafts": True}


def test_every_language_of_the_server_starts_it(scripted: Start) -> None:
    neovim = scripted("\n")
    filetypes = set(neovim.lua("return require('dlm_lsp.config').defaults.filetypes"))
    known = {lsp_id for language in LANGUAGES for lsp_id in language.lsp_ids}
    elsewhere = {"tsx", "c++", "csharp", "shellscript", "dockercompose", "github-actions-workflow"}
    assert known - filetypes == elsewhere, "names that Neovim has no file type of"
    assert filetypes <= known


def test_every_help_tag_leads_somewhere(scripted: Start) -> None:
    neovim = scripted("\n")
    neovim.lua("vim.cmd.helptags(...)", str(PLUGIN / "doc"))
    try:
        for tag in (
            "dlm_lsp",
            ":DlmFill",
            ":DlmRefill",
            ":DlmRestart",
            "dlm_lsp-options",
            "dlm_lsp-keys",
            "dlm_lsp-highlights",
        ):
            neovim.api.command(f"help {tag}")
            assert f"*{tag}*" in neovim.api.current.line
    finally:
        (PLUGIN / "doc" / "tags").unlink()


def test_every_option_and_highlight_group_is_in_the_help(scripted: Start) -> None:
    neovim = scripted("\n")
    text = (PLUGIN / "doc" / "dlm_lsp.txt").read_text(encoding="utf-8")
    options = neovim.lua("return vim.tbl_keys(require('dlm_lsp.config').defaults)")
    keys = neovim.lua("return vim.tbl_values(require('dlm_lsp.config').defaults.keymaps)")
    groups = neovim.lua("return vim.fn.getcompletion('DlmLsp', 'highlight')")
    assert len(groups) == 5
    assert [name for name in [*options, *keys, *groups] if name not in text] == []


@pytest.mark.parametrize("call", ["require('dlm_lsp').accept()", "require('dlm_lsp').next()"])
def test_functions_do_nothing_where_no_server_is(scripted: Start, call: str) -> None:
    neovim = scripted("\n")
    neovim.api.command("new")
    neovim.lua(call)
    assert neovim.lines == [""]


def test_vim_lsp_enable_alone_is_enough(
    start: Start, server: Server, neovim_setup: tuple[str, str], tmp_path: Path
) -> None:
    if version_of(neovim_setup[0]) < (0, 11):
        pytest.skip("vim.lsp.enable came with Neovim 0.11")
    server.says(completions={"x = ": ["1"]})
    installed = tmp_path / "dlm-lsp"
    installed.write_text(f'#!/bin/sh\n[ "$1" = serve ] && exec {shlex.join(server.command)}\n')
    installed.chmod(0o755)
    neovim = start("\n", ["none"], before=f"vim.env.PATH = '{tmp_path}:' .. vim.env.PATH", sets_up=False, waits=False)
    neovim.lua("vim.lsp.enable('dlm_lsp')")
    neovim.api.command("edit")
    neovim.await_server()
    neovim.press("ix = ")
    neovim.await_ghost("1")


def test_before_0_11_the_server_is_started_by_the_plugin_itself(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["1"]})
    neovim = scripted("\n", before="vim.lsp.enable = nil; vim.lsp.config = nil")
    neovim.press("ix = ")
    neovim.await_ghost("1")
