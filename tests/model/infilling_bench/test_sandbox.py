"""Whatever a fill does, the machine stays unharmed, and only a program that reaches its end passes."""

import time
from pathlib import Path

import pytest

from tests.bench.infilling_sandbox import Limits, runs_to_end

PATIENT = Limits(wall_seconds=60)


def test_a_program_that_ends_has_ended() -> None:
    assert runs_to_end("import collections, math\nassert math.sqrt(4) == 2\n", PATIENT)


@pytest.mark.parametrize("program", ["assert False", "def f(:", "1 / 0", "raise KeyboardInterrupt", "exit()", "\0"])
def test_a_program_that_fails_has_not_ended(program: str) -> None:
    assert not runs_to_end(program, PATIENT)


def test_a_loop_is_ended_by_its_processor_time() -> None:
    start = time.monotonic()
    assert not runs_to_end("while True:\n    pass\n", Limits(wall_seconds=120, cpu_seconds=1))
    assert time.monotonic() - start < 60


def test_a_loop_that_catches_everything_is_ended_too() -> None:
    program = "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n"
    assert not runs_to_end(program, Limits(wall_seconds=120, cpu_seconds=1))


def test_sleep_is_ended_by_the_clock() -> None:
    start = time.monotonic()
    assert not runs_to_end("import time\ntime.sleep(600)\n", Limits(wall_seconds=1))
    assert time.monotonic() - start < 60


def test_memory_is_bounded() -> None:
    assert not runs_to_end("block = bytearray(1 << 29)\n", Limits(wall_seconds=60, memory_bytes=1 << 28))
    assert runs_to_end("block = bytearray(1 << 24)\n", Limits(wall_seconds=60, memory_bytes=1 << 28))


def test_printing_much_neither_fills_memory_nor_blocks() -> None:
    assert runs_to_end("import sys\nfor _ in range(64):\n    print('x' * (1 << 20))\nsys.stderr.write('y' * (1 << 20))")


def test_there_is_nothing_to_read() -> None:
    assert runs_to_end("import sys\nassert sys.stdin.read() == ''\n", PATIENT)
    assert not runs_to_end("input()\n", PATIENT)


@pytest.mark.parametrize(
    "program",
    [
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "import ctypes\nctypes.CDLL(None)",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
        "open('file', 'w')",
        "import os\nos.mkdir('folder')",
    ],
)
def test_processes_network_and_files_are_out_of_reach(program: str) -> None:
    assert not runs_to_end(program, PATIENT)


def test_nothing_outside_is_deleted(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("here")
    assert not runs_to_end(f"import os\nos.remove({str(kept)!r})\n", PATIENT)
    assert not runs_to_end(f"import shutil\nshutil.rmtree({str(tmp_path)!r})\n", PATIENT)
    assert kept.read_text() == "here"
