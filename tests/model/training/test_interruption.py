"""A run killed at any moment: the last state is whole, and the loss curve goes on as if nothing had happened."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from safetensors.torch import load_file

from dlm_model.training.__main__ import run_stage
from dlm_model.training.metrics import METRICS_FILE
from dlm_model.training.run_state import STATE_FILE, BusyRunError, locked_run, read_progress
from tests.model.training import tiny_run


def curve(run: Path) -> dict[int, float]:
    records = [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]
    assert [record["step"] for record in records] == sorted(record["step"] for record in records)
    return {record["step"]: record["loss"] for record in records if "loss" in record}


def test_a_killed_run_resumes_to_the_same_loss_curve(
    tmp_path: Path, resizing_folder: Path, child_environment: dict[str, str]
) -> None:
    program = [sys.executable, tiny_run.__file__, resizing_folder, tmp_path / "killed", "patient"]
    metrics = tmp_path / "killed" / METRICS_FILE
    for num_records in (4, 12):
        with subprocess.Popen(program, env=child_environment) as process:
            wait_for_records(metrics, num_records, process)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        with metrics.open("a") as log:
            log.write('{"step": 99, "lo')
    tiny_run.main(resizing_folder, tmp_path / "killed", "patient")
    tiny_run.main(resizing_folder, tmp_path / "whole", "patient")
    assert curve(tmp_path / "killed") == pytest.approx(curve(tmp_path / "whole"))
    whole, killed = (load_file(tmp_path / name / STATE_FILE) for name in ("whole", "killed"))
    for name, weight in whole.items():
        assert (killed[name] - weight).abs().max() < 1e-5, name


@pytest.mark.parametrize(("number", "num_workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 0)])
def test_a_run_that_is_told_to_stop_loses_no_step(
    tmp_path: Path,
    resizing_folder: Path,
    shards: Path,
    child_environment: dict[str, str],
    *,
    number: signal.Signals,
    num_workers: int,
) -> None:
    """The signal goes to the workers too, as from a terminal."""
    run, recipe = tmp_path / "run", tmp_path / "recipe.toml"
    dials = f"log_interval = 1\nsave_seconds = 1000\nthreads = 1\nnum_workers = {num_workers}\n"
    recipe.write_text(f"[train]\nrank = 4\ncompile = false\nsequences_per_step = 64\n{dials}")
    stage = [sys.executable, "-P", "-m", "dlm_model.training", "train", resizing_folder, shards, run]
    program = [*stage, "--recipe", recipe]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, env=child_environment, start_new_session=True, **pipes) as process:
        wait_for_records(run / METRICS_FILE, 4, process)
        os.killpg(process.pid, number)
        printed, complaint = (stream.decode() for stream in process.communicate(timeout=60))
    assert process.returncode == 130
    assert printed.count("Stopping after this step") == 1
    assert complaint == "python -m dlm_model.training: Interrupted; a run resumes from its last state.\n"
    assert read_progress(run / STATE_FILE).step == max(curve(run))


def test_two_processes_do_not_train_in_one_folder(
    tmp_path: Path, resizing_folder: Path, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[train]\nrank = 4\ncompile = false\n")
    arguments = ["train", str(resizing_folder), str(shards), str(run), "--recipe", str(recipe), "--max-steps", "1"]
    with locked_run(run):
        assert run_stage(arguments, "training") == 3
    assert "Another process trains in" in capsys.readouterr().err
    assert not (run / STATE_FILE).exists()
    assert run_stage(arguments, "training") == 0


def test_a_lock_that_is_deleted_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, flock, first = tmp_path / "run", fcntl.flock, ExitStack()

    def flock_too_late(lock: IO[str], operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        first.close()
        flock(lock, operation)

    first.enter_context(locked_run(run))
    monkeypatch.setattr(fcntl, "flock", flock_too_late)
    with locked_run(run), pytest.raises(BusyRunError), locked_run(run):
        pass
    assert not run.exists()


def wait_for_records(metrics: Path, num_records: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not metrics.exists() or metrics.read_text().count("\n") < num_records:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
