"""The real daemon with the weights that ship, in real Neovim: every feature once, whatever text the weights write."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.nvim.conftest import Start
from tests.editors.nvim.neovim import Neovim, listens, until

COMMAND = [sys.executable, "-P", "-m", "dlm_lsp", "serve"]
QUICK = {"device": "cpu", "numSteps": 4, "maxMiddleTokens": 32, "maxPromptTokens": 128, "seed": 1, "draftIntervalMs": 0}
MODEL_SECONDS = 90.0

LINE = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result +=\n    return result\n"
BODY = 'def double(number):\n    """Twice the number."""\n    pass\n\n\ndef last():\n    return 1\n'

Daemon = Callable[..., Neovim]


@pytest.fixture
def daemon(start: Start) -> Daemon:
    def open_file(text: str, **options: object) -> Neovim:
        return start(text, COMMAND, settings=QUICK, **options)

    return open_file


@contextmanager
def running(*command: str, **options: Any) -> Iterator[None]:  # noqa: ANN401 - those of `Popen`
    """A process that is ended however the test ends; waiting for it would hide why the test failed."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield
        finally:
            process.terminate()


def answer(neovim: Neovim) -> str:
    """Wait for ghost text that is not a draft any more."""

    def finished() -> str:
        chunks = neovim.chunks()  # read once: a draft may come between two looks
        is_draft = any(group.startswith("DlmLspDraft") for _, group in chunks)
        return "" if is_draft else "".join(text for text, _ in chunks)

    return until(finished, MODEL_SECONDS)


def test_ghost_text_is_shown_and_accepted(daemon: Daemon) -> None:
    neovim = daemon(LINE)
    neovim.press("4GA ")
    ghost = answer(neovim)
    neovim.press("<Tab>")
    expected = LINE.replace("result +=", f"result += {ghost}").splitlines()
    neovim.await_lines(expected)
    neovim.press("<Esc>u")
    neovim.await_lines(LINE.replace("result +=", "result += ").splitlines())


def test_a_storm_of_keys_leaves_the_worker_idle_and_the_last_answer_on_the_screen(daemon: Daemon) -> None:
    neovim = daemon(LINE)
    neovim.press("4GA")
    for _ in range(15):
        neovim.press("(n")
        neovim.press("<BS><BS>")
    neovim.press(" ")  # there is no answer while text is deleted
    ghost = answer(neovim)
    assert neovim.lines[3] == "        result += "
    neovim.await_answers()
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "normal")
    neovim.press("<Tab>")
    until(lambda: neovim.lines[3] == f"        result += {ghost.splitlines()[0]}")


def test_a_body_sharpens_is_filled_and_taken_back(daemon: Daemon) -> None:
    neovim = daemon(BODY)
    neovim.press("3G")
    neovim.press(":DlmFill 8<CR>")
    assert until(neovim.ghost, MODEL_SECONDS), "no draft was painted"
    assert {group for text, group in neovim.chunks() if text.strip()} <= {"DlmLspDraft", "DlmLspDraftUnstable"}
    until(lambda: neovim.lines != BODY.splitlines(), MODEL_SECONDS)
    filled = neovim.lines
    assert filled[:2] == BODY.splitlines()[:2]
    assert filled[-2:] == BODY.splitlines()[-2:]
    assert "    pass" not in filled
    neovim.await_no_ghost()
    neovim.press("u")
    neovim.await_lines(BODY.splitlines())


def test_a_selection_is_refilled_in_a_file_with_carriage_returns(daemon: Daemon) -> None:
    neovim = daemon(LINE.replace("\n", "\r\n").replace("total", "größe"))
    neovim.press("2GVjj")
    neovim.press(":DlmRefill<CR>")
    before = LINE.replace("total", "größe").splitlines()
    until(lambda: neovim.lines != before, MODEL_SECONDS)
    assert neovim.lines[0] == before[0]
    assert neovim.lines[-1] == before[-1]
    assert not [line for line in neovim.lines if "\r" in line]
    assert neovim.lua("return vim.bo.fileformat") == "dos"


def test_why_nothing_is_shown(daemon: Daemon) -> None:
    neovim = daemon("password = \n", name=".env.py", filetypes=["python"])
    neovim.press("A")
    until(lambda: neovim.lua("return require('dlm_lsp').status().state") == "inactive")
    assert "○: " in neovim.lua("return require('dlm_lsp').statusline()")


def test_two_editors_at_once_share_one_daemon(start: Start, tmp_path: Path, child_environment: dict[str, str]) -> None:
    address, log = tmp_path / "daemon.sock", tmp_path / "daemon.log"
    command = [*COMMAND, "--socket", str(address)]
    with log.open("w") as stderr, running(*command, env=child_environment, stderr=stderr):
        until(lambda: listens(address), MODEL_SECONDS)
        bridge = [*COMMAND, "--connect", str(address)]
        editors = [start(LINE, bridge, settings=QUICK, name=f"{name}.py") for name in ("first", "second")]
        for neovim in editors:
            neovim.press("4GA ")
        for neovim in editors:
            ghost = answer(neovim)
            neovim.press("<Tab>")
            neovim.await_lines(LINE.replace("result +=", f"result += {ghost}").splitlines())
