"""The server as a process: missing, killed, started anew."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.editors.nvim.conftest import Server, Start, version_of
from tests.editors.nvim.neovim import COLLECT_NOTIFICATIONS, Neovim, until

NOTIFIED = "return vim.g.notified"
NUM_CLIENTS = "return #vim.lsp.get_clients({ name = 'dlm_lsp' })"
NUM_STARTED = "return #vim.lsp.get_clients({ name = 'dlm_lsp', _uninitialized = true })"
ENABLE_WITH_FUNCTION = """
local command = ...
vim.lsp.config('dlm_lsp', { cmd = function(dispatchers) return vim.lsp.rpc.start(command, dispatchers) end })
vim.lsp.enable('dlm_lsp')
"""
DRAFT = {"text": "tot", "stableRanges": []}
NO_ENABLE = "vim.lsp.enable came with Neovim 0.11"
ADVICE = ":checkhealth dlm_lsp says what to do"


def kill(server: Server) -> None:
    os.kill(server.heard("initialize")[-1]["pid"], signal.SIGKILL)


def await_start(neovim: Neovim, server: Server, number: int) -> None:
    until(lambda: len(server.heard("initialize")) == number)
    until(lambda: neovim.served_by == number)


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
        pytest.skip(NO_ENABLE)
    before = f"{COLLECT_NOTIFICATIONS} vim.env.PATH = '/nowhere'; vim.lsp.enable('dlm_lsp')"
    neovim = start("\n", [], before=before, sets_up=False, waits=False)
    until(lambda: neovim.lua(NOTIFIED))
    assert neovim.lua(NOTIFIED) == [f'dlm-lsp: "dlm-lsp" is not on Neovim\'s PATH; {ADVICE}']


@pytest.mark.parametrize("name", ["example.py", "notes.txt"])
def test_a_restart_says_that_the_server_is_still_missing(start: Start, name: str) -> None:
    neovim = start("\n", ["nowhere-to-be-found"], name=name, before=COLLECT_NOTIFICATIONS, waits=False)
    neovim.lua("vim.g.notified = {}")
    for number in (1, 2):
        neovim.api.command("DlmRestart")
        assert neovim.lua(NOTIFIED) == [f'dlm-lsp: "nowhere-to-be-found" is not on Neovim\'s PATH; {ADVICE}'] * number


def test_a_restart_does_not_switch_on_what_the_user_has_switched_off(
    scripted: Start, neovim_setup: tuple[str, str]
) -> None:
    if version_of(neovim_setup[0]) < (0, 11):
        pytest.skip(NO_ENABLE)
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS)
    neovim.lua("vim.lsp.enable('dlm_lsp', false)")
    neovim.api.command("DlmRestart")
    assert neovim.lua("return vim.lsp.is_enabled('dlm_lsp')") is False
    assert "vim.lsp.enable('dlm_lsp') enables it" in neovim.lua(NOTIFIED)[0]


def test_a_server_that_cannot_start_is_reported_once_and_not_started_again(start: Start, tmp_path: Path) -> None:
    broken, starts = tmp_path / "broken", tmp_path / "starts"
    broken.write_text(f"#!/bin/sh\necho start >> {starts}\nexit 1\n")
    broken.chmod(0o755)
    neovim = start("\n", [str(broken)], before=COLLECT_NOTIFICATIONS, waits=False)
    until(lambda: [text for text in neovim.lua(NOTIFIED) if text.startswith("dlm-lsp: ")])
    neovim.lua("vim.wait(500)")
    own = [text for text in neovim.lua(NOTIFIED) if text.startswith("dlm-lsp: ")]
    assert len(own) == 1
    assert ":checkhealth dlm_lsp" in own[0]
    assert starts.read_text().splitlines() == ["start"]


def test_a_command_that_is_a_function_is_called(start: Start, server: Server, neovim_setup: tuple[str, str]) -> None:
    if version_of(neovim_setup[0]) < (0, 11):
        pytest.skip(NO_ENABLE)
    neovim = start("\n", [], before="vim.env.PATH = '/nowhere'", sets_up=False, waits=False)
    neovim.lua(ENABLE_WITH_FUNCTION, server.command)
    neovim.await_server()


@pytest.mark.surface("native")
def test_a_command_that_vim_lsp_config_names_is_served_by_like_any_other(start: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]}, drafts=[DRAFT], held_at=1)
    neovim = start("\n", [], before="vim.env.PATH = '/nowhere'", sets_up=False, waits=False)
    neovim.lua("vim.lsp.config('dlm_lsp', { cmd = ... }); vim.lsp.enable('dlm_lsp')", server.command)
    neovim.await_server()
    neovim.press("ix = ")
    neovim.await_ghost("tot")
    server.goes_on()
    neovim.await_ghost("total")
    neovim.press("q")
    neovim.await_lines(["x = q"])
    neovim.await_no_ghost()


@pytest.mark.parametrize("before", ["", "vim.lsp.enable = nil; vim.lsp.is_enabled = nil; vim.lsp.config = nil;"])
def test_a_server_that_is_killed_is_started_again_once(scripted: Start, server: Server, before: str) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n", before=f"{before} {COLLECT_NOTIFICATIONS}")
    kill(server)
    await_start(neovim, server, 2)
    neovim.press("ix = ")
    neovim.await_ghost("total")
    neovim.press("<Esc>")
    kill(server)
    until(lambda: any(":DlmRestart starts it again" in text for text in neovim.lua(NOTIFIED)))
    neovim.lua("vim.wait(500)")
    assert (neovim.lua(NUM_CLIENTS), len(server.heard("initialize"))) == (0, 2)
    neovim.api.command("DlmRestart")
    await_start(neovim, server, 3)


def test_a_server_that_is_stopped_stays_so(scripted: Start, server: Server) -> None:
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS)
    neovim.lua("vim.lsp.stop_client(vim.lsp.get_clients(), true)")
    until(lambda: neovim.lua(NUM_CLIENTS) == 0)
    neovim.lua("vim.wait(500)")
    assert (neovim.lua(NOTIFIED), len(server.heard("initialize"))) == ([], 1)
    neovim.api.command("checkhealth dlm_lsp")
    assert ":DlmRestart" in "\n".join(neovim.lines)


def test_a_server_that_runs_is_started_anew(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total"]})
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS)
    neovim.api.command("DlmRestart")
    await_start(neovim, server, 2)
    neovim.press("ix = ")
    neovim.await_ghost("total")
    assert neovim.lua(NOTIFIED) == []


def test_a_server_that_never_answers_can_be_replaced(start: Start, server: Server) -> None:
    neovim = start("\n", ["sleep", "600"], before=COLLECT_NOTIFICATIONS, waits=False)
    until(lambda: neovim.lua(NUM_STARTED) == 1)
    neovim.setup({"cmd": server.command})
    neovim.api.command("DlmRestart")
    until(lambda: neovim.served_by == 2)
    until(lambda: neovim.lua(NUM_STARTED) == 1)
    assert neovim.lua(NOTIFIED) == []


def waiting(scripted: Start) -> Neovim:
    neovim = scripted("\n", before=COLLECT_NOTIFICATIONS)
    neovim.api.command("inoremap <M-x> <Cmd>let g:is_pressed = 1<CR>")
    neovim.press("ix = ")
    neovim.await_ghost("tot")
    neovim.press("<Tab>")
    neovim.await_ghost("tot ⇥")
    return neovim


def press_another_key(neovim: Neovim) -> None:
    neovim.press("<M-x>")
    until(lambda: neovim.lua("return vim.g.is_pressed"))
    neovim.lua("vim.wait(50)")


def test_a_draft_that_waits_goes_with_its_server(scripted: Start, server: Server) -> None:
    server.says(completions={"x = ": ["total + 1"]}, drafts=[DRAFT], held_at=1)
    neovim = waiting(scripted)
    neovim.lua("vim.lsp.stop_client(vim.lsp.get_clients(), true)")
    until(lambda: neovim.lua(NUM_CLIENTS) == 0)
    neovim.await_no_ghost()
    press_another_key(neovim)
    assert neovim.ghost() == ""


def test_what_a_hung_server_has_left_goes_when_another_takes_its_place(scripted: Start, server: Server) -> None:
    server.says(drafts=[DRAFT], held_at=1)
    neovim = waiting(scripted)
    hung = server.heard("initialize")[-1]["pid"]
    os.kill(hung, signal.SIGSTOP)
    try:
        neovim.api.command("DlmRestart")
        await_start(neovim, server, 2)
        press_another_key(neovim)
        assert neovim.ghost() == ""
    finally:
        with suppress(ProcessLookupError):  # it has ended, as it should
            os.kill(hung, signal.SIGKILL)
