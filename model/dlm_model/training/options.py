"""The dials of a training run."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from dlm_model.training.annealing import AttentionAnnealing
from dlm_model.training.loader import StepPlan
from dlm_model.training.noise_schedule import NoiseCurriculum
from dlm_model.training.optimizers import OptimizerName
from dlm_model.training.parallelism import Placement, Replicated
from dlm_model.training.parameters import LowRankAdapters, TrainedParameters

ComputeFormat = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How a run trains; times in seconds, everything else in steps, sequences or tokens.

    Attributes:
        parameters: What is trained.
        placement: Whole copies or shards of the network.
        optimizer: `adamw`, or `muon` for the matrices.
        precision: Of the computation; what is trained is kept in fp32 either way.
        learning_rate: On the plateau.
        weight_decay: Of the matrices between embedding and head, decoupled, as in AdamW.
        warmup_steps: Of the learning rate.
        decay_steps: From the plateau to nothing.
        max_steps: Ends the run, decay included.
        max_seconds: Stops this process, after which the run can be resumed.
        decay_seconds: With `max_seconds`, its last seconds are the decay, and the run ends with them.
        sequences_per_step: Over all processes and batches.
        tokens_per_batch: Of one process, padding included; more of them accumulate gradients.
        curriculum: How noise rises.
        annealing: How attention widens.
        num_workers: Processes that make examples for this one; 0 makes them in between.
        peak_tflops: Of one device, to measure against; None looks it up.
    """

    parameters: TrainedParameters = field(default_factory=LowRankAdapters)
    placement: Placement = field(default_factory=Replicated)
    optimizer: OptimizerName = "adamw"
    precision: ComputeFormat = "bf16"
    learning_rate: float = 4e-4
    weight_decay: float = 0.0
    warmup_steps: int = 60
    decay_steps: int = 200
    max_steps: int | None = None
    max_seconds: float | None = None
    decay_seconds: float | None = None
    sequences_per_step: int = 8
    tokens_per_batch: int = 2048
    curriculum: NoiseCurriculum = field(default_factory=NoiseCurriculum)
    annealing: AttentionAnnealing = field(default_factory=AttentionAnnealing)
    num_workers: int = 0
    max_gradient_norm: float = 1.0
    seed: int = 0
    log_interval: int = 20
    measure_interval: int = 300
    save_seconds: float = 180.0
    peak_tflops: float | None = None

    @property
    def step_plan(self) -> StepPlan:
        """What the steps consist of."""
        return StepPlan(
            self.seed, self.sequences_per_step, self.tokens_per_batch, self.curriculum, annealing=self.annealing
        )

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the computation."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32
