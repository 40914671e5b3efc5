"""From a training run to a checkpoint: adapters merged, matrices in bf16 or rounded to eight bits, files sharded.

Linear layers and the embedding are rounded; norms stay as they are. The config names the scheme the way the
compressed-tensors project does, so that other tools can tell what the tensors are.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.network.checkpoint_files import CONFIG_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, read_config
from dlm_model.network.config import ModelConfig
from dlm_model.network.quantization import quantize
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import INDEX_FILE, load_transformer
from dlm_model.steps.order import ORDER_FILE
from dlm_model.training.adapters import trained_state
from dlm_model.training.atomic import creating_folder
from dlm_model.training.parameters import parameters_named
from dlm_model.training.run_state import STATE_FILE, Progress, digest_weights, load_weights, read_progress

MAX_SHARD_BYTES = 48_000_000


def merge_run(checkpoint: Path, run: Path) -> Transformer:
    """The network of a checkpoint with what a run trained merged into it, in fp32.

    Raises:
        CheckpointError: the checkpoint or the run's state is unreadable, or they do not belong together.
    """
    config = ModelConfig.from_checkpoint(checkpoint)
    network = load_transformer(checkpoint, config, device=torch.device("cpu"), dtype=torch.float32)
    parameters = parameters_named(read_progress(run / STATE_FILE).fingerprint)
    parameters.prepare(network)
    wanted = Progress(parameters.fingerprint, start=digest_weights(checkpoint))
    load_weights(run / STATE_FILE, trained_state(network), wanted)
    parameters.merge(network)
    return network


def write_rounded(network: Transformer, checkpoint: Path, folder: Path) -> None:
    """Write the network as a sharded checkpoint of eight-bit matrices: half the size, for those who only fill.

    Args:
        network: What to write.
        checkpoint: The one it was trained from, for config, tokenizer and commit order.
        folder: Where to; it must be empty or not there.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        module = _hugging_face_name(name).removesuffix(".weight")
        if tensor.dim() == 2:
            tensors |= {module + suffix: part for suffix, part in quantize(tensor).items()}
        else:
            tensors[_hugging_face_name(name)] = tensor.to(torch.bfloat16)
    _write_folder(tensors, checkpoint, folder, {"quantization_config": _quantization_config()})


def write_checkpoint(network: Transformer, checkpoint: Path, folder: Path) -> None:
    """Write the network as a sharded bf16 checkpoint, which can be trained on.

    Args:
        network: What to write.
        checkpoint: The one it was trained from, for config, tokenizer and commit order.
        folder: Where to; it must be empty or not there.
    """
    tensors = {_hugging_face_name(name): weight.to(torch.bfloat16) for name, weight in network.state_dict().items()}
    _write_folder(tensors, checkpoint, folder, {"torch_dtype": "bfloat16"})


def _hugging_face_name(name: str) -> str:
    return name if name.split(".", maxsplit=1)[0] == "lm_head" else f"model.{name}"


def _write_folder(tensors: Mapping[str, Tensor], checkpoint: Path, folder: Path, facts: dict[str, Any]) -> None:
    config = {key: value for key, value in read_config(checkpoint).items() if key != "quantization_config"} | facts
    with creating_folder(folder) as partial:
        _write_shards(tensors, partial)
        (partial / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, ORDER_FILE):
            if (checkpoint / name).exists():
                shutil.copyfile(checkpoint / name, partial / name)


def split_shards(tensors: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    """The tensors in their order, cut into runs of at most `max_bytes`; a larger tensor is a shard of its own."""
    shards: list[dict[str, Tensor]] = [{}]
    num_bytes = 0
    for name, tensor in tensors.items():
        if shards[-1] and num_bytes + tensor.nbytes > max_bytes:
            shards.append({})
            num_bytes = 0
        shards[-1][name] = tensor
        num_bytes += tensor.nbytes
    return shards


def _write_shards(tensors: Mapping[str, Tensor], folder: Path) -> None:
    shards = split_shards(tensors, MAX_SHARD_BYTES)
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, name)
    total_size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total_size}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=0) + "\n", encoding="utf-8")


def _quantization_config() -> dict[str, Any]:
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": {"targets": ["Linear", "Embedding"], "weights": weights}},
        "ignore": [],
    }
