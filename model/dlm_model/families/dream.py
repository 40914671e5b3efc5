"""Dream, Dream-Coder, DiffuCoder, d3LLM-Coder (arXiv 2508.15487, 2506.20639): Qwen2 with shifted logits; and DreamOn.

DreamOn (Dream-org/DreamOn-v0-7B) is a Dream that was taught to expand and delete. It is recognised by its expand token,
and its prompts end with the end-of-text token, as in its own quick start.
"""

from typing import Any

from dlm_model.families.family import Family, model_type, required_token_id
from dlm_model.families.hugging_face import qwen2_fields
from dlm_model.network.checkpoint_files import CheckpointFiles

EXPAND_TOKEN = "<|expand|>"
DREAM_ON_CONTEXT_LENGTH = 2048
"""The context it was trained with; its config repeats the 131072 of the Qwen2.5 that it began as."""

DREAM_ON_MASKS = 64
"""It fills best from as many, and with the fewest forwards: one delete token takes all masks behind it along, but each
expand token adds only one. A run of its published code by others on 927 single lines of HumanEval-Infilling solved
90.7 % in 16.0 forwards from 16 masks, and 91.7 % in 9.9 from 64."""


def _matches(files: CheckpointFiles) -> bool:
    return model_type(files) == "Dream"


def _is_dream_on(files: CheckpointFiles) -> bool:
    return _matches(files) and _expand_token_id(files) is not None


def _expand_token_id(files: CheckpointFiles) -> int | None:
    token_id = files.token_id("expand")
    return files.added_tokens.get(EXPAND_TOKEN) if token_id is None else token_id


def _read(files: CheckpointFiles) -> dict[str, Any]:
    return {
        **qwen2_fields(files),
        "shift_logits": True,
        "selection": "entropy",  # as in the quick starts of all of them
        "mask_token_id": required_token_id(files, "mask"),
        "bos_token_id": _bos_token_id(files),
    }


def _bos_token_id(files: CheckpointFiles) -> int:
    """The tokenizer's, with which their own evaluations begin prompts; Dream's configs name the end of text instead."""
    named = files.tokenizer_token_id("bos")
    return required_token_id(files, "bos") if named is None else named


def _read_dream_on(files: CheckpointFiles) -> dict[str, Any]:
    fields = _read(files)
    eos = required_token_id(files, "eos")
    delete = files.token_id("delete")
    return {
        **fields,
        "context_length": min(fields["context_length"], DREAM_ON_CONTEXT_LENGTH),
        "expand_token_id": _expand_token_id(files),
        "delete_token_id": eos if delete is None else delete,
        "eos_token_id": eos,
        "least_masks": DREAM_ON_MASKS,
    }


DREAM = Family(name="Dream", matches=_matches, read=_read)
DREAM_ON = Family(name="DreamOn", matches=_is_dream_on, read=_read_dream_on)
