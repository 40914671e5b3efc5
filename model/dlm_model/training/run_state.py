"""The state of a training run on disk: one safetensors file, replaced atomically, so a kill never leaves half of it."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError, ModelError
from dlm_model.network.weights import weight_files
from dlm_model.training.atomic import replacing_file
from dlm_model.training.optimizers import moment_names
from dlm_model.training.parallelism import like, whole

STATE_FILE = "state.safetensors"
LOCK_FILE = "lock"
_SAMPLE_BYTES = 1 << 20  # of either end of a file of weights: enough to tell trainings apart


class BusyRunError(ModelError):
    """Another process trains in the same folder."""


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        fingerprint: Names the settings the trained tensors depend on; a state of another run is refused.
        step: Optimizer steps done.
        num_tokens: Tokens computed, padding aside.
        decay_start: The step at which the learning rate began to fall; None while it has not.
        decay_steps: Steps from there to nothing.
        start: The digest of the weights that it started from; empty if unknown, as all that follow.
        objective: What it minimises.
        optimizer: By which optimizer.
        corpus: The digest of the texts that it learned from, and was measured on, last.
        losses: Of the steps that no record tells of yet, so that a resumed run writes the records of a whole one.
    """

    fingerprint: str
    step: int = 0
    num_tokens: int = 0
    decay_start: int | None = None
    decay_steps: int = 1
    start: str = ""
    objective: str = ""
    optimizer: str = ""
    corpus: str = ""
    losses: list[float] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """Whether the decay is over."""
        return self.decay_start is not None and self.step >= self.decay_start + self.decay_steps


def gather_state(
    weights: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer], *, is_kept: bool = True
) -> dict[str, Tensor]:
    """Weights and optimizer moments, whole and on the CPU.

    Args:
        weights: What is trained.
        optimizers: Of them.
        is_kept: Every process has to ask, for the sake of the others; one that does not keep the tensors holds one at a
            time, and gets none.
    """
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        parts = {name: weight}
        for optimizer in optimizers:
            moments = optimizer.state.get(weight, {})
            parts |= {f"{kind}:{name}": moments[kind] for kind in moment_names(optimizer) if kind in moments}
        for key, part in parts.items():
            gathered = whole(part)
            if is_kept:
                tensors[key] = gathered.cpu()
    return tensors


def save_state(path: Path, progress: Progress, tensors: dict[str, Tensor]) -> None:
    """Replace the last state only when all of the new one is on disk."""
    with replacing_file(path) as partial:
        save_file(tensors, partial, metadata={"progress": json.dumps(asdict(progress))})


def read_progress(path: Path) -> Progress:
    """How far the run of a state is; no tensor is read.

    Raises:
        CheckpointError: unreadable.
    """
    with _opened(path) as (_, progress):
        return progress


def digest_weights(checkpoint: Path) -> str:
    """A digest that tells the weights of a checkpoint from others, wherever its folder is.

    Of every file, both ends and the size: training changes weights everywhere.

    Raises:
        CheckpointError: it has no weights.
    """
    digest = hashlib.sha256()
    for path in weight_files(checkpoint):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            for offset in (0, max(0, size - _SAMPLE_BYTES)):
                file.seek(offset)
                digest.update(file.read(_SAMPLE_BYTES))
            digest.update(str(size).encode())
    return digest.hexdigest()[:16]


def digest_texts(shards: Iterable[Path]) -> str:
    """A digest of a corpus's shards, each read whole: a text may have been edited anywhere in them."""
    digest = hashlib.sha256()
    for path in shards:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the kernel lets go of it even if this process is killed.

    Raises:
        BusyRunError: another process trains there.
        OSError: the folder cannot be written to.
    """
    # Of the processes that train together only the first writes, so that it alone has to keep others out.
    is_first = os.environ.get("RANK", "0") == "0"
    if not is_first:
        folder.mkdir(parents=True, exist_ok=True)
        yield
        return
    with _lock(folder) as lock:
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()  # a run that never began leaves nothing


def _lock(folder: Path) -> IO[str]:
    """Open and lock a run's file, which the process that holds it deletes in the end."""
    path = folder / LOCK_FILE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise BusyRunError(f"Another process trains in {folder}; two would undo each other's work.") from error
        except OSError:
            return lock  # A network disk without locks: no other run can be kept out.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        lock.close()  # It was deleted before it was locked, and keeps nobody out.


def load_weights(path: Path, weights: Mapping[str, Tensor], wanted: Progress) -> Progress:
    """Copy a state's trained weights into `weights` and tell how far that run was.

    Args:
        path: The state.
        weights: What is trained.
        wanted: What the state has to be of: settings, start, objective and optimizer. What is empty is not compared,
            nor is what an older state does not tell.

    Raises:
        CheckpointError: unreadable, of a run that is something else, or of another network.
    """
    tensors, progress = _read(path)
    if progress.fingerprint != wanted.fingerprint:
        message = f"{path} is of another run ({progress.fingerprint}); this one is {wanted.fingerprint}"
        raise CheckpointError(f"{message}. Train with the same settings, or in another folder.")
    if _differ(progress.start, wanted.start):
        raise CheckpointError(f"{path} is of a run that started from other weights, and means nothing without them")
    for name in ("objective", "optimizer"):
        before, now = getattr(progress, name), getattr(wanted, name)
        if _differ(before, now):
            message = f"{path} is of a run with another {name} ({before}); this one has {now}"
            raise CheckpointError(f"{message}. Go on with the same one, or train in another folder.")
    for name, weight in weights.items():
        if name not in tensors or tensors[name].shape != weight.shape:
            raise CheckpointError(f"{path} does not fit the network: {name} is missing or of another shape")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(like(tensors[name], weight))
    return progress


def _differ(before: str, now: str) -> bool:
    """Whether two of them are known and not the same."""
    return bool(before and now and before != now)


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
    with _opened(path) as (state, progress):
        return {name: state.get_tensor(name) for name in state.keys()}, progress  # noqa: SIM118 - not a mapping


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Progress]]:
    """The file of a state, of which no tensor has been read, and how far that run is."""
    try:
        with safe_open(path, framework="pt") as state:
            yield state, Progress(**json.loads(state.metadata()["progress"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not the state of a training run: {error}") from error
