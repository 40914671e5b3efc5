"""The config keys that Llama, Qwen2, Qwen3 and their descendants have in common."""

from collections.abc import Mapping
from typing import Any

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import CheckpointFiles, count
from dlm_model.network.mixture_config import MixtureConfig

DEFAULT_ROPE_THETA = 10_000.0


def qwen2_fields(files: CheckpointFiles) -> dict[str, Any]:
    """Qwen2 always has biases on q, k, v and never on the output projection."""
    return {**_shape(files), "has_qkv_bias": True, "has_output_bias": False, "has_qk_norm": False}


def qwen3_fields(files: CheckpointFiles) -> dict[str, Any]:
    """Qwen3 is Llama with queries and keys normed per head."""
    return {**llama_fields(files), "has_qk_norm": True}


MIXED_LAYERS = "layers without experts between layers with experts are not supported."
"""Said of a config by which layers in between have no experts: only the first ones can do without."""


def qwen3_moe_fields(files: CheckpointFiles) -> dict[str, Any]:
    """Qwen3-MoE is Qwen3 with experts in every layer.

    Raises:
        CheckpointError: some layers have none.
    """
    raw = files.config
    if raw.get("mlp_only_layers") or raw.get("decoder_sparse_step", 1) != 1:
        raise CheckpointError(f"{files.source}: {MIXED_LAYERS}")
    mixture = MixtureConfig(
        num_experts=count(raw, "num_experts"),
        num_active_experts=count(raw, "num_experts_per_tok"),
        expert_size=count(raw, "moe_intermediate_size"),
        normalizes_weights=bool(raw.get("norm_topk_prob", False)),
    )
    return {**qwen3_fields(files), "mixture": mixture}


def llama_fields(files: CheckpointFiles) -> dict[str, Any]:
    """Llama has biases on all four projections or on none."""
    has_bias = bool(files.config.get("attention_bias", False))
    return {**_shape(files), "has_qkv_bias": has_bias, "has_output_bias": has_bias, "has_qk_norm": False}


def rope_theta(files: CheckpointFiles) -> float:
    """The base of the rotary angles.

    Raises:
        CheckpointError: the angles are scaled.
    """
    rope = _rope_parameters(files.config)
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise CheckpointError(f"{files.source}: rotary scaling {rope_type!r} is not supported.")
    return float(rope.get("rope_theta") or DEFAULT_ROPE_THETA)


def _shape(files: CheckpointFiles) -> dict[str, Any]:
    _refuse_unsupported(files)
    raw = files.config
    num_heads = count(raw, "num_attention_heads")
    return {
        "vocab_size": count(raw, "vocab_size"),
        "hidden_size": count(raw, "hidden_size"),
        "intermediate_size": count(raw, "intermediate_size"),
        "num_layers": count(raw, "num_hidden_layers"),
        "num_heads": num_heads,
        "num_kv_heads": count(raw, "num_key_value_heads") if raw.get("num_key_value_heads") else num_heads,
        "head_dim": count(raw, "head_dim") if raw.get("head_dim") else count(raw, "hidden_size") // num_heads,
        "context_length": count(raw, "max_position_embeddings"),
        "rope_theta": rope_theta(files),
        "rms_norm_eps": float(raw["rms_norm_eps"]),
        "has_mlp_bias": bool(raw.get("mlp_bias", False)),
        "ties_embeddings": bool(raw.get("tie_word_embeddings", False)),
    }


def _rope_parameters(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    # transformers 5 moved rope_theta and rope_scaling into one rope_parameters object; files of both kinds exist.
    modern = raw.get("rope_parameters") or {}
    legacy = raw.get("rope_scaling") or {}
    return {"rope_theta": raw.get("rope_theta")} | dict(legacy) | dict(modern)


def _refuse_unsupported(files: CheckpointFiles) -> None:
    activation = files.config.get("hidden_act", "silu")
    if activation != "silu":
        raise CheckpointError(f"{files.source}: activation {activation!r} is not supported, only 'silu'.")
    if files.config.get("use_sliding_window", False):
        raise CheckpointError(f"{files.source}: sliding-window attention is not supported.")
