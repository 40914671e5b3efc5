"""The options of a run: parameters, optimizer, noise; and what it reports."""

import itertools
import random
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.annealing import FULL_REACH
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.export import export_run, merge_run
from dlm_model.training.loader import (
    StepDataset,
    group_by_length,
    iterate_steps,
    make_step,
    unpack_step,
)
from dlm_model.training.metrics import TENSORBOARD_FOLDER
from dlm_model.training.noise_schedule import NoiseCurriculum
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parameters import AllParameters
from dlm_model.training.recipe import TrainSection
from dlm_model.training.sequence import Example
from dlm_model.training.throughput import Clock, FlopCounter, Work, known_peak
from dlm_model.training.train import Trainer
from dlm_model.training.windows import ExampleSource, collate
from tests.model.tiny_checkpoints import load_network
from tests.model.training import tiny_run

ALL = replace(tiny_run.OPTIONS, parameters=AllParameters(), max_steps=30, log_interval=10, learning_rate=3e-3)
PLAN = TrainingOptions(sequences_per_step=64).step_plan

MakeTrainer = Callable[[Path, TrainingOptions], Trainer]


@pytest.fixture
def source(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> ExampleSource:
    return ExampleSource(tiny_run.TEXTS, ExampleBuilder(tiny_tokenizer, tiny_config))


@pytest.fixture
def make_trainer(resizing_folder: Path, source: ExampleSource) -> MakeTrainer:
    def make(run: Path, options: TrainingOptions) -> Trainer:
        network = load_network(resizing_folder)
        return Trainer(network, source, run, options)

    return make


def losses(trainer: Trainer) -> list[float]:
    return [record["loss"] for record in trainer.run() if "loss" in record]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bf16, whatever the CPU can")
@pytest.mark.parametrize(("has_bf16", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, *, has_bf16: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16})
    assert TrainSection().options().precision == precision
    assert TrainSection(precision="bf16").options().precision == "bf16"


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_all_parameters_learn_in_either_precision(
    tmp_path: Path, make_trainer: MakeTrainer, optimizer: str, precision: str
) -> None:
    options = replace(ALL, optimizer=optimizer, precision=precision)
    trainer = make_trainer(tmp_path, options)
    before = {name: weight.detach().clone() for name, weight in trainer.weights.items()}
    first, *_, last = losses(trainer)
    assert last < 0.9 * first
    unchanged = [name for name, weight in trainer.weights.items() if torch.equal(weight, before[name])]
    assert not unchanged
    assert {weight.dtype for weight in trainer.weights.values()} == {torch.float32}


def test_muon_resumes_exactly(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    options = replace(ALL, optimizer="muon", max_steps=8, log_interval=2)
    whole = make_trainer(tmp_path / "whole", options)
    list(whole.run())
    interrupted = make_trainer(tmp_path / "parts", options)
    next(itertools.islice(interrupted.run(), 1, None))
    interrupted.save()
    resumed = make_trainer(tmp_path / "parts", options)
    list(resumed.run())
    for name, weight in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], weight, msg=name)


def test_a_torch_without_muon_is_one_clear_error(
    tmp_path: Path, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ValueError, match="has no Muon"):
        make_trainer(tmp_path, replace(ALL, optimizer="muon"))


def test_a_run_of_all_parameters_is_exported_and_trained_on(
    tmp_path: Path, make_trainer: MakeTrainer, resizing_folder: Path
) -> None:
    trainer = make_trainer(tmp_path / "run", replace(ALL, max_steps=2))
    list(trainer.run())
    export_run(resizing_folder, tmp_path / "run", tmp_path / "exported")
    exported = load_network(tmp_path / "exported")
    for name, weight in trainer.weights.items():
        torch.testing.assert_close(exported.state_dict()[name], weight.detach(), rtol=1e-2, atol=1e-3, msg=name)
    with pytest.raises(ValueError, match="something in it already"):
        export_run(resizing_folder, tmp_path / "run", tmp_path / "exported")


def test_the_state_of_another_architecture_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer, tied_folder: Path
) -> None:
    trainer = make_trainer(tmp_path, ALL)
    trainer.progress.step = 1
    trainer.save()
    with pytest.raises(CheckpointError, match="does not fit the network"):
        merge_run(tied_folder, tmp_path)


def test_the_time_of_a_stretch_ends_a_run_that_can_be_resumed(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    endless = replace(ALL, max_steps=None, max_seconds=1.0)
    trainer = make_trainer(tmp_path, endless)
    list(trainer.run())
    assert trainer.progress.step > 0
    assert trainer.progress.decay_start is None
    final = make_trainer(tmp_path, replace(endless, max_seconds=2.0, decay_seconds=1.0))
    list(final.run())
    assert final.progress.is_finished
    assert trainer.progress.step < (final.progress.decay_start or 0) < final.progress.step


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA L40", None),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA GH200 480GB", 989.0),
    ],
)
def test_a_gpu_is_known_by_its_whole_name(monkeypatch: pytest.MonkeyPatch, name: str, peak: float | None) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert known_peak(torch.device("cuda")) == peak


def test_a_step_crosses_as_few_bytes_and_is_the_same(source: ExampleSource) -> None:
    dataset = StepDataset(source, PLAN, 0, 1)
    examples = [source.draw(random.Random(f"0/3/{index}"), PLAN.curriculum.at(3)) for index in range(64)]
    made, packed = make_step(examples, PLAN.tokens_per_batch), dataset[3]
    # Six numbers a token, four bytes each.
    assert len(packed) < 24 * made.work.num_padded + 20_000
    sent = unpack_step(packed)
    assert (sent.work, sent.weight) == (made.work, made.weight)
    for one, other in zip(made.batches, sent.batches, strict=True):
        for item in fields(one):
            left, right = getattr(one, item.name), getattr(other, item.name)
            assert torch.equal(left, right), item.name
            assert left.dtype == right.dtype, item.name


def test_processes_share_the_sequences_of_a_step(source: ExampleSource) -> None:
    whole, *parts = (
        next(iterate_steps(StepDataset(source, PLAN, rank, size), 0, 0)) for rank, size in ((0, 1), (0, 2), (1, 2))
    )
    assert sum((part.work.num_tokens for part in parts), start=0) == whole.work.num_tokens
    assert sum(part.weight for part in parts) == pytest.approx(whole.weight)


def test_nearly_all_of_what_is_computed_are_real_tokens() -> None:
    lengths = [random.Random(index).randint(60, 500) for index in range(512)]
    examples = [Example(*([value] * length for value in (1, -100, 0.0, 0, 1, 0))) for length in lengths]
    groups = group_by_length(examples, 8192)
    padded = [collate(group).token_ids.numel() for group in groups]
    assert max(padded) <= 8192
    assert sum(lengths) / sum(padded) > 0.94


@pytest.mark.parametrize(
    ("lengths", "tokens", "groups"),
    [((50, 40, 30, 5), 150, [[50, 40], [30, 5]]), ((50, 40, 5), 112, [[50, 40], [5]]), ((50,), 100, [[50]])],
    ids=["company", "no-pair-is-torn", "alone"],
)
def test_what_is_left_over_gets_company(lengths: tuple[int, ...], tokens: int, groups: list[list[int]]) -> None:
    grouped = group_by_length([Example(token_ids=[0] * length) for length in lengths], tokens)
    assert [[len(example.token_ids) for example in group] for group in grouped] == groups


def test_a_sequence_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    examples = [Example([1] * length, [-100] * length, [0.0] * length) for length in (30, 5, 4)]
    assert [len(group) for group in group_by_length(examples, 16)] == [1, 2]


def test_noise_rises_from_its_first_ceiling_to_everything() -> None:
    curriculum = NoiseCurriculum(first_ceiling=0.2, num_steps=100)
    assert [curriculum.ceiling(step) for step in (0, 50, 100, 200)] == pytest.approx([0.2, 0.6, 1.0, 1.0])
    levels = [curriculum.at(0)(random.Random(seed)).level for seed in range(200)]
    assert 0.15 < max(levels) <= 0.2
    assert max(curriculum.at(100)(random.Random(seed)).level for seed in range(200)) == 1.0


def test_attention_widens_until_a_canvas_sees_everything(source: ExampleSource) -> None:
    options = TrainSection(annealing_steps=9).options()
    reaches = [options.annealing.reach(step) for step in range(10)]
    assert reaches == [0, 1, 3, 7, 15, 31, 63, 127, 255, FULL_REACH]
    dataset = StepDataset(source, options.step_plan, 0, 1)
    for step, batches in zip((0, 8, 9), (unpack_step(dataset[step]).batches for step in (0, 8, 9)), strict=True):
        assert all(torch.equal(batch.reach, torch.full_like(batch.reach, reaches[step])) for batch in batches)
    assert all(batch.visibility[0][0][batch.is_valid[0]].all() for batch in batches)


def test_flops_are_those_of_the_matrices(tiny_config: ModelConfig, resizing_folder: Path) -> None:
    network = load_network(resizing_folder)
    matrices = sum(weight.numel() for weight in network.layers.parameters() if weight.dim() == 2)
    head = network.lm_head.weight.numel()
    counter = FlopCounter(tiny_config, num_backward_products=2)
    assert counter.count(Work(num_tokens=10)) == 6 * 10 * matrices
    assert counter.count(Work(num_supervised=3)) == 6 * 3 * head
    scores = tiny_config.num_layers * tiny_config.num_heads * tiny_config.head_dim
    assert counter.count(Work(num_pairs=100)) == 3 * 2 * 2 * 100 * scores


def test_the_clock_measures_against_the_peak(tiny_config: ModelConfig) -> None:
    counter = FlopCounter(tiny_config, num_backward_products=2)
    clock = Clock(counter, peak_tflops=1e-6)
    work = Work(num_tokens=100, num_padded=125, num_supervised=10, num_pairs=1000)
    clock.add(work)
    speed = clock.lap()
    assert speed["real_share"] == 0.8
    seconds = 100 / speed["tokens_per_second"]
    assert speed["mfu"] == pytest.approx(counter.count(work) / seconds / 1e6)


def test_metrics_reach_tensorboard(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    recorded = losses(make_trainer(tmp_path, replace(ALL, max_steps=6, log_interval=2, peak_tflops=0.1)))
    events = EventAccumulator(str(tmp_path / TENSORBOARD_FOLDER)).Reload()
    assert {"loss", "mfu", "tokens_per_second"} <= set(events.Tags()["scalars"])
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(recorded)
    assert [event.step for event in events.Scalars("loss")] == [2, 4, 6]


def test_work_adds_up(source: ExampleSource) -> None:
    examples = [source.draw(random.Random(index)) for index in range(5)]
    step = make_step(examples, 300)
    assert step.work.num_tokens == sum(len(example.token_ids) for example in examples)
    assert step.work.num_supervised == sum(int((batch.labels != -100).sum()) for batch in step.batches)
    assert step.work.num_padded >= step.work.num_tokens
