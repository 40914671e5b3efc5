"""Whether a checkpoint on disk could be loaded, without reading its gigabytes; and which files of it are never used.

The checks are the loader's own, so that the sentences are the same. They import torch.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from dlm_lsp.models.store import Role
from dlm_model.families.registry import is_causal
from dlm_model.network.checkpoint_files import CheckpointFiles, pickles
from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer


def check_descriptions(folder: Path, available: Collection[str], *, source: str) -> None:
    """Check what a checkpoint needs beside its weights, which may be still to come.

    Args:
        folder: Has the JSON files already.
        available: All files of the checkpoint.
        source: The checkpoint's name for people.

    Raises:
        CheckpointError: config or tokenizer is missing, broken or not supported, or the index names weights that the
            checkpoint has not.
    """
    from dlm_model.network.weights import weight_names  # noqa: PLC0415 - imports torch

    config = _config(folder)
    Tokenizer.from_checkpoint(folder, config.vocab_size)
    weight_names(folder, available, source=source)


def check_checkpoint(folder: Path) -> None:
    """Check a whole checkpoint, but for a guide and a commit order that it may bring along.

    Raises:
        CheckpointError: it could not be loaded.
    """
    from dlm_model.network.weights import check_weights  # noqa: PLC0415 - imports torch

    check_descriptions(folder, names_in(folder), source=str(folder))
    check_weights(folder, _config(folder))


def roles_of(folder: Path) -> tuple[Role, ...]:
    """What a checkpoint can be: a causal model guides, others fill, and those whose prompt is causal do both.

    Raises:
        CheckpointError: its config is none that can be loaded.
    """
    if is_causal(CheckpointFiles.read(folder)):
        return ("guide",)
    config = ModelConfig.from_checkpoint(folder)
    return ("model", "guide") if config.prompt_attention == "causal" and config.shift_logits else ("model",)


def names_in(folder: Path) -> set[str]:
    """The files of a folder."""
    return {path.name for path in folder.glob("*") if path.is_file()}


def names_code(folder: Path) -> bool:
    """Whether a checkpoint's config names Python code.

    Raises:
        CheckpointError: it has no config.
    """
    return CheckpointFiles.read(folder).names_code


def never_used(names: Iterable[str], *, has_code: bool = False) -> Iterator[str]:
    """What a checkpoint brings along that is never read or run, in some words for each kind.

    Args:
        names: Its files.
        has_code: Its config names code, be it in these files or elsewhere.
    """
    names = list(names)
    code, pickled = sorted(name for name in names if name.endswith(".py")), pickles(names)
    if code or has_code:
        yield f"code of its own, which is never run: {_listed(code) or 'named by config.json'}"
    if pickled:
        yield f"pickles, which are never read: {_listed(pickled)}"


def _config(folder: Path) -> ModelConfig:
    from dlm_model.guides.guide import guide_config  # noqa: PLC0415 - imports torch

    return guide_config(folder) if is_causal(CheckpointFiles.read(folder)) else ModelConfig.from_checkpoint(folder)


def _listed(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
