"""The race with tiny weights: the side that is behind goes next, the dial turns, keys end it; in a terminal too."""

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from dlm_lsp import cli
from dlm_lsp.commands.race import HELP, STEPS, Lane, Race, dial, play
from dlm_lsp.options import Settings
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import load_engine
from dlm_model.request import Draft, InfillRequest, Piece
from tests.model.tiny_checkpoints import CAUSAL, RESIZING, write_checkpoint

SOURCE = "def add(left, right):\n    pass\n"
REQUEST = InfillRequest("def add(left, right):\n    ", "\n", expected_tokens=6)


@pytest.fixture(scope="module")
def causal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("causal")
    write_checkpoint(folder, "llama-gqa-untied", CAUSAL)
    return folder


@pytest.fixture
def race(causal_folder: Path) -> Race:
    settings = Settings(decode=DecodeOptions(num_steps=8))
    return Race(load_engine(str(causal_folder), "cpu"), REQUEST, settings, "self")


pytestmark = pytest.mark.usefixtures("user_config_folder")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sums.py"
    path.write_text(SOURCE)
    return path


def draft(number: int) -> Draft:
    return Draft(
        pieces=(Piece("x" * number, "committed", 0.5, number),),
        step=number,
        num_steps=9,
        num_forwards=number,
        elapsed_ms=0.0,
        num_final=1,
    )


def test_the_lane_with_less_time_on_its_clock_goes_next(race: Race) -> None:
    race.lanes = (
        Lane("a", iter(map(draft, range(3))), elapsed=2.0),
        Lane("b", iter(map(draft, range(3))), elapsed=1.0),
    )
    race.advance()
    assert [lane.last for lane in race.lanes] == [None, draft(0)]
    race.lanes[1].elapsed = 3.0
    race.advance()
    assert [lane.last for lane in race.lanes] == [draft(0), draft(0)]


def test_both_arrive_and_keep_their_last_draft(race: Race) -> None:
    while not race.is_over:
        race.advance()
    diffusion, left_to_right = (lane.last for lane in race.lanes)
    assert diffusion.finish_reason in {"stop", "length"}
    assert left_to_right.finish_reason in {"stop", "length"}
    assert 1 <= left_to_right.num_tokens == left_to_right.num_forwards <= 6


@pytest.mark.parametrize(
    ("start", "direction", "expected"), [(8, 1, 12), (8, -1, 4), (1, -1, 1), (64, 1, 64), (9, 1, 12)]
)
def test_the_dial_turns_by_notches_and_starts_again(race: Race, start: int, direction: int, expected: int) -> None:
    race.settings = Settings(decode=DecodeOptions(num_steps=start))
    race.advance()
    race.turn(direction)
    assert race.num_steps == expected
    assert all(lane.last is None for lane in race.lanes)


def test_the_dial_shows_where_it_stands() -> None:
    assert dial(STEPS[0]) == "steps ●━━━━━━━━━ 1"
    assert dial(STEPS[-1]) == "steps ━━━━━━━━━● 64"


def test_keys_turn_the_dial_start_again_and_end_it(race: Race) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, height=30)
    keys = iter(["right", None, None, "left", "left", None, " ", None, "q"])
    play(race, console, lambda _seconds: next(keys))
    assert next(keys, "none") == "none"
    painted = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert [found for found in ("12 steps", "8 steps", "4 steps") if f"diffusion, {found}" in painted] == [
        "12 steps",
        "8 steps",
        "4 steps",
    ]
    assert "left to right" in painted
    assert "tokens/s" in painted
    assert HELP in painted


def test_without_a_terminal_the_result_is_printed_once(
    causal_folder: Path, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = cli.run(["race", f"{file}:2:5", "--steps", "2", "--model", str(causal_folder), "--device", "cpu"])
    printed = capfd.readouterr().out
    assert code == 0
    assert printed.count("diffusion, 2 steps") == 1
    assert printed.count("left to right") == 1
    assert printed.count("tokens/s") == 2
    assert printed.splitlines()[-1] == dial(2)


def test_a_model_that_cannot_write_from_left_to_right_says_so(
    tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied", RESIZING)
    assert cli.run(["race", f"{file}:2:5", "--model", str(tmp_path), "--device", "cpu"]) == 3
    assert "has no causal prompt" in capfd.readouterr().err


def test_nothing_is_no_opponent(file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_lsp.commands.race.load_engine", lambda *_: pytest.fail("a model was loaded"))
    assert cli.run(["race", f"{file}:2:5", "--against", "none"]) == 2
    assert "none is nothing to race against" in capfd.readouterr().err


def read_until(descriptor: int, pattern: bytes, seconds: float = 60.0) -> bytes:
    """Read the output of a terminal until it contains a pattern."""
    shown, deadline = b"", time.monotonic() + seconds
    while not re.search(pattern, shown):
        assert time.monotonic() < deadline, shown
        if select.select([descriptor], [], [], 0.1)[0]:
            shown += os.read(descriptor, 65536)
    return shown


def test_in_a_real_terminal_the_arrow_key_turns_the_dial_and_q_ends_it(
    causal_folder: Path, file: Path, child_environment: Mapping[str, str]
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dlm_lsp", "race", f"{file}:2:5", "--steps", "8", "--device", "cpu"]
    environment = {**child_environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    child = subprocess.Popen(
        [*command, "--model", str(causal_folder)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    try:
        read_until(ours, rb"diffusion, 8 steps")
        os.write(ours, b"\x1b[C")
        read_until(ours, rb"diffusion, 12 steps")
        os.write(ours, b"q")
        assert child.wait(timeout=30) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)
