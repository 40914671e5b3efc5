"""How a run uses the time it is given, by a clock that only its steps advance."""

from collections.abc import Callable, Container
from pathlib import Path

import pytest

from dlm_model.training import ending, launch
from dlm_model.training import train as train_module
from dlm_model.training.held_out import Measurement
from dlm_model.training.recipe import TrainSection
from dlm_model.training.train import Trainer

NOTHING_MEASURED = Measurement(nll=1.0, accuracy=0.5, delete_accuracy=1.0, next_nll=1.0)
SECTION = TrainSection(rank=0, sequences_per_step=1, log_interval=1000, compile=False)


class Clock:
    """Stands in for the module `time`; a function decides how many seconds each step takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float]) -> None:
        self.now = 0.0
        self._seconds = seconds
        for module in (train_module, ending, launch):
            monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(Trainer, "_step", lambda trainer, _: self._take_step(trainer))
        monkeypatch.setattr(Trainer, "save", lambda _: None)

    def monotonic(self) -> float:
        return self.now

    def _take_step(self, trainer: Trainer) -> float:
        trainer.progress.step += 1
        self.now += self._seconds(trainer.progress.step)
        return 0.0


@pytest.mark.parametrize("slow", [range(2, 6), (190,)], ids=["at-first", "in-the-decay"])
def test_steps_that_compile_do_not_cut_the_decay_short(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch, slow: Container[int]
) -> None:
    monkeypatch.setattr(launch, "read_held_out", lambda *_: {})
    clock = Clock(monkeypatch, lambda step: 20.0 if step in slow else 1.0)
    options = SECTION.options(max_seconds=270.0, decay_seconds=135.0)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, options)
    list(trainer.run())
    assert trainer.progress.is_finished
    assert 0.9 * 270 < clock.now <= 270


def test_slow_steps_are_reported_all_the_same(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, lambda _: 25.0)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, SECTION.options(190.0))
    steps = [record["step"] for record in trainer.run() if "loss" in record]
    # Each after a minute, and the last at the end.
    assert steps == [3, 6, 8]


def test_time_runs_while_a_trainer_is_built(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, lambda _: 1.0)

    def read_slowly(*_: object) -> dict[str, object]:
        clock.now += 5.0
        return {}

    monkeypatch.setattr(launch, "read_held_out", read_slowly)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, SECTION.options(9.0))
    list(trainer.run())
    assert clock.now == 9.0


def test_measuring_takes_no_time_from_training(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, lambda _: 1.0)

    def measure_slowly(*_: object) -> Measurement:
        clock.now += 100.0
        return NOTHING_MEASURED

    monkeypatch.setattr(train_module, "measure", measure_slowly)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, SECTION.options(9.0))
    list(trainer.run())
    assert trainer.progress.step == 9


def test_a_call_takes_a_step_even_if_loading_took_all_the_time(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, lambda _: 1.0)

    def read_slowly(*_: object) -> dict[str, object]:
        clock.now += 5.0
        return {}

    monkeypatch.setattr(launch, "read_held_out", read_slowly)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, SECTION.options(2.0))
    list(trainer.run())
    assert trainer.progress.step == 1


def test_a_decay_that_goes_on_in_another_call_is_not_cut_short(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "read_held_out", lambda *_: {})
    Clock(monkeypatch, lambda _: 1.0)
    options = SECTION.options(max_seconds=270.0, decay_seconds=135.0)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, options)
    trainer.progress.decay_start, trainer.progress.decay_steps = 0, 100
    list(trainer.run())
    assert (trainer.progress.step, trainer.progress.is_finished) == (100, True)


@pytest.mark.parametrize("begun", [False, True], ids=["on-the-plateau", "in-the-decay"])
@pytest.mark.parametrize("limit", [15.0, 25.0], ids=["too-late", "too-little-time-for-another"])
def test_a_run_is_not_over_before_its_learning_rate_has_fallen(
    tmp_path: Path, resizing_folder: Path, shards: Path, monkeypatch: pytest.MonkeyPatch, limit: float, *, begun: bool
) -> None:
    monkeypatch.setattr(launch, "read_held_out", lambda *_: {})
    Clock(monkeypatch, lambda _: 10.0)
    options = SECTION.options(max_seconds=limit, decay_seconds=limit / 2)
    trainer = launch.build_trainer(resizing_folder, shards, tmp_path / "run", SECTION, options)
    if begun:
        trainer.progress.decay_start, trainer.progress.decay_steps = 0, 100
    list(trainer.run())
    assert not trainer.progress.is_finished
    assert (trainer.progress.decay_start, trainer.progress.decay_steps) == ((0, 100) if begun else (None, 1))
