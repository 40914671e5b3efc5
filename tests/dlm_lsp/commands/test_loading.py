import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE

SCRIPT = """
import os, signal, sys, types
from rich.console import Console
from dlm_lsp.commands.loading import load_engine
from dlm_lsp.options import Settings

def interrupted(model, device, precision, *, find_guide):
    os.kill(os.getpid(), signal.SIGINT)
    raise ImportError("what torch makes of an interrupt")

sys.modules["dlm_model.engine"] = types.SimpleNamespace(load_engine=interrupted)
load_engine(Settings(), Console(stderr=True))
"""


def test_ctrl_c_while_the_model_loads_ends_the_process_without_a_word(child_environment: Mapping[str, str]) -> None:
    ending = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=child_environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ending.returncode, ending.stdout, ending.stderr) == (INTERRUPTED_EXIT_CODE, "", "")


ELSEWHERE = """
from dlm_lsp import __main__, cli

def interrupted(arguments):
    raise KeyboardInterrupt

cli.run = interrupted
__main__.main()
"""


@pytest.mark.parametrize("script", [SCRIPT, ELSEWHERE], ids=["loading", "elsewhere"])
def test_in_a_terminal_the_prompt_begins_on_a_new_line_after_ctrl_c(
    script: str, child_environment: Mapping[str, str]
) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    command = [sys.executable, "-c", script]
    ending = subprocess.run(command, env=child_environment, stderr=theirs, timeout=60, check=False)
    assert ending.returncode == INTERRUPTED_EXIT_CODE
    assert os.read(ours, 65536).endswith(b"\n")
    os.close(theirs)
    os.close(ours)
