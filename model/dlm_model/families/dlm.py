"""Our own checkpoints: a Llama, Qwen2 or Qwen3 whose config.json has a `dlm` section for everything about diffusion."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from dlm_model.decode_options import Selection
from dlm_model.families.family import Family, model_type
from dlm_model.families.hugging_face import llama_fields, qwen2_fields, qwen3_fields
from dlm_model.network.checkpoint_files import CheckpointFiles, whole_number

DLM_SECTION = "dlm"
PromptAttention = Literal["bidirectional", "causal"]
PROMPT_ATTENTIONS: tuple[str, ...] = get_args(PromptAttention)
TOKEN_ID_FIELDS = ("mask_token_id", "expand_token_id", "delete_token_id", "bos_token_id")

_LAYOUTS = {"llama": llama_fields, "qwen2": qwen2_fields, "qwen3": qwen3_fields}


def _matches(files: CheckpointFiles) -> bool:
    return model_type(files) in _LAYOUTS


def _read(files: CheckpointFiles) -> dict[str, Any]:
    return {**_LAYOUTS[files.config["model_type"]](files), **_decoder_fields(files.config)}


def _decoder_fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    section = raw.get(DLM_SECTION)
    if not isinstance(section, Mapping) or "mask_token_id" not in section:
        raise KeyError(f"{DLM_SECTION}.mask_token_id, which says what a masked position holds")
    token_ids = {name: section.get(name) for name in TOKEN_ID_FIELDS}
    for name, token_id in token_ids.items():
        if token_id is not None:
            whole_number(name, token_id)
    prompt_attention = section.get("prompt_attention", "bidirectional")
    if prompt_attention not in PROMPT_ATTENTIONS:
        raise ValueError(f"prompt_attention is {prompt_attention!r}")
    selection = section.get("selection", "confidence")
    if selection not in get_args(Selection):
        raise ValueError(f"selection is {selection!r}")
    is_shifted = bool(section.get("shift_logits", False))
    return {**token_ids, "shift_logits": is_shifted, "prompt_attention": prompt_attention, "selection": selection}


DLM = Family(name="dlm", matches=_matches, read=_read)
