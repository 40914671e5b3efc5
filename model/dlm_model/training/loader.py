"""The batches of every step, made by worker processes ahead of time, from the seed and the step's number alone.

Examples are cut, tokenised and noised when they are needed, so no hole is ever shown twice. On one core of an Intel
Xeon that gives about 200 000 tokens a second, so a dozen workers feed a GPU that computes 1.5 million.
"""

import pickle
import random
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import count, dropwhile
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dlm_model.errors import ModelError
from dlm_model.training.annealing import FULL_REACH, AttentionAnnealing
from dlm_model.training.examples import NoiseSource
from dlm_model.training.noise_schedule import NoiseCurriculum
from dlm_model.training.sequence import IGNORED, Example
from dlm_model.training.throughput import Work
from dlm_model.training.windows import Batch, collate, padded_length

_STEPS_AHEAD = 2


class DataWorkerError(ModelError):
    """A process that makes examples failed; the last saved state is intact."""


class Examples(Protocol):
    """Where examples come from."""

    def draw(self, rng: random.Random, noise: NoiseSource) -> Example:
        """One example, with everything about it decided by `rng`."""
        ...


class StepBatches(NamedTuple):
    """One process's share of a step: its batches, what they ask for, and the sum of their weights."""

    batches: list[Batch]
    work: Work
    weight: float


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Which sequences a step has, over all processes, and how they are batched.

    Attributes:
        seed: Of the run.
        sequences_per_step: Over all processes and batches.
        tokens_per_batch: Padding included; a longer sequence is a batch of its own.
        curriculum: How noise rises over the steps.
        annealing: How attention widens over the steps.
    """

    seed: int
    sequences_per_step: int
    tokens_per_batch: int
    curriculum: NoiseCurriculum
    annealing: AttentionAnnealing


class StepDataset(Dataset[bytes]):
    """Steps by number, as bytes, which cross from process to process without a file handle a tensor."""

    def __init__(self, examples: Examples, plan: StepPlan, rank: int, num_ranks: int) -> None:
        self._examples, self._plan, self._rank, self._num_ranks = examples, plan, rank, num_ranks

    def __getitem__(self, step: int) -> bytes:
        plan = self._plan
        noise = plan.curriculum.at(step)
        indices = range(self._rank, plan.sequences_per_step, self._num_ranks)
        examples = [self._examples.draw(random.Random(f"{plan.seed}/{step}/{index}"), noise) for index in indices]
        return pack_step(make_step(examples, plan.tokens_per_batch, plan.annealing.reach(step)))


class _StepsFrom(Iterable[int]):
    """Step numbers without an end; each iteration begins anew, which `count` itself does not."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return count(self._first)


def iterate_steps(dataset: StepDataset, first_step: int, num_workers: int) -> Iterator[StepBatches]:
    """The steps from `first_step` on, in order; 0 workers makes them when they are asked for.

    Raises:
        DataWorkerError: a worker failed, or was ended from outside.
    """
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=_StepsFrom(first_step),
        num_workers=num_workers,
        prefetch_factor=_STEPS_AHEAD if num_workers else None,
        worker_init_fn=_leave_stopping_to_the_run,
    )
    steps = iter(loader)
    while True:
        try:
            packed = next(steps)
        except Exception as error:
            if not num_workers:
                raise
            remedy = "if memory ran out, a smaller num_workers needs less"
            raise DataWorkerError(f"A process that makes examples failed: {_reason(error)} ({remedy})") from error
        yield unpack_step(packed)


def _reason(error: Exception) -> str:
    """What went wrong in a worker, to the last line of it, without the traceback that the loader puts before it."""
    lines = str(error).strip().rpartition("Traceback (most recent call last):\n")[2].splitlines()
    return "\n".join(dropwhile(lambda line: line.startswith(" "), lines))


def _leave_stopping_to_the_run(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the run needs its workers until the step under way is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which the loader ends them


def pack_step(step: StepBatches) -> bytes:
    """Pack a step into few bytes, because the device waits while they are received and read.

    A step of 608,000 tokens is 15 MB and read in 13 ms. Its tensors, pickled as they are, were 28 MB and took 48 ms.
    """
    arrays = [{item.name: _narrow(getattr(batch, item.name)) for item in fields(batch)} for batch in step.batches]
    return pickle.dumps((arrays, step.work, step.weight), pickle.HIGHEST_PROTOCOL)


def unpack_step(packed: bytes) -> StepBatches:
    """The step that was packed."""
    arrays, work, weight = pickle.loads(packed)
    batches = [Batch(**{name: _widen(torch.from_numpy(array)) for name, array in batch.items()}) for batch in arrays]
    return StepBatches(batches, work, weight)


def _narrow(tensor: Tensor) -> NDArray[np.generic]:
    narrow: NDArray[np.generic] = (tensor if tensor.is_floating_point() else tensor.int()).numpy()
    return narrow


def _widen(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_floating_point() else tensor.long()


def make_step(examples: Sequence[Example], tokens_per_batch: int, reach: int = FULL_REACH) -> StepBatches:
    """Batches of examples of similar length, each of at most `tokens_per_batch` tokens with its padding."""
    batches = [collate(group, reach) for group in group_by_length(examples, tokens_per_batch)]
    lengths = [len(example.token_ids) for example in examples]
    work = Work(
        num_tokens=sum(lengths),
        num_padded=sum(batch.token_ids.numel() for batch in batches),
        num_supervised=sum(label != IGNORED for example in examples for label in example.labels),
        num_pairs=sum(length**2 for length in lengths),
    )
    return StepBatches(batches, work, sum(sum(example.weights) for example in examples))


def group_by_length(examples: Sequence[Example], tokens_per_batch: int) -> list[list[Example]]:
    """Groups of similar length, the longest first, so that a batch that is too large for the memory fails at once."""
    groups: list[list[Example]] = []
    for example in sorted(examples, key=lambda example: len(example.token_ids), reverse=True):
        if groups and (len(groups[-1]) + 1) * padded_length(len(groups[-1][0].token_ids)) <= tokens_per_batch:
            groups[-1].append(example)
        else:
            groups.append([example])
    # A batch of one would be compiled once more, so a lone last example gets one of the group before it.
    if len(groups) > 1 and len(groups[-1]) == 1 and len(groups[-2]) > 2:
        groups[-1].insert(0, groups[-2].pop())
    return groups
