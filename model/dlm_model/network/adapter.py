"""Low-rank adapters on disk, which turn one checkpoint into another: added to its weights while they load.

LoRA (arXiv 2106.09685) in the format of the `peft` library. An adapter folder has `adapter_config.json` and
`adapter_model.safetensors`. Of each adapted layer `NAME` it holds `base_model.model.NAME.lora_A.weight` [rank, in] and
`base_model.model.NAME.lora_B.weight` [out, rank]. Other tensors replace the checkpoint's own of that name.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import read_json

ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
DOWN_SUFFIX = ".lora_A.weight"
UP_SUFFIX = ".lora_B.weight"

_PLAIN = {"use_dora": False, "use_rslora": False, "fan_in_fan_out": False, "rank_pattern": {}, "alpha_pattern": {}}
"""Settings that would make the plain sum below wrong, and the values with which it is right."""


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and not a whole checkpoint."""
    return (folder / ADAPTER_CONFIG_FILE).is_file()


def add_adapter(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by the names it stores them under, with an adapter added; each keeps its dtype.

    Raises:
        CheckpointError: the adapter is unreadable, of a kind that is not supported, or of another checkpoint.
    """
    scale, update = _read_scale(folder), _read_update(folder)
    adapted = dict(tensors)
    for name in update:
        layer = name.removesuffix(DOWN_SUFFIX).removesuffix(UP_SUFFIX)
        target = name if layer == name else f"{layer}.weight"
        own = tensors.get(target)
        try:
            if own is None:
                raise ValueError("the checkpoint has no such tensor")
            changed = update[name]
            if layer != name:
                up, down = update[layer + UP_SUFFIX], update[layer + DOWN_SUFFIX]
                changed = torch.addmm(own.float(), up, down, alpha=scale)
            if changed.shape != own.shape:
                raise ValueError(f"its shape is {tuple(changed.shape)}, the checkpoint's {tuple(own.shape)}")
        except (ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{folder} does not adapt {target} of this checkpoint: {error}.") from error
        adapted[target] = changed.to(own.dtype)
    return adapted


def _read_scale(folder: Path) -> float:
    config = read_json(folder / ADAPTER_CONFIG_FILE)
    for key, plain in _PLAIN.items():
        if config.get(key, plain) != plain:
            raise CheckpointError(f"{folder}: adapters with {key} are not supported.")
    try:
        return float(config["lora_alpha"]) / int(config["r"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{folder} is no low-rank adapter: {ADAPTER_CONFIG_FILE} needs r and lora_alpha."
        ) from error


def _read_update(folder: Path) -> dict[str, Tensor]:
    """Every tensor in fp32, by the checkpoint's names."""
    path = folder / ADAPTER_FILE
    try:
        return {name.removeprefix(PREFIX): tensor.to(torch.float32) for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is missing, truncated or not a safetensors file: {error}.") from error
