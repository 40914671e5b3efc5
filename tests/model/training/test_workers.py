"""Processes that make the steps of a run: they make the same ones, and what goes wrong in them is told."""

import itertools
import os
import random
from collections.abc import Callable

import pytest
import torch

from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.loader import DataWorkerError, StepBatches, StepDataset, iterate_steps
from dlm_model.training.options import TrainingOptions
from dlm_model.training.sequence import Example
from dlm_model.training.windows import ExampleSource
from tests.model.training import tiny_run

PLAN = TrainingOptions(sequences_per_step=6).step_plan


@pytest.fixture
def source(tiny_tokenizer: Tokenizer, tiny_config: ModelConfig) -> ExampleSource:
    return ExampleSource(tiny_run.TEXTS, ExampleBuilder(tiny_tokenizer, tiny_config))


def test_worker_processes_make_the_same_steps(source: ExampleSource) -> None:
    dataset = StepDataset(source, PLAN, 0, 1)
    alone, helped = (list(itertools.islice(iterate_steps(dataset, 3, workers), 3)) for workers in (0, 2))
    assert [step.work for step in alone] == [step.work for step in helped]
    for one, other in zip(alone, helped, strict=True):
        for left, right in zip(one.batches, other.batches, strict=True):
            assert torch.equal(left.token_ids, right.token_ids)


@pytest.mark.parametrize(
    ("fail", "reason"),
    [(lambda: 1 // 0, "failed: ZeroDivisionError: "), (lambda: os._exit(1), r"failed: DataLoader worker \(pid")],
    ids=["error", "killed"],
)
def test_a_worker_that_fails_is_one_sentence(fail: Callable[[], object], reason: str) -> None:
    class Broken:
        def draw(self, _rng: random.Random, _noise: object) -> Example:
            fail()
            return Example([])

    with pytest.raises(DataWorkerError, match=reason) as caught:
        next(iterate_steps(StepDataset(Broken(), PLAN, 0, 1), 0, num_workers=1))
    assert "\n" not in str(caught.value)


def test_a_worker_that_fails_is_told_of_to_the_last_line() -> None:
    class Broken:
        def draw(self, _rng: random.Random, _noise: object) -> Example:
            try:
                return Example([1 // 0])
            except ZeroDivisionError as error:
                raise ValueError("two things are wrong:\n  this\n  and that") from error

    with pytest.raises(DataWorkerError) as caught:
        next(iterate_steps(StepDataset(Broken(), PLAN, 0, 1), 0, num_workers=1))
    assert str(caught.value).startswith(
        "A process that makes examples failed: ValueError: two things are wrong:\n  this\n  and that (if memory"
    )


def test_what_fails_outside_the_workers_is_not_told_of_as_theirs(
    source: ExampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(_packed: bytes) -> StepBatches:
        raise ValueError("in the run itself")

    monkeypatch.setattr("dlm_model.training.loader.unpack_step", unpack)
    with pytest.raises(ValueError, match=r"^in the run itself$"):
        next(iterate_steps(StepDataset(source, PLAN, 0, 1), 0, num_workers=1))
