"""Models that write block after block, where each block sees itself and what comes before it.

None of them sees a suffix, which comes after every block of the hole, and their published code does not infill either.
They fill as well as they can from the prefix alone, and say so. LLaDA2 is one of them, but stores its tensors in
another layout and has a module of its own.
"""

import re
from collections.abc import Mapping
from typing import Any

from dlm_model.families.family import (
    Family,
    architecture,
    mask_token_id,
    model_type,
    required_token_id,
    seed_mask_token_id,
)
from dlm_model.families.hugging_face import llama_fields, qwen2_fields, qwen3_fields, qwen3_moe_fields
from dlm_model.network.checkpoint_files import CheckpointFiles, count

FAST_DLLM_MASK = "|<MASK>|"
END_OF_TURN = "<|im_end|>"
"""Ends a turn of Qwen's chats. Fast-dLLM v2's own loop stops at it, though its files name another; SDAR's name both."""
STABLE_DIFFCODER_BLOCK_LENGTH = 4
"""A constant of its generation code, as is its mask."""

_STABLE_DIFFCODERS = ("StableDiffcoderForCausalLM", "SeedDiffcoderForCausalLM")

SDAR_BLOCK_LENGTH = 4
"""The length of a block where neither the config nor the name gives one."""

_BLOCK_LENGTH_IN_NAME = re.compile(r"-b([1-9]\d*)\b")
_SDAR = {"sdar": qwen3_fields, "sdar_moe": qwen3_moe_fields}


def _read_sdar(files: CheckpointFiles) -> dict[str, Any]:
    return {**_SDAR[files.config["model_type"]](files), **_blocks(files, _sdar_block_length(files))}


def _sdar_block_length(files: CheckpointFiles) -> int:
    """The length of a block, from the config, or in some revisions only from the name: SDAR-8B-Chat-b32."""
    if files.config.get("block_size"):
        return count(files.config, "block_size")
    named = _BLOCK_LENGTH_IN_NAME.search(files.source.lower())
    return int(named[1]) if named else SDAR_BLOCK_LENGTH


def _read_dream_reasoner(files: CheckpointFiles) -> dict[str, Any]:
    # A Dream only by name: it began as a Qwen3, and its logits are not shifted.
    return {**qwen3_fields(files), **_blocks(files, count(files.config, "block_size"))}


def _blocks(files: CheckpointFiles, block_length: int) -> dict[str, Any]:
    return {
        "mask_token_id": required_token_id(files, "mask"),
        "block_length": block_length,
        "end_token_ids": files.end_token_ids(END_OF_TURN),
    }


def _read_fast_dllm(files: CheckpointFiles) -> dict[str, Any]:
    return {
        **qwen2_fields(files),
        "shift_logits": True,
        "mask_token_id": mask_token_id(files, FAST_DLLM_MASK),
        "bos_token_id": required_token_id(files, "bos"),
        "always_begins_with_bos": False,
        "block_length": count(files.config, "bd_size"),
        "end_token_ids": files.end_token_ids(END_OF_TURN),
    }


def _is_stable_diffcoder(files: CheckpointFiles) -> bool:
    # The first revision is a Llama in its architecture too, and only the code that it brings along has another name.
    code = files.config.get("auto_map")
    named = [str(path).rpartition(".")[2] for path in code.values()] if isinstance(code, Mapping) else []
    return any(name in _STABLE_DIFFCODERS for name in (architecture(files), *named))


def _read_stable_diffcoder(files: CheckpointFiles) -> dict[str, Any]:
    return {
        **llama_fields(files),
        "mask_token_id": seed_mask_token_id(files),
        "block_length": STABLE_DIFFCODER_BLOCK_LENGTH,
        "end_token_ids": files.end_token_ids(),
    }


SDAR = Family(name="SDAR", matches=lambda files: model_type(files) in _SDAR, read=_read_sdar)
DREAM_REASONER = Family(
    name="DreamReasoner",
    matches=lambda files: model_type(files) == "Dream" and "block_size" in files.config,
    read=_read_dream_reasoner,
)
FAST_DLLM = Family(
    name="Fast-dLLM v2", matches=lambda files: model_type(files) == "Fast_dLLM_Qwen", read=_read_fast_dllm
)
STABLE_DIFFCODER = Family(name="Stable-DiffCoder", matches=_is_stable_diffcoder, read=_read_stable_diffcoder)
