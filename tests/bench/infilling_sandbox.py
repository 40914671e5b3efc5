"""Runs a program in a process without network and input, with little memory and time, to see if it reaches its end.

A program passes if the runner writes a nonce after the last statement. The exit code does not count, so a fill that
leaves early by `sys.exit(0)` or `os._exit(0)` has not passed. If the system permits it, `unshare` takes the network
away and puts the process into a process namespace, so everything that it started dies with it.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RUNNER = Path(__file__).with_name("infilling_runner.py")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Attributes:
        wall_seconds: Generous, because the machine may be busy; what usually ends a loop is `cpu_seconds`.
        cpu_seconds: Of the processor.
        memory_bytes: Address space.
        file_bytes: Of any file it writes.
    """

    wall_seconds: float = 30.0
    cpu_seconds: int = 5
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20


def runs_to_end(program: str, limits: Limits = Limits()) -> bool:
    """Whether every statement of a program ran, and none raised; the process and all it started are gone after it."""
    nonce = secrets.token_hex(16)
    job = {
        "program": program,
        "nonce": nonce,
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": limits.cpu_seconds,
        "file_bytes": limits.file_bytes,
    }
    command = [*_isolation(), sys.executable, "-I", "-S", "-B", str(RUNNER)]
    with tempfile.TemporaryDirectory(prefix="infilling-") as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return _answer(process, json.dumps(job).encode(), limits.wall_seconds) == nonce.encode()


def _answer(process: subprocess.Popen[bytes], job: bytes, wall_seconds: float) -> bytes:
    with process:
        try:
            return process.communicate(job, timeout=wall_seconds)[0]
        except subprocess.TimeoutExpired:
            return b""
        finally:
            _kill_group(process.pid)


def _kill_group(process_id: int) -> None:
    # The process itself may have ended before something that it started.
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return


@cache
def _isolation() -> tuple[str, ...]:
    """The command in front of the interpreter that takes network and other processes out of sight; may be empty."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
    probe = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if probe.returncode == 0 else ()
