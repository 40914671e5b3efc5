"""The state of a training run on disk: one safetensors file, replaced atomically, so a kill never leaves half a one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.training.atomic import replacing_file
from dlm_model.training.optimizers import moment_names
from dlm_model.training.parallelism import like, whole

STATE_FILE = "state.safetensors"


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        fingerprint: Names the settings the trained tensors depend on; a state of another run is refused.
        step: Optimizer steps done.
        num_tokens: Tokens computed, padding aside.
        decay_start: The step at which the learning rate began to fall; None while it has not.
        decay_steps: Steps from there to nothing.
    """

    fingerprint: str
    step: int = 0
    num_tokens: int = 0
    decay_start: int | None = None
    decay_steps: int = 1

    @property
    def is_finished(self) -> bool:
        """Whether the decay is over."""
        return self.decay_start is not None and self.step >= self.decay_start + self.decay_steps


def gather_state(weights: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Weights and optimizer moments, whole and on the CPU; every process has to ask for it."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        tensors[name] = whole(weight)
        for optimizer in optimizers:
            kept = optimizer.state.get(weight, {})
            tensors |= {f"{kind}:{name}": whole(kept[kind]) for kind in moment_names(optimizer) if kind in kept}
    return tensors


def save_state(path: Path, progress: Progress, tensors: dict[str, Tensor]) -> None:
    """Replace the last state only when all of the new one is on disk."""
    with replacing_file(path) as partial:
        save_file(tensors, partial, metadata={"progress": json.dumps(asdict(progress))})


def read_progress(path: Path) -> Progress:
    """How far the run of a state is.

    Raises:
        CheckpointError: unreadable.
    """
    return _read(path)[1]


def load_weights(path: Path, weights: Mapping[str, Tensor], fingerprint: str) -> Progress:
    """Copy a state's trained weights into `weights` and tell how far that run was.

    Raises:
        CheckpointError: unreadable, of a run with other settings, or of another network.
    """
    tensors, progress = _read(path)
    if progress.fingerprint != fingerprint:
        raise CheckpointError(f"{path} is of another run ({progress.fingerprint}); this one is {fingerprint}")
    for name, weight in weights.items():
        if name not in tensors or tensors[name].shape != weight.shape:
            raise CheckpointError(f"{path} does not fit the network: {name} is missing or of another shape")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(like(tensors[name], weight))
    return progress


def load_moments(path: Path, weights: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Give the optimizers the moments of a state whose weights have been loaded.

    Raises:
        CheckpointError: unreadable.
    """
    tensors, progress = _read(path)
    for optimizer in optimizers:
        owned = {weight for group in optimizer.param_groups for weight in group["params"]}
        for name, weight in weights.items():
            stored = {kind: tensors.get(f"{kind}:{name}") for kind in moment_names(optimizer)}
            moments = {kind: like(moment, weight) for kind, moment in stored.items() if moment is not None}
            if weight in owned and moments:
                step = torch.tensor(float(progress.step), device=weight.device)
                optimizer.state[weight] = {"step": step, **moments}


def _read(path: Path) -> tuple[dict[str, Tensor], Progress]:
    try:
        with safe_open(path, framework="pt") as state:
            progress = Progress(**json.loads(state.metadata()["progress"]))
            return {name: state.get_tensor(name) for name in state.keys()}, progress  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not the state of a training run: {error}") from error
