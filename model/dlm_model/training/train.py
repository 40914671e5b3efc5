"""The training loop: adapters on a frozen network, warm-up, a plateau, and a decay that can begin at any time.

A run folder holds `state.safetensors` (the last good state), `metrics.jsonl`, and, once somebody puts it there, a file
`decay` that starts the decay of the learning rate; the run ends when it is over. What a step trains on depends on the
seed and the step's number alone, so a resumed run sees what an uninterrupted one would have seen.
"""

import json
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from dlm_model.training.adapters import add_adapters, trained_state
from dlm_model.training.held_out import measure
from dlm_model.training.initialize import ADDED_TOKENS
from dlm_model.training.objective import predict
from dlm_model.training.process_group import ProcessGroup
from dlm_model.training.run_state import STATE_FILE, Progress, load_moments, load_weights, save_state
from dlm_model.training.sequence import Example
from dlm_model.training.windows import Batch, ExampleSource, batches_by_length
from dlm_model.transformer import Transformer

METRICS_FILE = "metrics.jsonl"
DECAY_FILE = "decay"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """The dials of a run; times in seconds, everything else in steps or sequences."""

    rank: int = 32
    alpha: float = 64.0
    learning_rate: float = 4e-4
    warmup_steps: int = 60
    decay_steps: int = 200
    max_steps: int | None = None
    sequences_per_step: int = 8
    sequences_per_batch: int = 4
    max_gradient_norm: float = 1.0
    seed: int = 0
    log_interval: int = 20
    measure_interval: int = 300
    save_seconds: float = 180.0

    @property
    def fingerprint(self) -> str:
        """The settings that decide which tensors are trained."""
        return f"rank {self.rank}, alpha {self.alpha:g}"


@dataclass(frozen=True, slots=True)
class StepTotals:
    """What all processes saw in one step."""

    loss: float
    num_tokens: int
    is_decay_requested: bool


class TrainingDivergedError(Exception):
    """The loss is no longer a number; the last saved state is intact."""


class Trainer:
    """One run: a network with adapters, its data, its optimizer, and how far it is."""

    def __init__(
        self,
        network: Transformer,
        source: ExampleSource,
        folder: Path,
        options: TrainingOptions,
        held_out: Mapping[str, Sequence[Batch]] | None = None,
    ) -> None:
        """Add adapters to the network, and resume from the folder's state if it has one.

        Raises:
            CheckpointError: the folder's state is unreadable, or of a run with other settings.
        """
        torch.manual_seed(options.seed)
        add_adapters(network, options.rank, options.alpha, len(ADDED_TOKENS))
        self.network, self.source, self.folder, self.options = network, source, folder, options
        self.held_out = held_out or {}
        self.group = ProcessGroup()
        self.weights = trained_state(network)
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=options.learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
        )
        self.progress = Progress(options.fingerprint)
        if self.state_path.exists():
            self.progress = load_weights(self.state_path, self.weights, options.fingerprint)
            load_moments(self.state_path, self.weights, self.optimizer)

    @property
    def state_path(self) -> Path:
        """Where the last good state is."""
        return self.folder / STATE_FILE

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end of the decay, yielding the metrics of every `log_interval` steps.

        Raises:
            TrainingDivergedError: the loss is not finite; nothing of that step is kept.
        """
        options, saved_at, losses, clock = self.options, time.monotonic(), list[float](), _Clock(self.progress)
        while not self._is_finished():
            losses.append(self._step())
            if self.progress.step % options.log_interval == 0 and self.group.is_first:
                yield self._log({"loss": sum(losses) / len(losses), "tokens_per_second": clock.lap(self.progress)})
                losses.clear()
            if self.progress.step % options.measure_interval == 0 and self.group.is_first:
                yield self._log(self._measure())
                clock = _Clock(self.progress)
            if time.monotonic() - saved_at > options.save_seconds:
                self.save()
                saved_at = time.monotonic()
        self.save()
        if self.group.is_first:
            yield self._log(self._measure())

    def compile(self) -> None:
        """Compile the layers, which are alike, for any batch shape."""
        torch._dynamo.config.recompile_limit = max(64, 2 * len(self.network.layers))
        for layer in self.network.layers:
            layer.compile(dynamic=True)

    def save(self) -> None:
        """Replace the run's state by the present one; the first process does it for all."""
        if self.group.is_first:
            save_state(self.state_path, self.progress, self.weights, self.optimizer)

    def _is_finished(self) -> bool:
        progress, options = self.progress, self.options
        if options.max_steps is not None and progress.decay_start is None:
            planned = max(0, options.max_steps - options.decay_steps)
            progress.decay_start = planned if progress.step >= planned else None
        return progress.decay_start is not None and progress.step >= progress.decay_start + options.decay_steps

    def _step(self) -> float:
        """One optimizer step; returns the mean loss."""
        options, progress = self.options, self.progress
        totals = self._accumulate(self._draw())
        norm = nn.utils.clip_grad_norm_(self.weights.values(), options.max_gradient_norm)
        if not math.isfinite(totals.loss) or not torch.isfinite(norm):
            raise TrainingDivergedError(f"loss {totals.loss} with gradient norm {norm:.3g} at step {progress.step}")
        for group in self.optimizer.param_groups:
            group["lr"] = options.learning_rate * learning_rate_factor(progress, options)
        self.optimizer.step()
        progress.step += 1
        progress.num_tokens += totals.num_tokens
        if totals.is_decay_requested and progress.decay_start is None:
            progress.decay_start = progress.step
        return totals.loss

    def _draw(self) -> list[Example]:
        """This process's share of the step's sequences."""
        indices = range(self.group.rank, self.options.sequences_per_step, self.group.size)
        keys = (f"{self.options.seed}/{self.progress.step}/{index}" for index in indices)
        return [self.source.draw(random.Random(key)) for key in keys]

    def _accumulate(self, examples: list[Example]) -> StepTotals:
        """Leave the gradient of the mean loss over all processes' examples in the weights."""
        self.optimizer.zero_grad()
        loss = torch.zeros(())
        for batch in batches_by_length(examples, self.options.sequences_per_batch):
            batch_loss = predict(self.network, batch).loss
            batch_loss.backward()  # type: ignore[no-untyped-call]
            loss += batch_loss.detach()
        num_tokens = sum(len(example.token_ids) for example in examples)
        weight = sum(sum(example.weights) for example in examples)
        is_decay_requested = (self.folder / DECAY_FILE).exists()
        sums = self.group.sum(torch.tensor([float(loss), weight, num_tokens, is_decay_requested], dtype=torch.float64))
        self._sum_gradients(divisor=float(sums[1]))
        return StepTotals(float(sums[0] / sums[1]), int(sums[2]), bool(sums[3]))

    def _sum_gradients(self, divisor: float) -> None:
        """Replace every gradient by the sum over all processes, divided; one message carries them all."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        flat = self.group.sum(torch.cat([gradient.flatten() for gradient in gradients])) / divisor
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _measure(self) -> dict[str, float]:
        measured = {name: measure(self.network, batches) for name, batches in self.held_out.items()}
        return {f"{name}/{key}": value for name, m in measured.items() for key, value in asdict(m).items()}

    def _log(self, metrics: dict[str, float]) -> dict[str, float]:
        record = {"step": self.progress.step, "tokens": self.progress.num_tokens, **metrics}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        return record


class _Clock:
    """Measures tokens per second from lap to lap."""

    def __init__(self, progress: Progress) -> None:
        self._time, self._num_tokens = time.monotonic(), progress.num_tokens

    def lap(self, progress: Progress) -> float:
        now = time.monotonic()
        speed = (progress.num_tokens - self._num_tokens) / (now - self._time)
        self._time, self._num_tokens = now, progress.num_tokens
        return speed


def learning_rate_factor(progress: Progress, options: TrainingOptions) -> float:
    """Linear warm-up, plateau, linear decay; in (0, 1]."""
    factor = min(1.0, (progress.step + 1) / options.warmup_steps)
    if progress.decay_start is not None:
        factor *= 1.0 - (progress.step - progress.decay_start) / options.decay_steps
    return factor
