"""Models that write block after block, each of which sees itself and what stands before it.

None of them sees a suffix, which lies behind every block of the hole; what was published with them has no infilling
either. They fill as well as they can from the prefix alone, and say so. Mixtures among them are known, and refused.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from dlm_model.checkpoint_files import CheckpointFiles, count
from dlm_model.errors import CheckpointError
from dlm_model.families.family import Family, architecture, model_type, required_token_id
from dlm_model.families.hugging_face import llama_fields, qwen2_fields, qwen3_fields

FAST_DLLM_MASK = "|<MASK>|"
STABLE_DIFFCODER_MASK_ID = 5
STABLE_DIFFCODER_BLOCK_LENGTH = 4
"""Neither stands in its files; both are constants of its generation code."""


def _is_type(*names: str) -> Callable[[CheckpointFiles], bool]:
    return lambda files: model_type(files) in names


def _read_sdar(files: CheckpointFiles) -> dict[str, Any]:
    return {
        **qwen3_fields(files),
        "mask_token_id": required_token_id(files, "mask"),
        "block_length": count(files.config, "block_size"),
    }


def _read_fast_dllm(files: CheckpointFiles) -> dict[str, Any]:
    named = files.added_tokens.get(FAST_DLLM_MASK)
    return {
        **qwen2_fields(files),
        "shift_logits": True,
        "mask_token_id": required_token_id(files, "mask") if named is None else named,
        "bos_token_id": required_token_id(files, "bos"),
        "always_begins_with_bos": False,
        "block_length": count(files.config, "bd_size"),
    }


def _read_stable_diffcoder(files: CheckpointFiles) -> dict[str, Any]:
    mask = files.token_id("mask")
    return {
        **llama_fields(files),
        "mask_token_id": STABLE_DIFFCODER_MASK_ID if mask is None else mask,
        "block_length": STABLE_DIFFCODER_BLOCK_LENGTH,
    }


SDAR = Family(name="SDAR", matches=_is_type("sdar"), read=_read_sdar)
FAST_DLLM = Family(name="Fast-dLLM v2", matches=_is_type("Fast_dLLM_Qwen"), read=_read_fast_dllm)
STABLE_DIFFCODER = Family(
    name="Stable-DiffCoder",
    matches=lambda files: architecture(files) == "StableDiffcoderForCausalLM",
    read=_read_stable_diffcoder,
)


def _refused(name: str, matches: Callable[[CheckpointFiles], bool], reason: str) -> Family:
    def refuse(files: CheckpointFiles) -> NoReturn:
        raise CheckpointError(
            f"{files.source}: {name} sees no suffix, since it attends block by block, and {reason} is not supported."
        )

    return Family(name=name, matches=matches, read=refuse)


REFUSED = (
    _refused("LLaDA2", _is_type("llada2_moe", "llada21_moe"), "its mixture of experts with grouped routing"),
    _refused("SDAR-MoE", _is_type("sdar_moe"), "its mixture of experts"),
    _refused(
        "DreamReasoner",
        lambda files: model_type(files) == "Dream" and "block_size" in files.config,
        "a Dream with blocks",
    ),
)
