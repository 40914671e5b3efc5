"""`dlm-lsp serve`: the arguments of the server, and its log."""

import logging
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from tests.dlm_lsp.commands.command_line import CommandLine

Call = tuple[tuple[object, ...], dict[str, object]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """How the server was started, without the engine loader; it ends at once with exit code 0."""
    calls: list[Call] = []

    def serve(_load_engine: object, *arguments: object, **options: object) -> int:
        calls.append((arguments, options))
        return 0

    monkeypatch.setattr("dlm_lsp.commands.serve.serve_stdio", serve)
    monkeypatch.setattr("dlm_lsp.commands.serve.serve_tcp", serve)
    return calls


@contextmanager
def bare_root_logger() -> Iterator[None]:
    """Remove pytest's log handlers, beside which `logging.basicConfig` does nothing."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers.clear()
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("arguments", [[], ["--stdio"]])
def test_stdio_is_the_default(command_line: CommandLine, served: list[Call], arguments: list[str]) -> None:
    assert command_line("serve", *arguments).code == 0
    assert served == [(({},), {"client_process_id": None})]


def test_on_a_terminal_it_says_whom_it_waits_for_until_ctrl_c(child_environment: Mapping[str, str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dlm_lsp", "serve"]
    process = subprocess.Popen(
        command, env=child_environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stderr
        assert process.stderr.readline().startswith(b"dlm-lsp: waiting for an editor on standard input; ")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == INTERRUPTED_EXIT_CODE
    os.close(theirs)
    os.close(ours)


def test_in_a_pipe_it_waits_without_a_word(command_line: CommandLine, served: list[Call]) -> None:
    assert command_line("serve") == (0, "", "")
    assert len(served) == 1


def test_flags_reach_the_server(command_line: CommandLine, served: list[Call]) -> None:
    where = ["--tcp", "--host", "::1", "--port", "0"]
    command_line("serve", *where, "--clientProcessId=12", "--model", "/weights", "--device", "cpu")
    options = {"model": "/weights", "device": "cpu"}
    assert served == [(("::1", 0, options), {"client_process_id": 12})]


def test_what_an_editor_adds_is_logged_and_ignored(command_line: CommandLine, served: list[Call]) -> None:
    with bare_root_logger():
        code, _, stderr = command_line("serve", "--stdio", "--node-ipc", "--socket=7", "extra")
    assert (code, len(served)) == (0, 1)
    assert stderr.endswith("WARNING dlm_lsp.commands.serve: ignoring arguments: --node-ipc extra --socket=7\n")


@pytest.mark.parametrize(("flags", "level"), [([], "WARNING"), (["-v"], "INFO"), (["-v", "-v"], "DEBUG")])
def test_the_log_goes_to_its_file(
    command_line: CommandLine, served: list[Call], tmp_path: Path, flags: list[str], level: str
) -> None:
    file = tmp_path / "new" / "serve.log"
    with bare_root_logger():
        assert command_line("serve", "--log-file", str(file), "--odd", *flags) == (0, "", "")
        assert logging.getLevelName(logging.getLogger().level) == level
    assert "ignoring arguments: --odd" in file.read_text()
    assert len(served) == 1


@pytest.mark.parametrize("flags", [[], ["--clientProcessId=12"]])
def test_a_bridge_is_told_whom_to_end_with(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    calls: list[Call] = []
    monkeypatch.setattr("dlm_lsp.daemon.connect_stdio", lambda *given, **named: calls.append((given, named)) or 0)
    assert command_line("serve", "--connect", "/run/x", *flags) == (0, "", "")
    assert calls == [((Path("/run/x"),), {"client_process_id": 12 if flags else None})]


def test_a_bridge_refuses_what_would_not_reach_the_daemon(command_line: CommandLine) -> None:
    outcome = command_line("serve", "--connect", "/run/x", "--model", "mine", "--device", "cpu")
    assert outcome.code == 2
    assert outcome.stderr.startswith(
        "dlm-lsp: --model and --device cannot be used with --connect: pass them to the daemon"
    )


def test_two_transports_are_refused(command_line: CommandLine, served: list[Call]) -> None:
    outcome = command_line("serve", "--stdio", "--tcp")
    assert (outcome, served) == ((2, "", "dlm-lsp: Use either --stdio or --tcp, not both.\n"), [])


def test_a_log_that_cannot_be_written(command_line: CommandLine, served: list[Call], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with bare_root_logger():
        outcome = command_line("serve", "--log-file", str(tmp_path / "file" / "serve.log"))
    assert (outcome.code, outcome.stdout, served) == (2, "", [])
    assert outcome.stderr.startswith("dlm-lsp: Cannot write the log ")


def test_an_address_that_is_taken(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> int:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("dlm_lsp.commands.serve.serve_tcp", fail)
    outcome = command_line("serve", "--tcp", "--port", "80")
    assert outcome == (2, "", "dlm-lsp: Cannot listen on 127.0.0.1:80: Address already in use.\n")
