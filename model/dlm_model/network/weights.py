"""safetensors → `Transformer`. Files are memory-mapped; pickles are never read and no code of a checkpoint is run.

The checkpoint's family renames tensors to the network's own names, and splits those that it stores in one piece.
Eight-bit weights are expanded here.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.families.registry import FAMILIES
from dlm_model.network.adapter import add_adapter
from dlm_model.network.checkpoint_files import pickles
from dlm_model.network.config import ModelConfig
from dlm_model.network.precision import BYTES_PER_WEIGHT, Precision, round_weights
from dlm_model.network.quantization import SCALE_SUFFIX, dequantize_tensor, dequantize_tensors
from dlm_model.network.transformer import Transformer

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

_COMPUTED = tuple(f".rotary_emb.{buffer}" for buffer in ("inv_freq", "cos_cached", "sin_cached"))
"""Endings of buffers that follow from the config: some checkpoints store them, and no network here reads them."""


def load_transformer(
    folder: Path,
    config: ModelConfig,
    *,
    device: torch.device,
    dtype: torch.dtype,
    precision: Precision = "auto",
    adapter: Path | None = None,
) -> Transformer:
    """Build the network of a checkpoint folder with its weights on the device, ready for inference.

    Args:
        folder: The checkpoint.
        config: What its config says.
        device: Where the weights go.
        dtype: What the device computes in.
        precision: In how many bits the matrices are held.
        adapter: A folder with a low-rank adapter to add to them.

    Raises:
        CheckpointError: a file is missing or truncated, or a tensor is missing, unexpected or of the wrong shape; or
            the adapter is of another checkpoint.
        DeviceError: the device cannot hold weights in this precision.
    """
    is_rounded = precision in BYTES_PER_WEIGHT
    tensors = dequantize_tensors(read_tensors(folder), dtype=dtype)
    if adapter is not None:
        tensors = add_adapter(adapter, tensors)
    network, tensors = _fitted(tensors, config, folder)
    place = torch.device("cpu") if is_rounded else device
    placed = {name: tensor.to(device=place, dtype=dtype) for name, tensor in tensors.items()}
    network.load_state_dict(placed, assign=True)
    network.eval().requires_grad_(False)
    if is_rounded:
        round_weights(network, precision, device)
    return network


def check_weights(folder: Path, config: ModelConfig) -> None:
    """Compare the tensors of a checkpoint folder with what its network needs; only the files' headers are read.

    Raises:
        CheckpointError: a file is missing or truncated, or a tensor is missing, unexpected or of the wrong shape.
    """
    headers = {name: tensor.to("meta") for name, tensor in read_tensors(folder).items()}
    _fitted(dequantize_tensors(headers, dtype=torch.float32), config, folder)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint folder, single or sharded, in name order.

    Raises:
        CheckpointError: there are none, or the index names files that are not there.
    """
    available = {path.name for path in folder.glob("*") if path.is_file()}
    return [folder / name for name in weight_names(folder, available, source=str(folder))]


def weight_names(folder: Path, available: Collection[str], *, source: str) -> list[str]:
    """The names of a checkpoint's safetensors files, single or sharded, in order.

    Args:
        folder: Has the index, if the checkpoint is sharded.
        available: The files of the checkpoint, not all of which need to have arrived in the folder.
        source: The checkpoint's name for people.

    Raises:
        CheckpointError: there are none, or the index names files that the checkpoint has not.
    """
    index = folder / INDEX_FILE
    if not index.is_file():
        names = {WEIGHTS_FILE}
    else:
        try:
            names = {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index} is not a valid weight index.") from error
    for name in sorted(names):
        # A file name with a path in it is never among them: it could reach outside the checkpoint.
        if name not in available:
            found = pickles(available)
            why = f", and {found[0]} is a pickle, which can run any code when it is read" if found else ""
            raise CheckpointError(f"{source} has no {name}; weights are read from safetensors files only{why}.")
    return sorted(names)


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every weight of a checkpoint folder as stored, memory-mapped; buffers that follow from the config are left out.

    Raises:
        CheckpointError: a file is missing, truncated or not safetensors.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if not name.endswith(_COMPUTED)]  # noqa: SIM118 - not a mapping
                tensors |= {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is truncated or not a safetensors file: {error}.") from error
    return tensors


def each_weight(folder: Path, config: ModelConfig, *, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The weights of a checkpoint folder under the network's own names, of which one at a time is held in memory.

    Raises:
        CheckpointError: a file is missing, truncated or not safetensors, or a matrix and its scale do not fit.
    """
    family, tensors = FAMILIES[config.family], read_tensors(folder)
    for stored in tensors:
        if not stored.endswith(SCALE_SUFFIX):
            weight = dequantize_tensor(tensors, stored, dtype=dtype)
            yield from family.unpack({family.parameter_name(stored): weight}, config).items()


def _fitted(tensors: Mapping[str, Tensor], config: ModelConfig, folder: Path) -> tuple[Transformer, dict[str, Tensor]]:
    """The network, still without weights, and the stored tensors as its own."""
    family = FAMILIES[config.family]
    fitted = family.unpack({family.parameter_name(name): tensor for name, tensor in tensors.items()}, config)
    if config.ties_embeddings:
        fitted.pop("lm_head.weight", None)
    with torch.device("meta"):
        network = Transformer(config)
    _check_tensors(network, fitted, folder)
    return network, fitted


def _check_tensors(network: Transformer, tensors: dict[str, Tensor], folder: Path) -> None:
    expected = {name: parameter.shape for name, parameter in network.state_dict().items()}
    missing, unexpected = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing:
        raise CheckpointError(f"{folder} lacks {len(missing)} tensors, the first is {missing[0]}.")
    if unexpected:
        raise CheckpointError(f"{folder} has {len(unexpected)} tensors too many, the first is {unexpected[0]}.")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            found, wanted = tuple(tensors[name].shape), tuple(shape)
            raise CheckpointError(f"{folder}: {name} has shape {found}, config.json asks for {wanted}.")
