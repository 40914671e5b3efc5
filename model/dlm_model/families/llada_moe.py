"""LLaDA-MoE (inclusionAI, 7B of which 1B is active): LLaDA's training on an OLMoE with queries and keys normed."""

from typing import Any

from dlm_model.errors import CheckpointError
from dlm_model.families.family import Family, architecture, mask_token_id, model_type, refuse_unless
from dlm_model.families.hugging_face import MIXED_LAYERS, llama_fields
from dlm_model.network.checkpoint_files import CheckpointFiles, count
from dlm_model.network.mixture_config import MixtureConfig

_ONLY = {
    "qk_layernorm": True,
    "clip_qkv": None,
    "shared_expert_intermediate_size": None,
    "partial_rotary_factor": 1,
}
_SOFTMAX = (None, "softmax")


def _matches(files: CheckpointFiles) -> bool:
    return model_type(files) == "lladamoe" or architecture(files) in ("LLaDAMoEModelLM", "LLaDAMoEModel")


def _read(files: CheckpointFiles) -> dict[str, Any]:
    raw = files.config
    refuse_unless(files, _ONLY)
    if raw.get("moe_router_enable_expert_bias") or raw.get("moe_router_score_function") not in _SOFTMAX:
        raise CheckpointError(f"{files.source}: only routing by a plain softmax is supported.")
    if not all(raw.get("moe_layer_freq") or ()):
        raise CheckpointError(f"{files.source}: {MIXED_LAYERS}")
    expert_size = count(raw, "expert_intermediate_size")
    shaped = CheckpointFiles(files.source, {**raw, "intermediate_size": expert_size})
    return {
        **llama_fields(shaped),
        "has_qk_norm": True,
        "mixture": MixtureConfig(
            num_experts=count(raw, "num_experts"),
            num_active_experts=count(raw, "num_experts_per_tok"),
            expert_size=expert_size,
        ),
        # The config does not name it.
        "mask_token_id": mask_token_id(files, "<|mask|>"),
        "bos_token_id": files.token_id("bos"),
    }


LLADA_MOE = Family(name="LLaDA-MoE", matches=_matches, read=_read)
