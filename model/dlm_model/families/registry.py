"""The table of families, and which one a checkpoint belongs to."""

from dlm_model.errors import CheckpointError
from dlm_model.families.adapted import OPEN_DCODER, TINY_A2D
from dlm_model.families.block_causal import DREAM_REASONER, FAST_DLLM, SDAR, STABLE_DIFFCODER
from dlm_model.families.dlm import DLM, DLM_SECTION
from dlm_model.families.dream import DREAM, DREAM_ON
from dlm_model.families.family import Family, model_type
from dlm_model.families.llada import ILLADA, LLADA
from dlm_model.families.llada2 import LLADA2
from dlm_model.families.llada_moe import LLADA_MOE
from dlm_model.network.checkpoint_files import CheckpointFiles

_BLOCK_CAUSAL = (SDAR, FAST_DLLM, STABLE_DIFFCODER, DREAM_REASONER, LLADA2)
_IN_ORDER = (*_BLOCK_CAUSAL, LLADA_MOE, ILLADA, LLADA, DREAM_ON, DREAM, OPEN_DCODER, TINY_A2D, DLM)
"""The first family that matches counts; a special case comes before the family that includes it."""

FAMILIES = {family.name: family for family in _IN_ORDER}


def is_causal(files: CheckpointFiles) -> bool:
    """Whether a checkpoint is a causal model: a Llama, Qwen2 or Qwen3 that nothing tells how to fill masks.

    Raises:
        CheckpointError: no family knows it.
    """
    return family_of(files) is DLM and DLM_SECTION not in files.config


def family_of(files: CheckpointFiles) -> Family:
    """The family of a checkpoint.

    Raises:
        CheckpointError: none knows it; the message names those that are supported.
    """
    for family in _IN_ORDER:
        if family.matches(files):
            return family
    code = ", and the code that the checkpoint brings along for it is never run" if files.names_code else ""
    raise CheckpointError(
        f"{files.source}: model type {model_type(files)!r} is not supported (supported: {', '.join(FAMILIES)}; "
        f"dlm is llama, qwen2 or qwen3 with a dlm section){code}."
    )
