"""Tiny random checkpoints in the on-disk format of the published ones: names, config keys, tokenizer files.

Written from what the publishers' own code saves and reads, and not with the code under test.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB_SIZE = 320
HIDDEN, HEADS, LAYERS, MIDDLE = 32, 4, 2, 48
HEAD_DIM = HIDDEN // HEADS
CONTEXT = 512
NUM_TRAINED = 290
END = "<|endoftext|>"
SAMPLE = "def size(self, values):\n    for value in values:\n        return len(values) + self.size\n"

Shapes = dict[str, tuple[int, ...]]


def write_tensors(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Random weights in which a forgotten norm, bias or scale shows."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator) * 0.3
        tensors[name] = noise + 1 if len(shape) == 1 and not name.endswith("bias") else noise
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def edit_json(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def trained_tokenizer() -> Tokenizer:
    """Byte-level BPE of `NUM_TRAINED` tokens, none of them added."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=NUM_TRAINED, initial_alphabet=alphabet, show_progress=False)
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


def write_vocabulary(folder: Path, added: Mapping[int, Mapping[str, object]], **tokenizer_config: object) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as Dream's Python tokenizer is published."""
    trained_tokenizer().model.save(str(folder))
    write_json(folder / "added_tokens.json", {entry["content"]: token_id for token_id, entry in added.items()})
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, **tokenizer_config})


def id_of(added: Mapping[int, Mapping[str, object]], token: str) -> int:
    return next(token_id for token_id, entry in added.items() if entry["content"] == token)


def llada_shapes() -> Shapes:
    shapes: Shapes = {"model.transformer.wte.weight": (VOCAB_SIZE, HIDDEN)}
    for layer in range(LAYERS):
        block = f"model.transformer.blocks.{layer}"
        shapes |= {f"{block}.{norm}.weight": (HIDDEN,) for norm in ("attn_norm", "ff_norm")}
        shapes |= {f"{block}.{name}.weight": (HIDDEN, HIDDEN) for name in ("q_proj", "k_proj", "v_proj", "attn_out")}
        shapes |= {f"{block}.{name}.weight": (MIDDLE, HIDDEN) for name in ("ff_proj", "up_proj")}
        shapes[f"{block}.ff_out.weight"] = (HIDDEN, MIDDLE)
    return shapes | {
        "model.transformer.ln_f.weight": (HIDDEN,),
        "model.transformer.ff_out.weight": (VOCAB_SIZE, HIDDEN),
    }


def write_llada(folder: Path) -> None:
    """LLaDA-8B: OLMo's keys; the mask in config.json, the first token in generation_config.json."""
    added = added_tokens("<|startoftext|>", END, "<|mdm_mask|>", "<|eot_id|>", plain=("<role>",))
    write_tokenizer_json(folder, added, bos_token="<|startoftext|>", eos_token=END, pad_token=END)
    write_tensors(folder, llada_shapes())
    write_json(folder / "generation_config.json", {"bos_token_id": id_of(added, "<|startoftext|>")})
    sizes = {"d_model": HIDDEN, "n_heads": HEADS, "n_kv_heads": HEADS, "n_layers": LAYERS, "mlp_hidden_size": MIDDLE}
    write_json(
        folder / "config.json",
        {
            "architectures": ["LLaDAModelLM"],
            "auto_map": {"AutoModel": "modeling_llada.LLaDAModelLM"},
            "model_type": "llada",
            **sizes,
            "activation_type": "silu",
            "alibi": False,
            "attention_dropout": 0.0,
            "attention_layer_norm": False,
            "block_group_size": 1,
            "block_type": "llama",
            "embedding_size": VOCAB_SIZE,
            "vocab_size": VOCAB_SIZE,
            "eos_token_id": id_of(added, END),
            "pad_token_id": id_of(added, END),
            "mask_token_id": id_of(added, "<|mdm_mask|>"),
            "include_bias": False,
            "include_qkv_bias": False,
            "input_emb_norm": False,
            "layer_norm_type": "rms",
            "layer_norm_with_affine": True,
            "max_sequence_length": CONTEXT,
            "mlp_ratio": 4,
            "multi_query_attention": None,
            "rms_norm_eps": 1e-05,
            "rope": True,
            "rope_full_precision": True,
            "rope_theta": 500000.0,
            "scale_logits": False,
            "weight_tying": False,
        },
    )


def layer_shapes(layer: int, *, num_kv_heads: int) -> Shapes:
    """What every Hugging Face layer has; the MLP and what stands beside the projections come on top."""
    prefix, kv_size = f"model.layers.{layer}", num_kv_heads * HEAD_DIM
    return {
        f"{prefix}.input_layernorm.weight": (HIDDEN,),
        f"{prefix}.post_attention_layernorm.weight": (HIDDEN,),
        f"{prefix}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
        f"{prefix}.self_attn.k_proj.weight": (kv_size, HIDDEN),
        f"{prefix}.self_attn.v_proj.weight": (kv_size, HIDDEN),
        f"{prefix}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
    }


def mlp_shapes(prefix: str) -> Shapes:
    return {
        f"{prefix}.gate_proj.weight": (MIDDLE, HIDDEN),
        f"{prefix}.up_proj.weight": (MIDDLE, HIDDEN),
        f"{prefix}.down_proj.weight": (HIDDEN, MIDDLE),
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


def qwen3_shapes() -> Shapes:
    shapes = whole_shapes(is_tied=True)
    for layer in range(LAYERS):
        shapes |= layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
        shapes |= {f"model.layers.{layer}.self_attn.{norm}.weight": (HEAD_DIM,) for norm in ("q_norm", "k_norm")}
    return shapes


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


QWEN_MARKERS = ("<tool_call>", "<|fim_prefix|>", "<|repo_name|>", "<|file_sep|>")
"""Tokens that Qwen2.5 adds without marking them special."""


def write_dream(folder: Path, *special: str, bos: str = END, **changes: object) -> dict[int, dict[str, object]]:
    """Dream-Coder and its relatives: Qwen2's keys under another model type; vocab.json and merges.txt."""
    added = added_tokens(END, "<|beginoftext|>", "<|mask|>", *special, plain=QWEN_MARKERS)
    roles = {"bos_token": bos, "eos_token": END, "pad_token": END}
    write_vocabulary(folder, added, tokenizer_class="DreamTokenizer", mask_token="<|mask|>", **roles)
    write_tensors(folder, qwen2_shapes(is_tied=False))
    token_ids = {f"{role}_id": id_of(added, token) for role, token in roles.items()}
    config = qwen_config(
        architectures=["DreamModel"],
        auto_map={"AutoModel": "modeling_dream.DreamModel"},
        model_type="Dream",
        mask_token_id=id_of(added, "<|mask|>"),
        tie_word_embeddings=False,
        use_mrope=False,
        **token_ids,
    )
    write_json(folder / "config.json", config | changes)
    write_json(folder / "generation_config.json", {"alg": "origin", "steps": 512, "mask_token_id": None, **token_ids})
    return added


def write_dream_coder(folder: Path) -> None:
    write_dream(folder, bos="<|beginoftext|>")


def write_dream_on(folder: Path) -> None:
    """DreamOn: expand and delete stand in generation_config.json; the context is that of the Qwen it began as."""
    added = write_dream(folder, "<|expand|>", max_position_embeddings=131072)
    tokens = {"mask": "<|mask|>", "expand": "<|expand|>", "delete": END}
    token_ids = {f"{role}_token_id": id_of(added, token) for role, token in tokens.items()}
    edit_json(folder / "generation_config.json", **token_ids)


def write_open_dcoder(folder: Path) -> None:
    """open-dcoder-0.5B: a tied Qwen2 in everything but the mask that its tokenizer names."""
    added = added_tokens(END, "<M>", plain=QWEN_MARKERS)
    write_tokenizer_json(folder, added, tokenizer_class="Qwen2Tokenizer", eos_token=END, mask_token="<M>")
    write_tensors(folder, qwen2_shapes(is_tied=True))
    config = qwen_config(architectures=["Qwen2ForCausalLM"], model_type="qwen2", tie_word_embeddings=True)
    end = id_of(added, END)
    write_json(folder / "config.json", config | {"bos_token_id": end, "eos_token_id": end})


def write_a2d_qwen2(folder: Path) -> None:
    added = added_tokens(END, "<|mask|>", plain=QWEN_MARKERS)
    write_tokenizer_json(folder, added, eos_token=END, mask_token={"content": "<|mask|>", "special": True})
    write_tensors(folder, qwen2_shapes(is_tied=True))
    config = qwen_config(architectures=["A2DQwen2LMHeadModel"], model_type="a2d-qwen2", tie_word_embeddings=True)
    write_json(folder / "config.json", config | {"bos_token_id": id_of(added, END), "eos_token_id": id_of(added, END)})


def write_a2d_qwen3(folder: Path) -> None:
    added = added_tokens(END, "<|mask|>", plain=("<think>",))
    write_tokenizer_json(folder, added, eos_token=END, mask_token="<|mask|>")
    write_tensors(folder, qwen3_shapes())
    config = qwen_config(architectures=["A2DQwen3LMHeadModel"], model_type="a2d-qwen3", tie_word_embeddings=True)
    write_json(folder / "config.json", config | {"head_dim": HEAD_DIM, "attention_bias": False})


NUM_EXPERTS = 6


def llada_moe_shapes() -> Shapes:
    shapes = whole_shapes(is_tied=False)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        shapes |= layer_shapes(layer, num_kv_heads=HEADS)
        shapes |= {f"{prefix}.self_attn.{norm}.weight": (HEAD_DIM,) for norm in ("q_norm", "k_norm")}
        shapes[f"{prefix}.mlp.gate.weight"] = (NUM_EXPERTS, HIDDEN)
        for expert in range(NUM_EXPERTS):
            shapes |= mlp_shapes(f"{prefix}.mlp.experts.{expert}")
    return shapes


def write_llada_moe(folder: Path) -> None:
    """LLaDA-MoE-7B-A1B: says `llada` as the dense one does, and names its mask in the tokenizer alone."""
    added = added_tokens("<|startoftext|>", END, "<|mask|>", "<|role_end|>", plain=("[gMASK]",))
    write_tokenizer_json(folder, added, eos_token=END, pad_token=END)
    write_tensors(folder, llada_moe_shapes())
    config = qwen_config(
        architectures=["LLaDAMoEModelLM"],
        model_type="llada",
        num_key_value_heads=HEADS,
        dense_intermediate_size=2 * MIDDLE,
        expert_intermediate_size=MIDDLE,
        shared_expert_intermediate_size=None,
        num_experts=NUM_EXPERTS,
        num_experts_per_tok=2,
        moe_layer_freq=[1] * LAYERS,
        moe_router_enable_expert_bias=False,
        moe_router_score_function="softmax",
        norm_topk_prob=None,
        qk_layernorm=True,
        clip_qkv=None,
        attention_bias=False,
        partial_rotary_factor=1,
        rope_theta=50000,
        tie_word_embeddings=False,
        pad_token_id=id_of(added, END),
        eos_token_id=id_of(added, END),
    )
    write_json(folder / "config.json", config)


def write_sdar(folder: Path) -> None:
    """SDAR: Qwen3's names, block length and mask in config.json."""
    added = added_tokens(END, "<|im_end|>", plain=("<think>", "<|MASK|>"))
    write_tokenizer_json(folder, added, eos_token=END, mask_token="<|MASK|>", tokenizer_class="Qwen2Tokenizer")
    write_tensors(folder, qwen3_shapes())
    config = qwen_config(architectures=["SDARForCausalLM"], model_type="sdar", tie_word_embeddings=True, block_size=4)
    ids = {"mask_token_id": id_of(added, "<|MASK|>"), "bos_token_id": id_of(added, END), "head_dim": HEAD_DIM}
    write_json(folder / "config.json", config | ids | {"attention_bias": False})


def write_fast_dllm(folder: Path) -> None:
    """Fast-dLLM v2: Qwen2's names, the mask an added token, block length under a name of its own."""
    added = added_tokens(END, "<|im_end|>", "|<MASK>|", plain=QWEN_MARKERS)
    write_tokenizer_json(folder, added, eos_token=END)
    write_tensors(folder, qwen2_shapes(is_tied=True))
    config = qwen_config(model_type="Fast_dLLM_Qwen", tie_word_embeddings=True, bd_size=8)
    write_json(folder / "config.json", config | {"bos_token_id": id_of(added, END), "eos_token_id": id_of(added, END)})


def write_stable_diffcoder(folder: Path) -> None:
    """Stable-DiffCoder: a Llama in everything but its architecture; the mask is token 5 of its vocabulary."""
    added = added_tokens(END)
    write_tokenizer_json(folder, added, eos_token=END)
    shapes = whole_shapes(is_tied=False)
    for layer in range(LAYERS):
        shapes |= layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
    write_tensors(folder, shapes)
    config = qwen_config(architectures=["StableDiffcoderForCausalLM"], model_type="llama", tie_word_embeddings=False)
    write_json(folder / "config.json", config | {"attention_bias": False, "mlp_bias": False})


PUBLISHED: dict[str, Callable[[Path], object]] = {
    "llada": write_llada,
    "llada-moe": write_llada_moe,
    "dream": write_dream,
    "dream-coder": write_dream_coder,
    "dreamon": write_dream_on,
    "open-dcoder": write_open_dcoder,
    "a2d-qwen2": write_a2d_qwen2,
    "a2d-qwen3": write_a2d_qwen3,
    "sdar": write_sdar,
    "fast-dllm": write_fast_dllm,
    "stable-diffcoder": write_stable_diffcoder,
}
