"""The state of a training run on disk: one safetensors file, replaced atomically, so a kill never leaves half a one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError

STATE_FILE = "state.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        fingerprint: Names the settings the trained tensors depend on; a state of another run is refused.
        step: Optimizer steps done.
        num_tokens: Tokens computed, padding aside.
        decay_start: The step at which the learning rate began to fall; None while it has not.
    """

    fingerprint: str
    step: int = 0
    num_tokens: int = 0
    decay_start: int | None = None


def save_state(path: Path, progress: Progress, weights: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Write weights, optimizer moments and progress, replacing the last state only when all of it is on disk."""
    tensors = {name: weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        moments = optimizer.state.get(weight, {})
        tensors |= {f"{kind}:{name}": moments[kind] for kind in _MOMENTS if kind in moments}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, partial, metadata={"progress": json.dumps(asdict(progress))})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_weights(path: Path, weights: dict[str, Tensor], fingerprint: str) -> Progress:
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
            weight.copy_(tensors[name])
    return progress


def load_moments(path: Path, weights: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer the moments of a state whose weights have been loaded.

    Raises:
        CheckpointError: unreadable.
    """
    tensors, progress = _read(path)
    for name, weight in weights.items():
        moments = {kind: tensors[f"{kind}:{name}"] for kind in _MOMENTS if f"{kind}:{name}" in tensors}
        if moments:
            optimizer.state[weight] = {"step": torch.tensor(float(progress.step)), **moments}


def _read(path: Path) -> tuple[dict[str, Tensor], Progress]:
    try:
        with safe_open(path, framework="pt") as state:
            progress = Progress(**json.loads(state.metadata()["progress"]))
            return {name: state.get_tensor(name) for name in state.keys()}, progress  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not the state of a training run: {error}") from error
