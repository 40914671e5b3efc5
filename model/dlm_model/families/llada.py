"""LLaDA-8B and LLaDA-1.5 (arXiv 2502.09992): OLMo's config keys and tensor names around a Llama; and iLLaDA.

iLLaDA (arXiv 2606.25331) has a Llama's names as well, and the vocabulary of Seed-Coder. The mixture-of-experts LLaDA
says `llada` too, and is distinguished by its architecture: see `llada_moe`.
"""

import re
from typing import Any

from dlm_model.families.family import (
    Family,
    architecture,
    model_type,
    refuse_unless,
    required_token_id,
    seed_mask_token_id,
)
from dlm_model.families.hugging_face import llama_fields, rope_theta
from dlm_model.network.checkpoint_files import CheckpointFiles, count

_ONLY = {
    "block_type": "llama",
    "layer_norm_type": "rms",
    "activation_type": "silu",
    "rope": True,
    "alibi": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "include_bias": False,
    "block_group_size": 1,
}
"""What a config must say, if it says anything: all else is a variant of OLMo that no published LLaDA uses."""

_WHOLE = {
    "model.transformer.wte.weight": "embed_tokens.weight",
    "model.transformer.ln_f.weight": "norm.weight",
    # Every block calls its down projection by that last part, too.
    "model.transformer.ff_out.weight": "lm_head.weight",
}
_IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_norm": "post_attention_layernorm",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
_BLOCK = re.compile(r"model\.transformer\.blocks\.(\d+)\.(\w+)\.(weight|bias)")


def _read(files: CheckpointFiles) -> dict[str, Any]:
    refuse_unless(files, _ONLY)
    raw = files.config
    hidden_size, num_heads = count(raw, "d_model"), count(raw, "n_heads")
    return {
        "vocab_size": count(raw, "embedding_size") if raw.get("embedding_size") else count(raw, "vocab_size"),
        "hidden_size": hidden_size,
        "intermediate_size": _intermediate_size(files, hidden_size),
        "num_layers": count(raw, "n_layers"),
        "num_heads": num_heads,
        "num_kv_heads": _num_kv_heads(files, num_heads),
        "head_dim": hidden_size // num_heads,
        "context_length": count(raw, "max_sequence_length"),
        "rope_theta": rope_theta(files),
        "rms_norm_eps": float(raw["rms_norm_eps"]),
        "has_qkv_bias": bool(raw.get("include_qkv_bias", False)),
        "has_output_bias": False,
        "has_mlp_bias": False,
        "has_qk_norm": False,
        "ties_embeddings": bool(raw.get("weight_tying", True)),
        "mask_token_id": required_token_id(files, "mask"),
        "bos_token_id": files.token_id("bos"),
    }


def _intermediate_size(files: CheckpointFiles, hidden_size: int) -> int:
    if files.config.get("mlp_hidden_size"):
        return count(files.config, "mlp_hidden_size")
    return count(files.config, "mlp_ratio") * hidden_size


def _num_kv_heads(files: CheckpointFiles, num_heads: int) -> int:
    if files.config.get("n_kv_heads"):
        return count(files.config, "n_kv_heads")
    return 1 if files.config.get("multi_query_attention") else num_heads


def _parameter_name(stored: str) -> str:
    block = _BLOCK.fullmatch(stored)
    if block and block[2] in _IN_BLOCK:
        return f"layers.{block[1]}.{_IN_BLOCK[block[2]]}.{block[3]}"
    return _WHOLE.get(stored, stored)


def _read_illada(files: CheckpointFiles) -> dict[str, Any]:
    refuse_unless(files, {"layer_norm_eps": None})
    return {
        **llama_fields(files),
        # transformers omits from a config what has its default value, as it does in this model.
        "ties_embeddings": bool(files.config.get("tie_word_embeddings", True)),
        "mask_token_id": seed_mask_token_id(files),
        "bos_token_id": files.token_id("bos"),
    }


LLADA = Family(
    name="LLaDA", matches=lambda files: model_type(files) == "llada", read=_read, parameter_name=_parameter_name
)
ILLADA = Family(
    name="iLLaDA",
    matches=lambda files: model_type(files) == "illada" or architecture(files) == "ILLaDAForCausalLM",
    read=_read_illada,
)
