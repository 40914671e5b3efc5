"""The stdout guard and the parent watch, on processes of their own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dlm_lsp.process import is_running, watch_process

_CLAIM = """
import os, subprocess, sys
from dlm_lsp.process import claim_standard_streams
streams = claim_standard_streams()
print("from a library")
os.write(1, b"from native code\\n")
subprocess.run(["echo", "from a child"], check=True)
subprocess.run(["cat"], check=True)
sys.stdout.flush()
streams.stdout.write(b"protocol " + streams.stdin.read())
streams.stdout.flush()
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_what_others_print_goes_to_stderr_and_what_they_read_is_empty(child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", _CLAIM]
    done = subprocess.run(command, input=b"input", capture_output=True, env=child_environment, timeout=30, check=True)
    assert done.stdout == b"protocol input"
    for line in (b"from a library", b"from native code", b"from a child"):
        assert line in done.stderr


def test_the_end_of_a_process_is_noticed(sleeper: subprocess.Popen[bytes]) -> None:
    ended = threading.Event()
    watch_process(sleeper.pid, ended.set)
    assert not ended.is_set()
    os.kill(sleeper.pid, signal.SIGKILL)
    assert ended.wait(10)


def test_without_pidfd_the_end_is_noticed_by_polling(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pidfd(_pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    monkeypatch.setattr("dlm_lsp.process._POLL_SECONDS", 0.01)
    ended = threading.Event()
    watch_process(sleeper.pid, ended.set)
    sleeper.kill()
    sleeper.wait()
    assert ended.wait(10)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**70])
def test_a_process_that_cannot_be_seen_is_not_watched(pid: int) -> None:
    ended = threading.Event()
    watch_process(pid, ended.set)
    assert not is_running(pid)
    assert not ended.is_set()


def test_on_windows_no_process_is_watched_since_asking_would_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("dlm_lsp.process.os.name", "nt")
    monkeypatch.setattr("dlm_lsp.process.os.kill", lambda pid, _signal: asked.append(pid))
    assert not is_running(os.getpid())
    assert asked == []
