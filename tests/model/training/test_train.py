"""The loop on a tiny network: it learns, resumes exactly, ends when asked, and never loses the last good state."""

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.network.transformer import Layer, Transformer
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training import objective as objective_module
from dlm_model.training import run_state
from dlm_model.training.distill import certainty_forcing
from dlm_model.training.ending import DECAY_FILE
from dlm_model.training.examples import ExampleBuilder, HoleNoise
from dlm_model.training.held_out import held_out_batches
from dlm_model.training.learning_rate import learning_rate_factor
from dlm_model.training.metrics import METRICS_FILE
from dlm_model.training.objective import Predictions
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parameters import LowRankAdapters
from dlm_model.training.run_state import STATE_FILE, Progress, gather_state, read_progress
from dlm_model.training.sequence import IGNORED, WHOLE, Example
from dlm_model.training.train import Trainer, TrainingDivergedError
from dlm_model.training.windows import Batch, ExampleSource
from tests.model.tiny_checkpoints import load_network
from tests.model.training import tiny_run
from tests.model.training.full_disk import full_disk

OPTIONS = replace(tiny_run.OPTIONS, max_steps=None)

MakeTrainer = Callable[..., Trainer]
Predict = Callable[[Transformer, Batch], Predictions]


@pytest.fixture
def builder(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> ExampleBuilder:
    return ExampleBuilder(tiny_tokenizer, tiny_config)


@pytest.fixture
def make_trainer(resizing_folder: Path, builder: ExampleBuilder) -> MakeTrainer:
    def make(
        run: Path, options: TrainingOptions = OPTIONS, held_out: Mapping[str, list[Batch]] | None = None
    ) -> Trainer:
        network = load_network(resizing_folder)
        return Trainer(network, ExampleSource(tiny_run.TEXTS, builder), run, options, held_out)

    return make


def test_the_loss_falls(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    records = list(make_trainer(tmp_path, replace(OPTIONS, max_steps=40, log_interval=10)).run())
    losses = [record["loss"] for record in records if "loss" in record]
    assert losses[-1] < 0.8 * losses[0]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    options = replace(OPTIONS, max_steps=12)
    whole = make_trainer(tmp_path / "whole", options)
    list(whole.run())
    interrupted = make_trainer(tmp_path / "parts", options)
    next(itertools.islice(interrupted.run(), 2, None))
    interrupted.save()
    resumed = make_trainer(tmp_path / "parts", options)
    assert resumed.progress.step == 6
    list(resumed.run())
    assert resumed.progress == whole.progress
    for name, weight in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], weight, msg=name)


def test_a_killed_run_writes_the_records_of_a_whole_one(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    options = replace(OPTIONS, max_steps=6, log_interval=3, save_seconds=0.0)
    list(make_trainer(tmp_path / "whole", options).run())
    next(make_trainer(tmp_path / "killed", options).run())
    resumed = make_trainer(tmp_path / "killed", options)
    assert resumed.progress.step == 2, "the third step was not saved yet"
    list(resumed.run())
    curves = [
        [(record["step"], record["loss"]) for record in map(json.loads, log.read_text().splitlines())]
        for log in (tmp_path / name / METRICS_FILE for name in ("whole", "killed"))
    ]
    assert curves[0] == curves[1]


def test_a_step_without_anything_to_predict_is_no_end(tmp_path: Path, resizing_folder: Path) -> None:
    class Nothing:
        def draw(self, _rng: random.Random, _noise: object = None) -> Example:
            return Example([1, 2], [IGNORED] * 2, [0.0] * 2, [0, 1], [WHOLE] * 2, [0, 0])

    options = replace(OPTIONS, max_steps=2, warmup_steps=0)
    (record,) = Trainer(load_network(resizing_folder), Nothing(), tmp_path, options).run()
    assert (record["step"], record["loss"]) == (2, 0)


def test_a_single_process_cannot_shard(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="torchrun"):
        make_trainer(tmp_path, tiny_run.VARIANTS["sharded"])


@pytest.mark.parametrize(("alone", "together"), [("adapters", "adapters"), ("all", "sharded")])
def test_two_processes_learn_what_one_does(
    tmp_path: Path, resizing_folder: Path, child_environment: dict[str, str], alone: str, together: str
) -> None:
    tiny_run.main(resizing_folder, tmp_path / "one", alone)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = [tiny_run.__file__, resizing_folder, tmp_path / "two", together]
    subprocess.run([*launcher, *program], env=child_environment, capture_output=True, check=True, timeout=240)
    one, two = (load_file(tmp_path / name / STATE_FILE) for name in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4, msg=name)


def test_a_file_ends_the_run_after_the_decay(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    run = make_trainer(tmp_path).run()
    next(run)
    (tmp_path / DECAY_FILE).touch()
    list(run)
    last = json.loads((tmp_path / METRICS_FILE).read_text().splitlines()[-1])
    assert last["step"] == 2 + OPTIONS.decay_steps


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    assert [learning_rate_factor(Progress("", step=step), OPTIONS) for step in (0, 1, 5)] == [0.5, 1.0, 1.0]
    decaying = [Progress("", step=step, decay_start=6, decay_steps=4) for step in (6, 8, 9)]
    assert [learning_rate_factor(progress, OPTIONS) for progress in decaying] == [1.0, 0.5, 0.25]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_state(
    tmp_path: Path, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save()
    good = (tmp_path / STATE_FILE).read_bytes()
    monkeypatch.setattr(objective_module, "predict", _predict_nan(objective_module.predict))
    advice = "at step 0; the last saved state is intact, and the next call resumes from it: try a lower learning_rate"
    with pytest.raises(TrainingDivergedError, match=advice):
        list(trainer.run())
    assert (tmp_path / STATE_FILE).read_bytes() == good


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save()
    good = (tmp_path / STATE_FILE).read_bytes()
    next(iter(trainer.weights.values())).data.fill_(torch.inf)
    with pytest.raises(TrainingDivergedError, match="the last saved state is intact"):
        trainer.save()
    assert (tmp_path / STATE_FILE).read_bytes() == good


def test_how_far_a_run_is_takes_no_reading_of_its_tensors(
    tmp_path: Path, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save()

    def read(_path: Path) -> None:
        raise AssertionError

    monkeypatch.setattr(run_state, "_read", read)
    assert read_progress(tmp_path / STATE_FILE) == trainer.progress


def test_a_process_that_does_not_write_keeps_no_tensors(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(tmp_path)
    assert gather_state(trainer.weights, trainer.optimizers).keys() == trainer.weights.keys()
    assert gather_state(trainer.weights, trainer.optimizers, is_kept=False) == {}


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save()
    good = (tmp_path / STATE_FILE).read_bytes()
    with full_disk(), pytest.raises(OSError, match="cannot be written"):
        trainer.save()
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    assert (tmp_path / STATE_FILE).read_bytes() == good


def test_the_state_of_a_run_with_other_settings_is_refused(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    make_trainer(tmp_path).save()
    with pytest.raises(CheckpointError, match="another run"):
        make_trainer(tmp_path, replace(OPTIONS, parameters=LowRankAdapters(rank=2, alpha=4)))


def test_another_objective_or_optimizer_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer, resizing_folder: Path, builder: ExampleBuilder
) -> None:
    make_trainer(tmp_path).save()
    with pytest.raises(CheckpointError, match=r"another optimizer \(adamw\); this one has muon"):
        make_trainer(tmp_path, replace(OPTIONS, optimizer="muon"))
    source = ExampleSource(tiny_run.TEXTS, builder)
    message = r"another objective \(masked diffusion\); this one has certainty forcing"
    with pytest.raises(CheckpointError, match=message):
        Trainer(load_network(resizing_folder), source, tmp_path, OPTIONS, objective=certainty_forcing)


def test_a_state_that_tells_less_is_gone_on_with(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(tmp_path)
    trainer.progress.objective = trainer.progress.optimizer = ""
    trainer.save()
    assert make_trainer(tmp_path).progress.objective == "masked diffusion"


@pytest.mark.parametrize("content", [b"", b"not a state", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_state_is_refused(tmp_path: Path, make_trainer: MakeTrainer, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="not the state of a training run"):
        make_trainer(tmp_path)


def test_an_empty_corpus_is_refused(builder: ExampleBuilder) -> None:
    with pytest.raises(ValueError, match="corpus is empty"):
        ExampleSource([], builder)


def test_held_out_measurements_are_logged(tmp_path: Path, make_trainer: MakeTrainer, builder: ExampleBuilder) -> None:
    batches = {"first_step": held_out_batches(tiny_run.TEXTS, builder, HoleNoise(1.0, "exact"), 4)}
    *_, last = make_trainer(tmp_path, replace(OPTIONS, max_steps=4), held_out=batches).run()
    assert last["first_step/nll"] > 0
    assert 0 <= last["first_step/accuracy"] <= 1
    assert json.loads((tmp_path / METRICS_FILE).read_text().splitlines()[-1]) == last


def test_what_was_measured_first_is_not_measured_again(
    tmp_path: Path, make_trainer: MakeTrainer, builder: ExampleBuilder
) -> None:
    batches = {"first_step": held_out_batches(tiny_run.TEXTS, builder, HoleNoise(1.0, "exact"), 4)}
    killed = make_trainer(tmp_path, held_out=batches)
    run = killed.run()
    assert killed.measures_first
    assert "first_step/nll" in next(run)
    assert next(run)["step"] == 2, "which is not saved"
    again = make_trainer(tmp_path, replace(OPTIONS, max_steps=2), held_out=batches)
    assert (again.progress.step, again.measures_first) == (0, False)
    records = list(again.run())
    assert [record["step"] for record in records if "first_step/nll" in record] == [2]


# The compiler reads gradients of tensors that keep none.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_layers_are_compiled_once_for_every_shape_and_not_for_measuring(
    tmp_path: Path, make_trainer: MakeTrainer, builder: ExampleBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The compiler's graphs without its machine code, which would take minutes.
    monkeypatch.setattr(Layer, "compile", partialmethod(Layer.compile, backend="eager"))
    batches = {"first_step": held_out_batches(tiny_run.TEXTS, builder, HoleNoise(1.0, "exact"), 4)}
    options = replace(OPTIONS, max_steps=6, sequences_per_step=8, tokens_per_batch=400, measure_interval=3)
    trainer = make_trainer(tmp_path, options, held_out=batches)
    trainer.compile()
    torch._dynamo.reset()
    counters.clear()
    *_, last = trainer.run()
    assert last["first_step/nll"] > 0
    # One for a batch of a single sequence, one for any other.
    assert 1 <= counters["stats"]["unique_graphs"] <= 2
    assert not counters["graph_break"]


def _predict_nan(predict: Predict) -> Predict:
    def predict_nan(network: Transformer, batch: Batch) -> Predictions:
        predictions = predict(network, batch)
        return replace(predictions, logits=predictions.logits * torch.nan)

    return predict_nan
