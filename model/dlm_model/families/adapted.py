"""Small Qwens adapted to diffusion: Open-dLLM's open-dcoder, and the Tiny-A2D models of `dllm`.

Both keep the tensor names and the config of their Qwen. Only the tokenizer names the mask.
"""

from collections.abc import Mapping
from typing import Any

from dlm_model.families.dlm import DLM_SECTION
from dlm_model.families.family import Family, model_type, required_token_id
from dlm_model.families.hugging_face import llama_fields, qwen2_fields, qwen3_fields
from dlm_model.network.checkpoint_files import CheckpointFiles

OPEN_DCODER_MASK = "<M>"
BD3LM_BLOCK_LENGTH = 32
"""In the names of the Tiny-A2D models that attend block by block; nothing else distinguishes them."""

_ADAPTED = {"a2d-llama": llama_fields, "a2d-qwen2": qwen2_fields, "a2d-qwen3": qwen3_fields}


def _is_open_dcoder(files: CheckpointFiles) -> bool:
    has_section = isinstance(files.config.get(DLM_SECTION), Mapping)
    return model_type(files) == "qwen2" and not has_section and files.special_token("mask_token") == OPEN_DCODER_MASK


def _read_open_dcoder(files: CheckpointFiles) -> dict[str, Any]:
    # Its evaluation prompts it without a first token; Qwen's end of text, which its documents began after, stands in
    # for one where there is no prefix to read the first prediction off.
    return {
        **qwen2_fields(files),
        "shift_logits": True,
        "mask_token_id": required_token_id(files, "mask"),
        "bos_token_id": required_token_id(files, "bos"),
        "always_begins_with_bos": False,
    }


def _read_a2d(files: CheckpointFiles) -> dict[str, Any]:
    is_blocked = "bd3lm" in files.source.lower()
    return {
        **_ADAPTED[files.config["model_type"]](files),
        "mask_token_id": required_token_id(files, "mask"),
        "block_length": BD3LM_BLOCK_LENGTH if is_blocked else None,
        "end_token_ids": files.end_token_ids() if is_blocked else (),
    }


OPEN_DCODER = Family(name="open-dcoder", matches=_is_open_dcoder, read=_read_open_dcoder)
TINY_A2D = Family(name="Tiny-A2D", matches=lambda files: model_type(files) in _ADAPTED, read=_read_a2d)
