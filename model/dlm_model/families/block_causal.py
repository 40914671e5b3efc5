"""Models that write block after block, each of which sees itself and what stands before it: known, and refused.

A suffix lies after every block of the hole, so that none of them sees it (their own code has no infilling either), and
a hole is not filled by half of what is known about it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from dlm_model.checkpoint_files import CheckpointFiles
from dlm_model.errors import CheckpointError
from dlm_model.families.family import Family, architecture, model_type


def _is_type(*names: str) -> Callable[[CheckpointFiles], bool]:
    return lambda files: model_type(files) in names


def _block_causal(name: str, matches: Callable[[CheckpointFiles], bool]) -> Family:
    def refuse(files: CheckpointFiles) -> NoReturn:
        raise CheckpointError(
            f"{files.source}: {name} sees no suffix, since it attends block by block from left to right; "
            "a hole needs a model that sees both sides."
        )

    read: Callable[[CheckpointFiles], dict[str, Any]] = refuse
    return Family(name=name, matches=matches, read=read)


BLOCK_CAUSAL = (
    _block_causal("SDAR", _is_type("sdar", "sdar_moe")),
    _block_causal("Fast-dLLM v2", _is_type("Fast_dLLM_Qwen")),
    _block_causal("LLaDA2", _is_type("llada2_moe", "llada21_moe")),
    _block_causal("Stable-DiffCoder", lambda files: architecture(files) == "StableDiffcoderForCausalLM"),
    _block_causal("DreamReasoner", lambda files: model_type(files) == "Dream" and "block_size" in files.config),
)
