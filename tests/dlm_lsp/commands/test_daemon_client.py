"""`dlm-lsp infill --connect`: the same as without, by the engine of a daemon."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlm_lsp.commands import daemon_client
from dlm_lsp.errors import INTERRUPTED_EXIT_CODE
from dlm_model.errors import CheckpointError, RequestError
from tests.dlm_lsp.commands.command_line import SOURCE, CommandLine
from tests.dlm_lsp.commands.daemon_thread import DaemonThread
from tests.dlm_lsp.scripted_engine import ScriptedEngine


@pytest.fixture
def engine() -> ScriptedEngine:
    """The daemon's."""
    return ScriptedEngine("return left + right", "return left - right", num_steps=3)


@pytest.fixture
def daemon(tmp_path: Path, engine: ScriptedEngine) -> Iterator[DaemonThread]:
    with DaemonThread(tmp_path / "daemon.sock", lambda _settings: engine) as daemon:
        yield daemon


@pytest.fixture
def connect(daemon: DaemonThread) -> list[str]:
    return ["--connect", str(daemon.path)]


@pytest.mark.parametrize("output", [[], ["--json"], ["--json", "-n", "2"], ["--diff"], ["--watch"]])
def test_what_it_prints_is_what_an_engine_of_its_own_would_have_it_print(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str], output: list[str]
) -> None:
    fill = ["infill", f"{file}:2:5", *output]
    connected = command_line(*fill, *connect)
    assert command_line.loaded == []
    command_line.engine = engine
    assert connected == command_line(*fill)
    assert connected.code == 0
    by_daemon, own = engine.requests
    assert (by_daemon.prefix, by_daemon.suffix, by_daemon.first_words) == (own.prefix, own.suffix, own.first_words)
    assert (by_daemon.syntax is None, by_daemon.ending is None) == (own.syntax is None, own.ending is None)


def test_a_function_a_range_and_a_marker_are_found_as_ever(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str]
) -> None:
    assert command_line("infill", str(file), "--function", "add", *connect).stdout == "return left + right\n"
    engine.middles = ("left - right",)
    assert command_line("infill", str(file), "--range", "6:12-6:29", *connect).stdout == "left - right\n"
    stdin = SOURCE.replace("add(value, value)", "<FILL>").encode()
    outcome = command_line("infill", "-", "--stdin-filename", "x.py", *connect, stdin=stdin)
    assert outcome.stdout == "left - right\n"


def test_options_and_what_the_fill_must_hold_reach_the_engine(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str]
) -> None:
    flags = ["--steps", "7", "--method", "KLASS", "--set", "topP=0.5", "--guide", "none", "--keep", "left", "--n", "2"]
    command_line("infill", f"{file}:2:5", *flags, *connect)
    command_line("infill", f"{file}:2:5", *flags)
    assert engine.options == command_line.engine.options
    assert engine.requests[0].keep == command_line.engine.requests[0].keep == ("left",)


def test_the_path_of_a_guide_is_the_commands_and_not_the_daemons(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    Path("guide").mkdir()
    command_line("infill", f"{file}:2:5", "--guide", "./guide", *connect)
    assert engine.options[0].guide == str(file.parent / "guide")


def test_a_file_is_written(command_line: CommandLine, file: Path, connect: list[str]) -> None:
    assert command_line("infill", f"{file}:2:5", "--in-place", *connect) == (0, "", "")
    assert file.read_text() == SOURCE.replace("pass", "return left + right")


def test_a_model_that_sees_no_suffix_says_so(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str]
) -> None:
    engine.sees_suffix = False
    notice = "scripted sees no suffix, only what stands before the hole.\n"
    assert command_line("infill", f"{file}:2:5", *connect) == (0, "return left + right\n", notice)


def test_ctrl_c_stops_the_daemons_engine_within_a_step(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, tmp_path: Path
) -> None:
    engine = ScriptedEngine("return left + right", num_steps=50, is_gated=True)

    def interrupt() -> None:
        engine.wait_for_step()
        os.kill(os.getpid(), signal.SIGINT)

    with DaemonThread(tmp_path / "gated.sock", lambda _settings: engine) as daemon:
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        outcome = command_line("infill", f"{file}:2:5", "--in-place", "--connect", str(daemon.path))
        assert outcome == (INTERRUPTED_EXIT_CODE, "", "")
        engine.allow(50)
        interrupter.join()
    assert engine.num_steps_done < 50
    assert file.read_text() == SOURCE


def test_a_daemon_that_ends_meanwhile_is_a_failure(command_line: CommandLine, file: Path, tmp_path: Path) -> None:
    engine = ScriptedEngine("return left + right", num_steps=2, is_gated=True)

    def end() -> None:
        engine.wait_for_step()
        daemon.hang_up()
        engine.allow(2)

    with DaemonThread(tmp_path / "gated.sock", lambda _settings: engine) as daemon:
        ender = threading.Thread(target=end)
        ender.start()
        outcome = command_line("infill", f"{file}:2:5", "--connect", str(daemon.path))
        ender.join()
    assert outcome == (3, "", f"dlm-lsp: The daemon on {daemon.path} has ended.\n")


@pytest.mark.parametrize("error", [RequestError("The prompt is too long."), CheckpointError("There is no model.")])
def test_what_the_model_cannot_do_is_said_as_ever(
    command_line: CommandLine, file: Path, engine: ScriptedEngine, connect: list[str], error: Exception
) -> None:
    engine.error = error
    assert command_line("infill", f"{file}:2:5", *connect) == (3, "", f"dlm-lsp: {error}\n")


def test_a_model_that_cannot_be_loaded_is_a_failure(command_line: CommandLine, file: Path, tmp_path: Path) -> None:
    def fail(_settings: object) -> ScriptedEngine:
        raise CheckpointError("There is no model folder ./mine.")

    with DaemonThread(tmp_path / "daemon.sock", fail) as daemon:
        outcome = command_line("infill", f"{file}:2:5", "--connect", str(daemon.path))
    assert outcome == (3, "", "dlm-lsp: There is no model folder ./mine.\n")


def test_a_daemon_of_another_version_is_not_talked_to(
    command_line: CommandLine, file: Path, daemon: DaemonThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_client, "__version__", "99")
    code, _, stderr = command_line("infill", f"{file}:2:5", "--connect", str(daemon.path))
    assert code == 2
    assert stderr.endswith(", and this is 99; restart it.\n")


def test_without_a_daemon_it_says_how_to_start_one(command_line: CommandLine, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.sock"
    code, _, stderr = command_line("infill", f"{file}:2:5", "--connect", str(path))
    assert code == 2
    assert stderr.startswith(f"dlm-lsp: No daemon listens on {path}: No such file")
    assert f"`dlm-lsp serve --socket {path}` starts one" in stderr


def test_where_no_daemon_could_listen_it_proposes_none(command_line: CommandLine, file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path / ("long" * 50)):
        code, _, stderr = command_line("infill", f"{file}:2:5", "--connect", str(path))
        assert code == 2
        assert ("starts one" in stderr) == (path == file), stderr
    assert command_line("infill", f"{file}:2:5", "--connect", "") == (2, "", "dlm-lsp: --connect is empty.\n")


@contextmanager
def listening(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Serve one connection to a socket, on a thread."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        server = threading.Thread(target=lambda: serve(listener.accept()[0]))
        server.start()
        yield
        server.join()


OTHERS = {
    "silence": b"",
    "binary": b"\x00\x01\x02",
    "no length": b"X: 1\r\n\r\n",
    "a page": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nwhat",
    "no object": b"Content-Length: 2\r\n\r\n[]",
    "bytes": b"Content-Length: 2\r\n\r\n\xff\xff",
    "no name": b'Content-Length: 20\r\n\r\n{"id":1,"result":{}}',
    "another server": b'Content-Length: 57\r\n\r\n{"id":1,"result":{"serverInfo":{"name":"rust-analyzer"}}}',
}


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_what_is_no_daemon_of_ours_is_told_from_one(
    command_line: CommandLine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(daemon_client, "_GREETING_SECONDS", 0.2)
    path = tmp_path / "other.sock"
    connections = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        connection.sendall(said)

    with listening(path, serve):
        outcome = command_line("infill", f"{file}:2:5", "--connect", str(path))
    for connection in connections:
        connection.close()
    assert outcome == (2, "", f"dlm-lsp: What listens on {path} is not a dlm-lsp daemon.\n")


@pytest.mark.parametrize("flag", ["--model", "--device", "--precision"])
def test_the_engine_is_the_daemons_to_choose(command_line: CommandLine, file: Path, flag: str) -> None:
    value = {"--precision": "int8"}.get(flag, "cpu")
    code, _, stderr = command_line("infill", f"{file}:2:5", "--connect", "daemon.sock", flag, value)
    assert (code, command_line.loaded) == (2, [])
    assert "cannot be used with --connect" in stderr


def test_messages_may_come_in_pieces_and_together(file: Path, tmp_path: Path, command_line: CommandLine) -> None:
    """As a socket brings them: a byte at a time, or several at once, beside messages that nobody asked for."""
    path = tmp_path / "slow.sock"
    engine = {"model_name": "slow", "device": "cpu", "context_length": 2048, "sees_suffix": True}
    candidate = {"text": "return left", "confidence": 0.5, "num_tokens": 2, "finish_reason": "stop"}
    draft = {"pieces": [], "step": 1, "num_steps": 1, "num_forwards": 1, "elapsed_ms": 1.0, "finish_reason": "stop"}
    draft |= {"candidates": [candidate], "num_final": 0, "is_resizing": False}
    status = {"method": "dlmLsp/status", "params": {"state": "busy", "message": ""}}
    answers = [
        [status, {"id": 1, "result": {"serverInfo": {"name": "dlm-lsp", "version": daemon_client.__version__}}}],
        [{"id": 2, "result": engine}],
        [status, {"method": "dlmLsp/infillDraft", "params": draft}, status, {"id": 3, "result": None}],
    ]

    def serve(connection: socket.socket) -> None:
        with connection:
            for number, messages in enumerate(answers):
                while b'"id": %d' % (number + 1) not in connection.recv(65_536):
                    pass
                encoded = b"".join(map(_framed, messages))
                for start in range(0, len(encoded), 1 if number else len(encoded)):
                    connection.sendall(encoded[start : start + (1 if number else len(encoded))])

    with listening(path, serve):
        outcome = command_line("infill", f"{file}:2:5", "--connect", str(path))
    assert outcome == (0, "return left\n", "")


def _framed(message: dict[str, object]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n%b" % (
        len(body),
        body,
    )
