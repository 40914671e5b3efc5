"""The training loop: warm-up, a plateau, and a decay that can begin at any time.

A run folder holds `state.safetensors` (the last good state), `metrics.jsonl` and TensorBoard files. A file `decay` put
there starts the decay of the learning rate, and the run ends with the decay. The examples of a step depend only on the
seed and the step's number, so a resumed run sees the same ones as an uninterrupted run. The options bring objects that
decide which parameters are trained, on how many devices, and by which optimizer.
"""

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from dlm_model.errors import ModelError
from dlm_model.network.transformer import Transformer
from dlm_model.training.adapters import trained_state
from dlm_model.training.ending import Ending
from dlm_model.training.held_out import Measurement, measure
from dlm_model.training.learning_rate import learning_rate_factor
from dlm_model.training.loader import Examples, StepBatches, StepDataset, iterate_steps
from dlm_model.training.metrics import MetricsLog
from dlm_model.training.objective import Objective, masked_diffusion, name_of
from dlm_model.training.optimizers import build_optimizers, set_learning_rate
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parallelism import ProcessGroup, is_finite
from dlm_model.training.run_state import STATE_FILE, Progress, gather_state, load_moments, load_weights, save_state
from dlm_model.training.throughput import Clock, FlopCounter, Work, known_peak
from dlm_model.training.windows import Batch

_LONGEST_SILENCE = 60.0  # seconds


class TrainingDivergedError(ModelError):
    """Loss or weights are no longer numbers; the last saved state is intact."""


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
        corpus: str = "",
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
            corpus: The digest of the text to learn from, which may have changed since.

        Raises:
            CheckpointError: the folder's state is unreadable, or of a run with other settings or another objective.
            ValueError: the optimizer cannot train these weights, or a process would have no sequence.
        """
        torch.manual_seed(options.seed)
        self.group = group or ProcessGroup(network.device)
        if options.sequences_per_step < self.group.size:
            raise ValueError(
                f"{options.sequences_per_step} sequences a step are too few for {self.group.size} processes"
            )
        self.network = network.to(self.group.device)
        self.folder = folder
        self.options = options
        self.objective = objective
        self.is_compiled = False
        self.is_stopped = False
        options.parameters.prepare(network)
        options.placement.place(network, options.dtype)
        self.weights = trained_state(network)
        self.optimizers = build_optimizers(self.weights, options.optimizer, options.weight_decay)
        wanted = Progress(
            options.parameters.fingerprint,
            start=start,
            objective=name_of(objective),
            optimizer=options.optimizer,
            corpus=corpus,
        )
        self.progress, self.has_new_corpus = self._resume(wanted)
        device = self.group.device
        self.held_out = {name: [batch.to(device) for batch in batches] for name, batches in (held_out or {}).items()}
        self._dataset = StepDataset(examples, options.step_plan, self.group.rank, self.group.size)
        self._log = MetricsLog(folder, self.progress.step)
        self._clock = self._make_clock()
        self._ending = Ending(options, folder, self.group, time.monotonic() if started_at is None else started_at)
        self._first_step = self.progress.step + 1
        self._measured_at = self._find_measured_step()

    @property
    def state_path(self) -> Path:
        """Where the last good state is."""
        return self.folder / STATE_FILE

    def run(self) -> Iterator[dict[str, float]]:
        """Train until the decay or the time is over, yielding the metrics of every `log_interval` steps, or sooner.

        Raises:
            TrainingDivergedError: the loss or the weights are not finite; nothing since the last state is kept.
        """
        options, before, losses = self.options, asdict(self.progress), self.progress.losses
        steps = iterate_steps(self._dataset, self.progress.step, options.num_workers)
        if self.measures_first:
            yield from self._measure()
            if self._is_measured:
                self.save()  # Else a run that is killed in its first steps would be measured again.
        self._clock.pause()
        saved_at = logged_at = time.monotonic()
        while not self._is_finished():
            began_at = time.monotonic()
            losses.append(self._step(next(steps)))
            # The first step compiles and waits for the workers, and says nothing about the time of the others.
            if self.progress.step > self._first_step:
                self._ending.add_step(time.monotonic() - began_at)
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
        if asdict(self.progress) != before:
            self.save()
        yield from self._report(losses)
        if not self._is_measured:
            yield from self._measure()
        self.group.wait()

    @property
    def measures_first(self) -> bool:
        """Whether the held-out text is measured before the first step."""
        return bool(self.held_out) and not self.progress.step and not self._is_measured

    def stop(self) -> None:
        """End the run, which can be resumed, after the step under way; nothing is measured."""
        self.is_stopped = True

    def compile(self) -> None:
        """Compile the layers, which are alike, for any batch shape; it happens in the first step."""
        self.is_compiled = True
        torch._dynamo.config.recompile_limit = max(64, 2 * len(self.network.layers))
        for layer in self.network.layers:
            layer.compile(dynamic=True)

    def autocast(self) -> torch.autocast:
        """In what the run computes."""
        is_reduced = self.options.precision == "bf16"
        return torch.autocast(self.group.device.type, torch.bfloat16, enabled=is_reduced)

    def save(self) -> None:
        """Replace the run's state by the present one; all processes take part, and the first writes.

        Raises:
            TrainingDivergedError: the weights are not finite; the last state stays.
        """
        if self._agree(not is_finite(self.weights.values())):
            raise self._diverged("weights that are no numbers")
        tensors = gather_state(self.weights, self.optimizers, is_kept=self.group.is_first)
        if self.group.is_first:
            save_state(self.state_path, self.progress, tensors)

    def _diverged(self, sign: str) -> TrainingDivergedError:
        """What happened, what is safe, and what to do."""
        safe = "the last saved state is intact, and the next call resumes from it" if self.state_path.exists() else ""
        advice = f"{safe or 'nothing was saved yet'}: try a lower learning_rate or another seed"
        return TrainingDivergedError(f"training failed with {sign} at step {self.progress.step}; {advice}")

    def _resume(self, wanted: Progress) -> tuple[Progress, bool]:
        """Take over the folder's state if there is one; tells how far the run is, and if it had another corpus."""
        if not self.state_path.exists():
            return wanted, False
        found = load_weights(self.state_path, self.weights, wanted)
        load_moments(self.state_path, self.weights, self.optimizers)
        known = {name: getattr(wanted, name) or getattr(found, name) for name in ("start", "corpus")}
        progress = replace(found, objective=wanted.objective, optimizer=wanted.optimizer, **known)
        return progress, found.corpus not in ("", progress.corpus)

    def _find_measured_step(self) -> int:
        """Where the held-out text was measured last; -1 if it was not, or if it may have been another text."""
        is_known = self.state_path.exists() and not self.has_new_corpus and self.held_out
        step = self._log.last_step_with(f"{next(iter(self.held_out))}/nll") if is_known else None
        return self.group.largest(-1 if step is None else step)

    @property
    def _is_measured(self) -> bool:
        return self._measured_at == self.progress.step

    def _make_clock(self) -> Clock:
        peak = self.options.peak_tflops or known_peak(self.group.device)
        flops = FlopCounter(self.network.config, self.options.parameters.num_backward_products)
        return Clock(flops, peak * self.group.size if peak else None)

    def _is_finished(self) -> bool:
        """Whether the run is over, or this process: not by its time before it has taken a step."""
        self._ending.update_decay(self.progress)
        is_late = self._ending.is_time_over and self.progress.step >= self._first_step
        return self.progress.is_finished or self._agree(is_late or self.is_stopped)

    def _step(self, step: StepBatches) -> float:
        """One optimizer step; returns the mean loss."""
        options, progress = self.options, self.progress
        loss = self._accumulate(step)
        norm = nn.utils.clip_grad_norm_(self.weights.values(), options.max_gradient_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        if not math.isfinite(loss) or not torch.isfinite(norm):
            raise self._diverged(f"a loss of {loss:.3g} and a gradient of norm {norm:.3g}")
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
            with self.autocast():
                batch_loss = self.objective(self.network, batch.to(self.group.device))
            batch_loss.backward()  # type: ignore[no-untyped-call]
            loss += batch_loss.detach()
        counts = torch.tensor([0.0, step.weight, *astuple(step.work)], dtype=torch.float64, device=loss.device)
        counts[0] = loss
        loss_sum, weight, *work = self.group.sum(counts).tolist()
        # Small texts with little noise may leave nothing to predict, once in a great many steps.
        weight = weight or 1.0
        self.options.placement.reduce(list(self.weights.values()), weight, self.group)
        self._clock.add(Work(*map(int, work)))
        self.progress.num_tokens += int(work[0])
        return float(loss_sum / weight)

    def _with_everyone(self, batches: list[Batch]) -> Iterator[Batch]:
        """The batches, and some without weight until all processes have as many: they put sharded layers together."""
        yield from batches
        spare = replace(batches[-1], weights=torch.zeros_like(batches[-1].weights))
        yield from itertools.repeat(spare, self.group.largest(len(batches)) - len(batches))

    def _agree(self, wish: bool) -> bool:
        """Whether any process wishes it, so that all do the same."""
        return bool(self.group.largest(int(wish)))

    def _measure(self) -> Iterator[dict[str, float]]:
        """All processes compute, because they may hold the network together; the first reports.

        It takes none of the time that the options grant: two minutes of training would otherwise be none on a slow CPU.
        Nothing is compiled for it: that took as long as a hundred measurements (of a tiny network, on a CPU).
        """
        measured, began_at = dict[str, Measurement](), time.monotonic()
        with self.autocast(), torch.compiler.set_stance("force_eager"):
            for name, batches in self.held_out.items():
                if self._agree(self.is_stopped):
                    return
                measured[name] = measure(self.network, batches)
        self._measured_at = self.progress.step
        self._ending.leave_out(time.monotonic() - began_at)
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
