"""What a family of checkpoints is to the loader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import CheckpointFiles

if TYPE_CHECKING:
    from torch import Tensor

    from dlm_model.network.config import ModelConfig


SEED_MASK_ID = 5
"""`<[MASK]>` in the vocabulary of ByteDance's Seed-Coder, which no file gives the role of a mask."""


def hugging_face_name(stored: str) -> str:
    """The network's own name of a tensor with a standard Hugging Face name: the leading `model.` goes."""
    return stored.removeprefix("model.")


def as_stored(tensors: Mapping[str, "Tensor"], _config: "ModelConfig") -> dict[str, "Tensor"]:
    """For a family whose tensors are those of the network: there is nothing to unpack."""
    return dict(tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way of storing a model.

    Attributes:
        name: For people.
        matches: Whether a checkpoint is of this family.
        read: Its fields of `ModelConfig`. Raises KeyError naming what is missing, TypeError or ValueError naming what
            is wrong, CheckpointError for what this engine cannot run.
        parameter_name: Name of a stored tensor → name of the network's parameter.
        unpack: Tensors so named → those of the network, where it has them cut or ordered otherwise. Raises
            CheckpointError for one of the wrong shape.
    """

    name: str
    matches: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], dict[str, Any]]
    parameter_name: Callable[[str], str] = hugging_face_name
    unpack: Callable[[Mapping[str, "Tensor"], "ModelConfig"], dict[str, "Tensor"]] = as_stored


def refuse_unless(files: CheckpointFiles, required: Mapping[str, object]) -> None:
    """Check switches that the network has only one setting for; a switch that is not there has that setting.

    Raises:
        CheckpointError: naming the first that is set otherwise.
    """
    for key, only in required.items():
        if (value := files.config.get(key, only)) != only:
            raise CheckpointError(f"{files.source}: {key} {value!r} is not supported, only {only!r}.")


def model_type(files: CheckpointFiles) -> object:
    """What config.json calls the architecture."""
    return files.config.get("model_type")


def architecture(files: CheckpointFiles) -> object:
    """The class that config.json says the weights belong to, or None."""
    named = files.config.get("architectures")
    return named[0] if isinstance(named, list) and named else None


def required_token_id(files: CheckpointFiles, role: str) -> int:
    """The id of a token that the family cannot do without, by its role.

    Raises:
        KeyError: no file of the checkpoint has it.
    """
    token_id = files.token_id(role)
    if token_id is None:
        raise KeyError(f"{role}_token_id, and its tokenizer names no {role}_token")
    return token_id


def mask_token_id(files: CheckpointFiles, token: str) -> int:
    """The id of a mask that the tokenizer has under this name among its added tokens, or else where masks usually are.

    Raises:
        KeyError: no file of the checkpoint has it.
    """
    named = files.added_tokens.get(token)
    return required_token_id(files, "mask") if named is None else named


def seed_mask_token_id(files: CheckpointFiles) -> int:
    """The id of the mask in a vocabulary of Seed-Coder's."""
    named = files.token_id("mask")
    return SEED_MASK_ID if named is None else named
