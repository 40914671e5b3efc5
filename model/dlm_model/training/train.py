"""The training loop: warm-up, a plateau, and a decay that can begin at any time.

A run folder holds `state.safetensors` (the last good state), `metrics.jsonl`, TensorBoard files, and, if it is
put there, a file `decay` that starts the decay of the learning rate; the run ends when it is over. What a step
trains on depends on the seed and the step's number alone, so a resumed run sees what an uninterrupted one would have
seen. What is trained, on how many devices, by which optimizer and towards which objective are objects of the options.
"""

import itertools
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from dlm_model.errors import ModelError
from dlm_model.network.transformer import Transformer
from dlm_model.training.adapters import trained_state
from dlm_model.training.held_out import Measurement, measure
from dlm_model.training.learning_rate import learning_rate_factor
from dlm_model.training.loader import Examples, StepBatches, StepDataset, iterate_steps
from dlm_model.training.metrics import MetricsLog
from dlm_model.training.objective import predict
from dlm_model.training.optimizers import build_optimizers, set_learning_rate
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parallelism import ProcessGroup
from dlm_model.training.run_state import (
    STATE_FILE,
    Progress,
    gather_state,
    load_moments,
    load_weights,
    save_state,
)
from dlm_model.training.throughput import Clock, FlopCounter, Work, known_peak
from dlm_model.training.windows import Batch

DECAY_FILE = "decay"
_NO_DECAY = -1
_DECAY_MARGIN = 0.9  # Of the remaining time, because the last state has to be written in it, too.
_NUM_DURATIONS = 50
_LONGEST_SILENCE = 60.0  # seconds

Objective = Callable[[Transformer, Batch], Tensor]
"""The loss of a batch, summed over its tokens with their weights; differentiable."""


class TrainingDivergedError(ModelError):
    """The loss is no longer a number; the last saved state is intact."""


def masked_diffusion(network: Transformer, batch: Batch) -> Tensor:
    """Weighted cross entropy of the masked tokens."""
    return predict(network, batch).loss


class Trainer:
    """One run: a network, its data, its optimizers, and how far it is."""

    def __init__(
        self,
        network: Transformer,
        examples: Examples,
        folder: Path,
        options: TrainingOptions,
        held_out: Mapping[str, Sequence[Batch]] | None = None,
        *,
        objective: Objective = masked_diffusion,
        group: ProcessGroup | None = None,
        started_at: float | None = None,
        start: str = "",
    ) -> None:
        """Prepare the network for training, and resume from the folder's state if it has one.

        Args:
            network: With a checkpoint's weights; trained in place.
            examples: What to learn from.
            folder: Of the run.
            options: The dials.
            held_out: Batches to measure on, by the name of what they measure.
            objective: What to minimise.
            group: The processes that train together; None finds out.
            started_at: When the time that the options grant began, on the monotonic clock; None is now.
            start: The digest of the checkpoint's weights, which a state that is resumed must have started from.

        Raises:
            CheckpointError: the folder's state is unreadable, or of a run with other settings.
            ValueError: the optimizer cannot train these weights, or a process would have no sequence.
        """
        torch.manual_seed(options.seed)
        self.group = group or ProcessGroup(network.device)
        if options.sequences_per_step < self.group.size:
            raise ValueError(
                f"{options.sequences_per_step} sequences a step are too few for {self.group.size} processes"
            )
        self.network, self.folder = network.to(self.group.device), folder
        self.options, self.objective, self.is_compiled, self.is_stopped = options, objective, False, False
        options.parameters.prepare(network)
        options.placement.place(network, options.dtype)
        self.weights = trained_state(network)
        self.optimizers = build_optimizers(self.weights, options.optimizer, options.weight_decay)
        self.progress = self._resume(start)
        device = self.group.device
        self.held_out = {name: [batch.to(device) for batch in batches] for name, batches in (held_out or {}).items()}
        self._dataset = StepDataset(examples, options.step_plan, self.group.rank, self.group.size)
        self._log = MetricsLog(folder, self.progress.step)
        self._clock = self._make_clock()
        self._started_at = time.monotonic() if started_at is None else started_at
        self._durations = deque[float](maxlen=_NUM_DURATIONS)

    @property
    def state_path(self) -> Path:
        """Where the last good state is."""
        return self.folder / STATE_FILE

    def run(self) -> Iterator[dict[str, float]]:
        """Train until the decay or the time is over, yielding the metrics of every `log_interval` steps, or sooner.

        Raises:
            TrainingDivergedError: the loss is not finite; nothing of that step is kept.
        """
        options, saved_at, losses = self.options, time.monotonic(), self.progress.losses
        steps = iterate_steps(self._dataset, self.progress.step, options.num_workers)
        if not self.progress.step:
            yield from self._measure()
        self._clock.pause()
        first_step, logged_at = self.progress.step + 1, time.monotonic()
        while not self._is_finished():
            began_at = time.monotonic()
            losses.append(self._step(next(steps)))
            # The first step compiles and waits for the workers, and says nothing about the time of the others.
            if self.progress.step > first_step:
                self._durations.append(time.monotonic() - began_at)
            if self.progress.step % options.log_interval == 0 or time.monotonic() - logged_at > _LONGEST_SILENCE:
                yield from self._report(losses)
                logged_at = time.monotonic()
            if self.progress.step % options.measure_interval == 0:
                yield from self._measure()
                self._clock.pause()
            if self._agree(time.monotonic() - saved_at > options.save_seconds):
                self.save()
                saved_at = time.monotonic()
                self._clock.pause()
        self.save()
        yield from self._report(losses)
        yield from self._measure()
        self.group.wait()

    def stop(self) -> None:
        """End the run, which can be resumed, after the step under way; nothing is measured."""
        self.is_stopped = True

    def compile(self) -> None:
        """Compile the layers, which are alike, for any batch shape; it happens in the first step."""
        self.is_compiled = True
        torch._dynamo.config.recompile_limit = max(64, 2 * len(self.network.layers))
        for layer in self.network.layers:
            layer.compile(dynamic=True)

    def save(self) -> None:
        """Replace the run's state by the present one; all processes take part, and the first writes."""
        tensors = gather_state(self.weights, self.optimizers)
        if self.group.is_first:
            save_state(self.state_path, self.progress, tensors)

    def _resume(self, start: str) -> Progress:
        """Take over the folder's state if there is one; tells how far the run is."""
        fingerprint = self.options.parameters.fingerprint
        if not self.state_path.exists():
            return Progress(fingerprint, start=start)
        progress = load_weights(self.state_path, self.weights, fingerprint, start)
        load_moments(self.state_path, self.weights, self.optimizers)
        return progress

    def _make_clock(self) -> Clock:
        peak = self.options.peak_tflops or known_peak(self.group.device)
        flops = FlopCounter(self.network.config, self.options.parameters.num_backward_products)
        return Clock(flops, peak * self.group.size if peak else None)

    def _is_finished(self) -> bool:
        options, progress = self.options, self.progress
        if progress.decay_start is None and (steps := self.group.largest(self._requested_decay())) != _NO_DECAY:
            progress.decay_start, progress.decay_steps = progress.step, steps
        if progress.decay_start is not None and options.decay_seconds is not None:
            # Steps may turn out slower than they were when the decay began; it ends in time all the same.
            affordable = progress.step - progress.decay_start + self.group.largest(self._affordable_steps())
            progress.decay_steps = min(progress.decay_steps, affordable)
        return progress.is_finished or self._agree(self._seconds_left <= 0 or self.is_stopped)

    def _requested_decay(self) -> int:
        """Steps of a decay that shall begin now; `_NO_DECAY` for none."""
        options, progress = self.options, self.progress
        if options.max_steps is not None and progress.step >= options.max_steps - options.decay_steps:
            return max(0, options.max_steps - progress.step)
        if (self.folder / DECAY_FILE).exists():
            return options.decay_steps
        if options.decay_seconds is not None and self._seconds_left <= options.decay_seconds and self._durations:
            return self._affordable_steps()
        return _NO_DECAY

    @property
    def _seconds_left(self) -> float:
        limit = self.options.max_seconds
        return math.inf if limit is None else limit - (time.monotonic() - self._started_at)

    def _affordable_steps(self) -> int:
        """Steps that the time suffices for, if they take as long as the median of the last ones.

        Not their mean: a single step that compiles would shorten the decay, which never grows again.
        """
        if not self._durations:
            return 1
        return max(0, int(_DECAY_MARGIN * self._seconds_left / statistics.median(self._durations)))

    def _step(self, step: StepBatches) -> float:
        """One optimizer step; returns the mean loss."""
        options, progress = self.options, self.progress
        loss = self._accumulate(step)
        norm = nn.utils.clip_grad_norm_(self.weights.values(), options.max_gradient_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        if not math.isfinite(loss) or not torch.isfinite(norm):
            raise TrainingDivergedError(f"loss {loss} with gradient norm {norm:.3g} at step {progress.step}")
        set_learning_rate(self.optimizers, options.learning_rate * learning_rate_factor(progress, options))
        for optimizer in self.optimizers:
            optimizer.step()
        progress.step += 1
        return loss

    def _accumulate(self, step: StepBatches) -> float:
        """Leave the gradient of the mean loss over all processes' tokens in the weights; returns that loss."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = torch.zeros((), device=self.group.device)
        for batch in self._with_everyone(step.batches):
            with self._autocast():
                batch_loss = self.objective(self.network, batch.to(self.group.device))
            batch_loss.backward()  # type: ignore[no-untyped-call]
            loss += batch_loss.detach()
        counts = torch.tensor([0.0, step.weight, *astuple(step.work)], dtype=torch.float64, device=loss.device)
        counts[0] = loss
        loss_sum, weight, *work = self.group.sum(counts).tolist()
        weight = (
            weight or 1.0
        )  # Small texts with little noise may leave nothing to predict, once in a great many steps.
        self.options.placement.reduce(list(self.weights.values()), weight, self.group)
        self._clock.add(Work(*map(int, work)))
        self.progress.num_tokens += int(work[0])
        return float(loss_sum / weight)

    def _with_everyone(self, batches: list[Batch]) -> Iterator[Batch]:
        """The batches, and some without weight until all processes have as many: they put sharded layers together."""
        yield from batches
        spare = replace(batches[-1], weights=torch.zeros_like(batches[-1].weights))
        yield from itertools.repeat(spare, self.group.largest(len(batches)) - len(batches))

    def _autocast(self) -> torch.autocast:
        is_reduced = self.options.precision == "bf16"
        return torch.autocast(self.group.device.type, torch.bfloat16, enabled=is_reduced)

    def _agree(self, wish: bool) -> bool:
        """Whether any process wishes it, so that all do the same."""
        return bool(self.group.largest(int(wish)))

    def _measure(self) -> Iterator[dict[str, float]]:
        """All processes compute, because they may hold the network together; the first reports.

        Nothing is compiled for it: that took as long as a hundred measurements (of a tiny network, on a CPU).
        """
        measured: dict[str, Measurement] = {}
        with self._autocast(), torch.compiler.set_stance("force_eager"):
            for name, batches in self.held_out.items():
                if self._agree(self.is_stopped):
                    return
                measured[name] = measure(self.network, batches)
        if self.group.is_first and measured:
            yield self._write(
                {f"{name}/{key}": value for name, m in measured.items() for key, value in asdict(m).items()}
            )

    def _report(self, losses: list[float]) -> Iterator[dict[str, float]]:
        """Yield the mean of the losses since the last report, if there are any, and forget them."""
        if losses:
            record = {"loss": sum(losses) / len(losses), **self._clock.lap()}
            losses.clear()
            if self.group.is_first:
                yield self._write(record)

    def _write(self, metrics: dict[str, float]) -> dict[str, float]:
        record = {"step": self.progress.step, "tokens": self.progress.num_tokens, **metrics}
        self._log.write(record)
        return record
