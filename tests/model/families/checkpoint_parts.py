"""The parts of tiny random checkpoints: weights by name and shape, a tokenizer's files, Qwen's config."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB_SIZE = 320
HIDDEN, HEADS, LAYERS, MIDDLE = 32, 4, 2, 48
HEAD_DIM = HIDDEN // HEADS
CONTEXT = 512
NUM_TRAINED = 290
END = "<|endoftext|>"
SAMPLE = "def size(self, values):\n    for value in values:\n        return len(values) + self.size\n"
NUM_EXPERTS = 6
QWEN_MARKERS = ("<tool_call>", "<|fim_prefix|>", "<|repo_name|>", "<|file_sep|>")
"""Tokens that Qwen2.5 adds without marking them special."""

Shapes = dict[str, tuple[int, ...]]


def write_tensors(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Random weights that reveal a forgotten norm, bias or scale."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator) * 0.3
        tensors[name] = noise + 1 if len(shape) == 1 and not name.endswith("bias") else noise
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def split_into_shards(folder: Path) -> None:
    """Two files and an index instead of the one file, as weights of some gigabytes are published."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    total_size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def edit_json(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def trained_tokenizer(*first: str) -> Tokenizer:
    """Byte-level BPE of `NUM_TRAINED` tokens, none of them added but the first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=NUM_TRAINED, initial_alphabet=alphabet, show_progress=False, special_tokens=list(first)
    )
    tokenizer.train_from_iterator([SAMPLE] * 9, trainer)
    assert tokenizer.get_vocab_size() == NUM_TRAINED
    return tokenizer


def added_tokens(*special: str, plain: tuple[str, ...] = ()) -> dict[int, dict[str, object]]:
    """Entries of `added_tokens_decoder`: special ones first, then those that are not marked so."""
    tokens = [(token, True) for token in special] + [(token, False) for token in plain]
    return {
        NUM_TRAINED + index: {"content": token, "special": is_special, "normalized": False}
        for index, (token, is_special) in enumerate(tokens)
    }


def write_tokenizer_json(folder: Path, added: Mapping[int, Mapping[str, object]], **tokenizer_config: object) -> None:
    """tokenizer.json and tokenizer_config.json, as fast tokenizers are published."""
    tokenizer = trained_tokenizer()
    for entry in added.values():
        tokenizer.add_tokens([AddedToken(entry["content"], special=entry["special"], normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, **tokenizer_config})


def write_seed_tokenizer(folder: Path) -> None:
    """The files of Seed-Coder: added tokens come first, and the mask has no role."""
    begin, pad, end, *_ = tokens = [f"<[{name}]>" for name in ("begin▁of▁sentence", "PAD▁TOKEN", "end▁of▁sentence")]
    tokens += ["<[UNK▁TOKEN]>", "<[SEP▁TOKEN]>", "<[MASK]>"]
    trained_tokenizer(*tokens).save(str(folder / "tokenizer.json"))
    added = {index: {"content": token, "special": True, "normalized": False} for index, token in enumerate(tokens)}
    roles = {"bos_token": begin, "pad_token": pad, "eos_token": end}
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, **roles})


def write_vocabulary(folder: Path, added: Mapping[int, Mapping[str, object]], **tokenizer_config: object) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as Dream's Python tokenizer is published."""
    trained_tokenizer().model.save(str(folder))
    write_json(folder / "added_tokens.json", {entry["content"]: token_id for token_id, entry in added.items()})
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, **tokenizer_config})


def id_of(added: Mapping[int, Mapping[str, object]], token: str) -> int:
    return next(token_id for token_id, entry in added.items() if entry["content"] == token)


def layer_shapes(layer: int, *, num_kv_heads: int) -> Shapes:
    """The weights that every Hugging Face layer has; MLP, biases and norms of projections are added to them."""
    prefix, kv_size = f"model.layers.{layer}", num_kv_heads * HEAD_DIM
    return {
        f"{prefix}.input_layernorm.weight": (HIDDEN,),
        f"{prefix}.post_attention_layernorm.weight": (HIDDEN,),
        f"{prefix}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
        f"{prefix}.self_attn.k_proj.weight": (kv_size, HIDDEN),
        f"{prefix}.self_attn.v_proj.weight": (kv_size, HIDDEN),
        f"{prefix}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
    }


def mlp_shapes(prefix: str, size: int = MIDDLE) -> Shapes:
    return {
        f"{prefix}.gate_proj.weight": (size, HIDDEN),
        f"{prefix}.up_proj.weight": (size, HIDDEN),
        f"{prefix}.down_proj.weight": (HIDDEN, size),
    }


def whole_shapes(*, is_tied: bool) -> Shapes:
    head: Shapes = {} if is_tied else {"lm_head.weight": (VOCAB_SIZE, HIDDEN)}
    return {"model.embed_tokens.weight": (VOCAB_SIZE, HIDDEN), "model.norm.weight": (HIDDEN,)} | head


def qwen2_shapes(*, is_tied: bool) -> Shapes:
    shapes = whole_shapes(is_tied=is_tied)
    for layer in range(LAYERS):
        shapes |= layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
        for name, size in (("q_proj", HIDDEN), ("k_proj", 2 * HEAD_DIM), ("v_proj", 2 * HEAD_DIM)):
            shapes[f"model.layers.{layer}.self_attn.{name}.bias"] = (size,)
    return shapes


def qwen3_shapes(*, is_tied: bool) -> Shapes:
    shapes = whole_shapes(is_tied=is_tied)
    for layer in range(LAYERS):
        shapes |= normed_layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
    return shapes


def normed_layer_shapes(layer: int, *, num_kv_heads: int) -> Shapes:
    norms = {f"model.layers.{layer}.self_attn.{norm}.weight": (HEAD_DIM,) for norm in ("q_norm", "k_norm")}
    return layer_shapes(layer, num_kv_heads=num_kv_heads) | norms


def qwen_config(**changes: object) -> dict[str, object]:
    return {
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": MIDDLE,
        "max_position_embeddings": CONTEXT,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "use_sliding_window": False,
        "vocab_size": VOCAB_SIZE,
        **changes,
    }


def mixture_shapes(layer: int, num_experts: int, expert_size: int) -> Shapes:
    shapes: Shapes = {f"model.layers.{layer}.mlp.gate.weight": (num_experts, HIDDEN)}
    for expert in range(num_experts):
        shapes |= mlp_shapes(f"model.layers.{layer}.mlp.experts.{expert}", expert_size)
    return shapes


def normed_mixture_shapes(*, num_kv_heads: int) -> Shapes:
    shapes = whole_shapes(is_tied=False)
    for layer in range(LAYERS):
        shapes |= normed_layer_shapes(layer, num_kv_heads=num_kv_heads) | mixture_shapes(layer, NUM_EXPERTS, MIDDLE)
    return shapes
