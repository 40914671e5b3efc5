"""Start weights from a GGUF file of the llama architecture, written out in the Hugging Face format.

llama.cpp stores the rows of the query and key projections in the order of interleaved rotary pairs, while Hugging
Face (and our transformer) rotate halves; the rows are put back here. Tokenizers other than GPT-2-style BPE are refused.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from dlm_model.errors import CheckpointError

_LAYER_TENSORS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_OUTER_TENSORS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_CONTROL_TOKEN = 3


def import_gguf(gguf_path: Path, folder: Path) -> None:
    """Write `config.json`, `tokenizer.json` and `model.safetensors` (bf16) of a llama GGUF into `folder`.

    Raises:
        CheckpointError: not a readable GGUF, another architecture, or an unknown tokenizer.
    """
    fields, tensors = _read(gguf_path)
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise CheckpointError(f"{gguf_path} holds architecture {architecture!r}; only 'llama' can be imported")
    tokenizer = _build_tokenizer(fields)
    config = _build_config(fields, is_tied="output.weight" not in {tensor.name for tensor in tensors})
    weights = dict(_convert(tensor, config) for tensor in tensors)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))


def unpermute_rotary_rows(weight: Tensor, num_heads: int) -> Tensor:
    """Rows `[H * D, in]` from llama.cpp's interleaved rotary pairs to Hugging Face's rotated halves."""
    return weight.view(num_heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _read(path: Path) -> tuple[dict[str, Any], list[gguf.ReaderTensor]]:
    try:
        reader = gguf.GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path} is not a readable GGUF file: {error}") from error
    return {name: field.contents() for name, field in reader.fields.items()}, reader.tensors


def _convert(tensor: gguf.ReaderTensor, config: dict[str, Any]) -> tuple[str, Tensor]:
    weight = torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
    name = hugging_face_name(tensor.name)
    if name.endswith("q_proj.weight"):
        weight = unpermute_rotary_rows(weight, config["num_attention_heads"])
    if name.endswith("k_proj.weight"):
        weight = unpermute_rotary_rows(weight, config["num_key_value_heads"])
    return name, weight.to(torch.bfloat16).contiguous()


def hugging_face_name(name: str) -> str:
    """The Hugging Face name of a llama.cpp tensor.

    Raises:
        CheckpointError: no layer of a llama has this name.
    """
    match name.split("."):
        case [outer, "weight"] if outer in _OUTER_TENSORS:
            return f"{_OUTER_TENSORS[outer]}.weight"
        case ["blk", index, inner, "weight"] if inner in _LAYER_TENSORS:
            return f"model.layers.{index}.{_LAYER_TENSORS[inner]}.weight"
        case _:
            raise CheckpointError(f"unknown tensor {name!r} in the GGUF file")


def _build_config(fields: dict[str, Any], *, is_tied: bool) -> dict[str, Any]:
    num_heads = fields["llama.attention.head_count"]
    hidden_size = fields["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": hidden_size,
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": num_heads,
        "num_key_value_heads": fields.get("llama.attention.head_count_kv", num_heads),
        "head_dim": hidden_size // num_heads,
        "rope_theta": fields.get("llama.rope.freq_base", 10000.0),
        # GGUF keeps fp32, so 1e-5 reads back as 9.99999975e-06.
        "rms_norm_eps": float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "max_position_embeddings": fields["llama.context_length"],
        "tie_word_embeddings": is_tied,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "bfloat16",
    }


def _build_tokenizer(fields: dict[str, Any]) -> Tokenizer:
    kind = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    if kind != ("gpt2", "smollm"):
        raise CheckpointError(f"cannot rebuild a tokenizer of kind {kind}; only ('gpt2', 'smollm') is known")
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = [_split_merge(merge) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_control_tokens(tokens, fields["tokenizer.ggml.token_type"])))
    return tokenizer


def _split_merge(merge: str) -> tuple[str, str]:
    left, right = merge.split(" ")
    return left, right


def _control_tokens(tokens: list[str], kinds: list[int]) -> Iterable[AddedToken]:
    return (
        AddedToken(token, special=True, normalized=False)
        for token, kind in zip(tokens, kinds, strict=True)
        if kind == _CONTROL_TOKEN
    )
