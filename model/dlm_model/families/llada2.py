"""LLaDA2.0 and LLaDA2.1 (arXiv 2512.15745, 2602.08676), mini and flash: block diffusion on the mixtures of Ling 2.0.

They keep Ling's names and its single tensor for queries, keys and values. In each head only the first R dimensions are
rotated with the position, i together with i + R/2. The network rotates i together with i + D/2, whatever R is. So the
dimensions of queries and keys are reordered once, at load, which leaves their products the same. Checkpoints of
dFactory, which trains them further, hold all experts of a layer in one tensor; it is split.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dlm_model.errors import CheckpointError
from dlm_model.families.family import Family, hugging_face_name, mask_token_id, model_type, refuse_unless
from dlm_model.families.hugging_face import llama_fields
from dlm_model.network.checkpoint_files import CheckpointFiles, count
from dlm_model.network.mixture_config import MixtureConfig

if TYPE_CHECKING:
    from torch import Tensor

    from dlm_model.network.config import ModelConfig

BLOCK_LENGTH = 32
"""A constant of its generation code."""

_TYPES = ("llada2_moe", "llada21_moe", "llada2_moe_veomni")
_ONLY = {"score_function": "sigmoid", "norm_topk_prob": True, "moe_router_enable_expert_bias": True, "norm_head": False}
_FUSED = "query_key_value"
_RENAMED = {
    "word_embeddings": "embed_tokens",
    "attention": "self_attn",
    "dense": "o_proj",
    "query_layernorm": "q_norm",
    "key_layernorm": "k_norm",
}


def _read(files: CheckpointFiles) -> dict[str, Any]:
    refuse_unless(files, _ONLY)
    raw = files.config
    return {
        **llama_fields(files),
        "has_qkv_bias": bool(raw.get("use_qkv_bias", False)),
        "has_output_bias": bool(raw.get("use_bias", True)),
        "has_qk_norm": bool(raw.get("use_qk_norm", True)),
        "partial_rotary_factor": float(raw.get("partial_rotary_factor", 0.5)),
        "mixture": _mixture(raw),
        "mask_token_id": mask_token_id(files, "<|mask|>"),
        "block_length": BLOCK_LENGTH,
        "end_token_ids": files.end_token_ids(),
    }


def _mixture(raw: Mapping[str, Any]) -> MixtureConfig:
    expert_size, num_active = count(raw, "moe_intermediate_size"), count(raw, "num_experts_per_tok")
    return MixtureConfig(
        num_experts=count(raw, "num_experts"),
        num_active_experts=num_active,
        expert_size=expert_size,
        shared_size=expert_size * count(raw, "num_shared_experts") if raw.get("num_shared_experts") else 0,
        num_dense_layers=count(raw, "first_k_dense_replace") if raw.get("first_k_dense_replace") else 0,
        score_function="sigmoid",
        normalizes_weights=num_active > 1,
        weight_scale=float(raw["routed_scaling_factor"]),
        has_expert_bias=True,
        num_groups=count(raw, "n_group"),
        num_active_groups=count(raw, "topk_group"),
    )


def _parameter_name(stored: str) -> str:
    return ".".join(_RENAMED.get(part, part) for part in hugging_face_name(stored).split("."))


def _unpack(tensors: Mapping[str, "Tensor"], config: "ModelConfig") -> dict[str, "Tensor"]:
    """Separate queries, keys and values, with the dimensions of heads in the network's order, and separate experts."""
    order = _dimension_order(config)
    unpacked: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        if module.endswith(_FUSED):
            parts = _split_heads(name, tensor, config)
            for part, heads in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                turned = heads if part == "v_proj" else heads[:, order]
                unpacked[f"{module.removesuffix(_FUSED)}{part}.{kind}"] = turned.flatten(0, 1)
        elif module.endswith(("q_norm", "k_norm")) and tensor.shape == (config.head_dim,):
            unpacked[name] = tensor[order]
        elif module.endswith(".experts"):
            unpacked |= {f"{module}.{index}.{kind}.weight": expert for index, expert in enumerate(tensor.unbind())}
        else:
            unpacked[name] = tensor
    return unpacked


def _split_heads(name: str, tensor: "Tensor", config: "ModelConfig") -> tuple["Tensor", ...]:
    """Weight [(H + 2K) D, C] or bias [(H + 2K) D] → [H, D, …], [K, D, …], [K, D, …]."""
    sizes = (config.num_heads, config.num_kv_heads, config.num_kv_heads)
    if len(tensor) != sum(sizes) * config.head_dim:
        raise CheckpointError(
            f"{name} has shape {tuple(tensor.shape)}, config.json asks for {sum(sizes)} heads of {config.head_dim}."
        )
    return tensor.reshape(-1, config.head_dim, *tensor.shape[1:]).split_with_sizes(sizes)


def _dimension_order(config: "ModelConfig") -> list[int]:
    """For each dimension of the network's head, where it is stored."""
    turning, middle = config.rotary_dim // 2, (config.rotary_dim + config.head_dim) // 2
    first = [*range(turning), *range(config.rotary_dim, middle)]
    second = [*range(turning, config.rotary_dim), *range(middle, config.head_dim)]
    return first + second


LLADA2 = Family(
    name="LLaDA2",
    matches=lambda files: model_type(files) in _TYPES,
    read=_read,
    parameter_name=_parameter_name,
    unpack=_unpack,
)
