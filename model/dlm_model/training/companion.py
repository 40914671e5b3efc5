"""The causal model that an infilling model came from, kept as a low-rank adapter of it: its guide.

Low-rank adapters can take back a training with low-rank adapters. The difference of every matrix, cut to its largest
singular values, takes a seventh of the disk that the weights would. Norms are stored whole. The embedding is shared,
because training changed only its added rows.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.network.adapter import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_FILE,
    DOWN_SUFFIX,
    PREFIX,
    UP_SUFFIX,
    add_adapter,
    is_adapter,
)
from dlm_model.network.quantization import dequantize_tensors
from dlm_model.network.weights import read_tensors
from dlm_model.training.atomic import creating_folder, require_empty
from dlm_model.training.initialize import ADDED_TOKENS

CARRIED_RANK = 64
"""Enough for a guide that takes back two trainings, with adapters of rank 32 each."""

_TABLES = ("model.embed_tokens.weight", "lm_head.weight")
_MOST_OF_ROUNDING = 0.05  # eight bits a weight leave 0.01
_OVERSAMPLING = 16
_NUM_ITERATIONS = 4


def carry_guide(start: Path, checkpoint: Path) -> None:
    """Give a checkpoint the guide of the one it was trained from, if that has one.

    Raises:
        CheckpointError: a checkpoint is unreadable.
    """
    guide = start / GUIDE_FOLDER
    if is_adapter(guide):
        write_companion(start, checkpoint, CARRIED_RANK)
    elif guide.is_dir():
        shutil.copytree(guide, checkpoint / GUIDE_FOLDER)


def write_companion(causal: Path, checkpoint: Path, rank: int) -> float:
    """Write the causal model as the guide of a checkpoint that was trained from it.

    Args:
        causal: The folder of the causal checkpoint, or of an infilling one that has it as its guide (an adapter).
        checkpoint: The folder of the infilling model; the guide is written into its subfolder `guide`.
        rank: Of the adapter's matrices.

    Returns:
        The part of the difference that the adapter misses, as a share of its Frobenius norm.

    Raises:
        CheckpointError: a checkpoint is unreadable, or they belong to different networks.
        ValueError: the checkpoint has a guide already.
    """
    require_empty(checkpoint / GUIDE_FOLDER)
    wanted, own = (dequantize_tensors(read_tensors(folder), dtype=torch.float32) for folder in (causal, checkpoint))
    if is_adapter(causal / GUIDE_FOLDER):
        wanted = add_adapter(causal / GUIDE_FOLDER, wanted)
    adapter: dict[str, Tensor] = {}
    missed = total = 0.0
    for name, tensor in own.items():
        if name in _TABLES:
            _refuse_trained(wanted.get(name), tensor, name, causal)
            continue
        if name not in wanted or wanted[name].shape != tensor.shape:
            raise CheckpointError(f"{causal} is not what {checkpoint} was trained from: {name} differs in shape.")
        if tensor.dim() == 1:
            adapter[PREFIX + name] = wanted[name].to(torch.bfloat16)
            continue
        difference = wanted[name].float() - tensor.float()
        down, up = _factors(difference, min(rank, *difference.shape))
        layer = PREFIX + name.removesuffix(".weight")
        adapter |= {layer + DOWN_SUFFIX: down.to(torch.bfloat16), layer + UP_SUFFIX: up.to(torch.bfloat16)}
        missed += float((difference - up @ down).square().sum())
        total += float(difference.square().sum())
    _write(adapter, checkpoint, rank)
    return (missed / total) ** 0.5 if total else 0.0


def _refuse_trained(wanted: Tensor | None, own: Tensor, name: str, causal: Path) -> None:
    """Refuse a trained embedding: the guide shares it, so that only the rows added to it may have been trained."""
    if wanted is None:
        return
    num_rows = min(len(wanted), len(own) - len(ADDED_TOKENS))
    before, after = wanted[:num_rows].float(), own[:num_rows].float()
    if (before - after).norm() > _MOST_OF_ROUNDING * before.norm():
        raise CheckpointError(f"{name} is not that of {causal}: an adapter cannot undo a training of all tokens.")


def _factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """[rank, in] and [out, rank], whose product is nearest to a matrix [out, in]."""
    size = min(rank + _OVERSAMPLING, *matrix.shape)
    left, values, right = torch.svd_lowrank(matrix, q=size, niter=_NUM_ITERATIONS)
    root = values[:rank].sqrt()
    return (right[:, :rank] * root).T.contiguous(), (left[:, :rank] * root).contiguous()


def _write(adapter: dict[str, Tensor], checkpoint: Path, rank: int) -> None:
    layers = {name.removesuffix(DOWN_SUFFIX).rpartition(".")[2] for name in adapter if name.endswith(DOWN_SUFFIX)}
    # What the `peft` library reads; `lora_alpha` equal to `r` scales by one.
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "..",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted(layers),
        "modules_to_save": sorted({name.split(".")[-2] for name in adapter if ".lora_" not in name}),
    }
    with creating_folder(checkpoint / GUIDE_FOLDER) as partial:
        (partial / ADAPTER_CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(adapter, partial / ADAPTER_FILE, metadata={"format": "pt"})
