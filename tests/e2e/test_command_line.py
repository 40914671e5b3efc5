"""The real `dlm-lsp infill` with the weights that ship: a process, a terminal, files from outside the repository."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE

COMMAND = [sys.executable, "-P", "-m", "dlm_lsp", "infill"]
FAST = ["--device", "cpu", "--steps", "8", "--n", "2"]
FILLED, NOTHING_TO_SHOW, MODEL = 0, 1, 3

SOURCE = """\
import os


def total(numbers):
    result = 0
    for number in
        result += number
    return result


def folder_name(path):
    \"\"\"The last folder of a path.\"\"\"


def shout(text):
    message = text.up
    return message
"""


HOLES = {
    "in a for line": ["{file}:6:18"],
    "empty body": ["{file}", "--function", "folder_name"],
    "mid-identifier": ["{file}:16:22"],
    "range": ["{file}", "--range", "5:5-8:18"],
}
LINE_HOLES = {"in a for line", "mid-identifier"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_source(tmp_path)


def write_source(folder: Path) -> Path:
    path = folder / "outside.py"
    path.write_text(SOURCE)
    return path


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def endings(
    tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]
) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """The ended process of `infill --json`, for each hole."""
    file = write_source(tmp_path_factory.mktemp("outside"))
    return {
        hole: run([*(part.format(file=file) for part in where), *FAST, "--json"], child_environment)
        for hole, where in HOLES.items()
    }


@pytest.mark.parametrize("hole", HOLES)
def test_holes_of_every_shape(hole: str, endings: Mapping[str, subprocess.CompletedProcess[str]]) -> None:
    ending = endings[hole]
    assert ending.returncode in (FILLED, NOTHING_TO_SHOW), ending.stderr
    result = json.loads(ending.stdout)
    assert bool(result["text"]) == (ending.returncode == FILLED)
    assert (result["model"], result["device"]) == ("smollm2-135m-infill", "cpu")
    assert 0 < result["num_steps"] <= 8
    assert 0 <= result["confidence"] <= 1
    assert len(result["text"].splitlines()) <= 1 or hole not in LINE_HOLES


def test_the_packaged_weights_have_something_to_say(
    endings: Mapping[str, subprocess.CompletedProcess[str]],
) -> None:
    # Not for every hole: sometimes nothing is left of what weak weights write.
    filled = [hole for hole, ending in endings.items() if ending.returncode == FILLED]
    assert len(filled) >= 2, filled
    assert LINE_HOLES & set(filled)


@pytest.fixture
def daemon(tmp_path: Path, child_environment: Mapping[str, str]) -> Iterator[Path]:
    """The socket of a daemon."""
    path = tmp_path / "daemon.sock"
    command = [sys.executable, "-P", "-m", "dlm_lsp", "serve", "--socket", str(path), "--device", "cpu"]
    with subprocess.Popen(command, env=child_environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline().endswith(f"listening on {path}\n")
        yield path
        process.terminate()


def test_a_daemon_fills_in_the_same(
    file: Path,
    daemon: Path,
    endings: Mapping[str, subprocess.CompletedProcess[str]],
    child_environment: Mapping[str, str],
) -> None:
    target = [part.format(file=file) for part in HOLES["empty body"]]
    ending = run([*target, "--steps", "8", "--n", "2", "--json", "--connect", str(daemon)], child_environment)
    by_daemon, own = json.loads(ending.stdout), json.loads(endings["empty body"].stdout)
    for each in ("elapsed_ms", "tokens_per_second", "path"):
        del by_daemon[each], own[each]
    assert by_daemon == own


def test_no_network_is_needed(file: Path, child_environment: Mapping[str, str]) -> None:
    alone = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system gives no process a network of its own")
    environment = {name: value for name, value in child_environment.items() if name != "HF_HUB_OFFLINE"}
    command = [*alone, *COMMAND, f"{file}:16:22", *FAST]
    ending = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ending.returncode in (FILLED, NOTHING_TO_SHOW), ending.stderr


class Terminal(NamedTuple):
    """A process on a terminal of its own: standard output and standard error are one stream."""

    process: subprocess.Popen[bytes]
    descriptor: int

    def read_until(self, pattern: str) -> str:
        """The output up to a match; the test's time limit ends a wait in vain."""
        seen = ""
        while not re.search(pattern, seen):
            seen += os.read(self.descriptor, 65536).decode(errors="replace")
        return seen

    def read_rest(self) -> str:
        """The output until the process ends; Linux reports the end of a terminal as an error."""
        seen = b""
        try:
            while chunk := os.read(self.descriptor, 65536):
                seen += chunk
        except OSError:
            pass
        return seen.decode(errors="replace")


@pytest.fixture
def terminal(file: Path, child_environment: Mapping[str, str]) -> Iterator[Terminal]:
    """`infill --watch --in-place` of a hole that takes many steps."""
    ours, theirs = pty.openpty()
    arguments = [f"{file}", "--function", "folder_name", "--device", "cpu", "--schedule", "linear", "--steps", "64"]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--watch", "--in-place"],
        env={**child_environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    yield Terminal(process, ours)
    process.kill()
    process.wait()
    os.close(ours)


def test_watch_sharpens_and_ctrl_c_stops_it(terminal: Terminal, file: Path) -> None:
    sharpening = terminal.read_until(r"step 2 of at most 64")
    committed, guessed = "\x1b[1;32m", "\x1b[3;33m"
    assert "step 1 of at most 64" in sharpening
    assert committed in sharpening
    assert guessed in sharpening
    terminal.process.send_signal(signal.SIGINT)
    rest = terminal.read_rest()
    assert terminal.process.wait(timeout=30) == INTERRUPTED_EXIT_CODE
    show_cursor = "\x1b[?25h"
    assert show_cursor in rest
    assert not re.search(r"[a-z]", rest.rpartition(show_cursor)[2])
    assert file.read_text() == SOURCE


def test_a_truncated_checkpoint(
    file: Path, tmp_path: Path, repository_root: Path, child_environment: Mapping[str, str]
) -> None:
    packaged = repository_root / "model" / "dlm_model" / "checkpoints" / "smollm2-135m-infill"
    broken = tmp_path / "broken"
    shutil.copytree(packaged, broken, copy_function=os.link)
    weights = sorted(broken.glob("*.safetensors"))[-1]
    weights.unlink()
    weights.write_bytes((packaged / weights.name).read_bytes()[:-1])
    ending = run([f"{file}:1:1", "--model", str(broken)], child_environment)
    assert (ending.returncode, ending.stdout) == (MODEL, "")
    assert re.fullmatch(rf"dlm-lsp: .*{weights.name}.*\.\n", ending.stderr)
