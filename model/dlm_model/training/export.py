"""From a training run to a checkpoint: adapters merged, matrices in bf16 or rounded to eight bits, files sharded.

Linear layers and the embedding are rounded to eight bits, norms are not. A checkpoint that starts from eight bits lies
on the grid it is rounded to, and a short training moves most weights by less than half a step. So they are rounded at
random, with the weight itself as the mean. The config names the scheme the way the compressed-tensors project does, so
that other tools can tell what the tensors are.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import CONFIG_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, read_config
from dlm_model.network.config import ModelConfig
from dlm_model.network.quantization import WEIGHT_SUFFIX, dequantize_tensor, quantize
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import INDEX_FILE, each_weight, load_transformer, read_tensors
from dlm_model.steps.order import ORDER_FILE
from dlm_model.training.adapters import trained_state
from dlm_model.training.atomic import creating_folder, require_empty
from dlm_model.training.companion import carry_guide
from dlm_model.training.parameters import parameters_named
from dlm_model.training.run_state import STATE_FILE, Progress, digest_weights, load_weights, read_progress

MAX_SHARD_BYTES = 48_000_000


class Export(NamedTuple):
    """What came of a run.

    Attributes:
        progress: How far the run was when it was read.
        kept: The share of its update of the matrices that rounding left.
        lost_guide: Why the start's guide is not part of it; empty if it is, or if there was none.
    """

    progress: Progress
    kept: float
    lost_guide: str


def merge_run(checkpoint: Path, run: Path) -> tuple[Transformer, Progress]:
    """The network of a checkpoint with what a run trained merged into it, in fp32; and how far the run was.

    Raises:
        CheckpointError: the checkpoint or the run's state is unreadable, or they do not belong together, or the run has
            taken no step.
    """
    begun = read_progress(run / STATE_FILE)
    if not begun.step:
        raise CheckpointError(f"{run} has not taken a step yet, and has nothing to export but its start.")
    config = ModelConfig.from_checkpoint(checkpoint)
    network = load_transformer(checkpoint, config, device=torch.device("cpu"), dtype=torch.float32)
    parameters = parameters_named(begun.fingerprint)
    parameters.prepare(network)
    wanted = Progress(parameters.fingerprint, start=digest_weights(checkpoint))
    # A run that goes on meanwhile has another state by now.
    progress = load_weights(run / STATE_FILE, trained_state(network), wanted)
    parameters.merge(network)
    return network, progress


def export_run(checkpoint: Path, run: Path, folder: Path, *, is_rounded: bool = False) -> Export:
    """Write what a run made of its start, with the start's commit order and guide: all of it, or nothing.

    Args:
        checkpoint: What the run started from.
        run: The run's folder.
        folder: Where to; it must be empty or not there.
        is_rounded: To eight bits, half the size of bf16.

    Raises:
        CheckpointError: the checkpoint or the run's state is unreadable, or they do not belong together, or the run has
            taken no step.
        ValueError: `folder` has something in it already.
    """
    require_empty(folder)
    network, progress = merge_run(checkpoint, run)
    with creating_folder(folder) as partial:
        write_checkpoint(network, checkpoint, partial, is_rounded=is_rounded)
        lost = ""
        try:
            carry_guide(checkpoint, partial)
        except CheckpointError as error:
            lost = str(error)  # The model is whole without it, and a causal prompt can guide itself.
        kept = _share_kept(network, checkpoint, partial)
    return Export(progress, kept, lost)


def write_checkpoint(network: Transformer, checkpoint: Path, folder: Path, *, is_rounded: bool = False) -> None:
    """Write the network as a sharded checkpoint.

    Args:
        network: What to write.
        checkpoint: The one it was trained from, for config, tokenizer and commit order.
        folder: Where to; it is there, and may be left with a part of the files.
        is_rounded: To eight bits, half the size of bf16.
    """
    tensors: dict[str, Tensor] = {}
    draws = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        stored = _hugging_face_name(name)
        if is_rounded and tensor.dim() == 2:
            parts = quantize(tensor, draws)
            tensors |= {stored.removesuffix(WEIGHT_SUFFIX) + suffix: part for suffix, part in parts.items()}
        else:
            tensors[stored] = tensor.to(torch.bfloat16)
    facts = {"quantization_config": _quantization_config()} if is_rounded else {"torch_dtype": "bfloat16"}
    config = {key: value for key, value in read_config(checkpoint).items() if key != "quantization_config"} | facts
    _write_shards(tensors, folder)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, ORDER_FILE):
        if (checkpoint / name).exists():
            shutil.copyfile(checkpoint / name, folder / name)


def _share_kept(network: Transformer, checkpoint: Path, folder: Path) -> float:
    """How much of the matrices' update is left in what was written: its projection on the update; 1 without any.

    The start is read matrix by matrix: the whole of it would take as much memory as the network once more.
    """
    merged, written = network.state_dict(), read_tensors(folder)
    kept = wanted = 0.0
    for name, before in each_weight(checkpoint, ModelConfig.from_checkpoint(checkpoint), dtype=torch.float32):
        if before.dim() == 2 and name in merged:  # A head that is tied to the embedding may be stored all the same.
            after = dequantize_tensor(written, _hugging_face_name(name), dtype=torch.float32)
            update = merged[name] - before
            kept += float((update * (after - before)).sum())
            wanted += float(update.square().sum())
    return kept / wanted if wanted else 1.0


def _hugging_face_name(name: str) -> str:
    return name if name.split(".", maxsplit=1)[0] == "lm_head" else f"model.{name}"


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
