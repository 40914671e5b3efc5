"""The process that pulls, stopped in the middle of a file: what it says and leaves, and that the next one goes on."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from tests.dlm_lsp.models.conftest import FOLDER, NAME
from tests.dlm_lsp.models.hub_stand_in import Repository

WEIGHTS = "model.safetensors"
STALL, LEAST_ON_DISK = 30_000, 16_384
IN_SMALL_CHUNKS = """
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 1024
from dlm_lsp.__main__ import main
main()
"""
"""`dlm-lsp`, which writes what arrives kilobyte by kilobyte and not ten megabytes at a time."""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    return tmp_path / "share" / "dlm-lsp" / "models" / FOLDER / WEIGHTS


@pytest.fixture
def environment(hub: str, child_environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    told = {"HF_ENDPOINT": hub, "NO_PROXY": "127.0.0.1", "XDG_DATA_HOME": str(tmp_path / "share")}
    return {**child_environment, **told, "HF_HUB_OFFLINE": "0", "TERM": "xterm"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Pull in a process of its own; `terminal` is a descriptor for its messages."""
    processes = []

    def pull(terminal: int | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-c", IN_SMALL_CHUNKS, "models", "pull", NAME, "--yes"]
        stderr = subprocess.PIPE if terminal is None else terminal
        processes.append(subprocess.Popen(command, env=environment, stderr=stderr, text=True))
        return processes[-1]

    yield pull
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_half(pulled: Path) -> Path:
    """The half of the file, of which up to a buffer is still in memory."""
    part = pulled.with_name(f"{WEIGHTS}.part")
    deadline = time.monotonic() + 30
    while not part.is_file() or part.stat().st_size < LEAST_ON_DISK:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return part


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_was_stopped_is_completed_by_the_same_command(
    repository: Repository, start: Start, pulled: Path, number: signal.Signals
) -> None:
    repository.stalls_at[WEIGHTS] = STALL
    process = start()
    part = wait_for_half(pulled)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == INTERRUPTED_EXIT_CODE
        assert told.splitlines()[-1] == "What has arrived is kept, and the same command resumes from there."
        assert "Traceback" not in told
    assert part.read_bytes() == repository.files[WEIGHTS][: (half := part.stat().st_size)]
    assert half >= LEAST_ON_DISK

    repository.stalls_at.clear()
    repository.requests.clear()
    again = start()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (WEIGHTS, half) in repository.requests
    assert pulled.read_bytes() == repository.files[WEIGHTS]
    assert not part.exists()


def test_a_terminal_shows_how_much_of_a_file_has_arrived(repository: Repository, start: Start, pulled: Path) -> None:
    repository.stalls_at[WEIGHTS] = STALL
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = start(theirs)
    os.close(theirs)
    wait_for_half(pulled)
    process.send_signal(signal.SIGINT)
    shown = read_all(ours)
    assert process.wait(timeout=60) == INTERRUPTED_EXIT_CODE
    shares = [int(share) for share in re.findall(rf"{WEIGHTS}: +(\d+)%\|", shown)]
    assert max(shares) >= 100 * LEAST_ON_DISK // len(repository.files[WEIGHTS])
    bar, _, rest = shown.rpartition("What has arrived is kept")
    assert bar.endswith("\r\n")
    assert rest.strip() == ", and the same command resumes from there."


def read_all(descriptor: int) -> str:
    """The output until the process ends; Linux reports the end of a terminal as an error."""
    seen = b""
    try:
        while chunk := os.read(descriptor, 65536):
            seen += chunk
    except OSError:
        pass
    os.close(descriptor)
    return seen.decode(errors="replace")
