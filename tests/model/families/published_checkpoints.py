"""Tiny random checkpoints in the on-disk format of the published ones: names, config keys, tokenizer files.

Written after the publishers' own code, and not by the code under test.
"""

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file

from tests.model.families.block_causal_checkpoints import BLOCK_CAUSAL
from tests.model.families.checkpoint_parts import (
    CONTEXT,
    END,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    LAYERS,
    MIDDLE,
    NUM_EXPERTS,
    QWEN_MARKERS,
    VOCAB_SIZE,
    Shapes,
    added_tokens,
    edit_json,
    id_of,
    layer_shapes,
    mlp_shapes,
    normed_mixture_shapes,
    qwen2_shapes,
    qwen3_shapes,
    qwen_config,
    whole_shapes,
    write_json,
    write_seed_tokenizer,
    write_tensors,
    write_tokenizer_json,
    write_vocabulary,
)


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


def write_llada(folder: Path, **changes: object) -> None:
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
            **changes,
        },
    )


def write_llada_1_5(folder: Path) -> None:
    """LLaDA-1.5: LLaDA-8B's files with other weights, whose 4,096 tokens of context stand in config.json."""
    write_llada(folder, max_sequence_length=4096)


def write_illada(folder: Path) -> None:
    """iLLaDA-8B: a Llama's keys and names, the head stored though it is the embedding, and no mention of the mask."""
    write_seed_tokenizer(folder)
    shapes = whole_shapes(is_tied=True)
    for layer in range(LAYERS):
        shapes |= layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
    write_tensors(folder, shapes)
    tensors = load_file(folder / "model.safetensors")
    head = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors | {"lm_head.weight": head}, folder / "model.safetensors")
    config = qwen_config(architectures=["ILLaDAForCausalLM"], model_type="illada", attention_bias=False, mlp_bias=False)
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    write_json(folder / "config.json", config | ids | {"layer_norm_eps": None, "tie_word_embeddings": True})


def write_dream_v0(folder: Path) -> None:
    """Dream-v0: its tokenizer begins texts with another token than its configs say."""
    write_dream(folder)
    edit_json(folder / "tokenizer_config.json", bos_token="<|beginoftext|>")


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


def write_diffucoder(folder: Path) -> None:
    """DiffuCoder: one token begins, ends and pads; the context is that of the Qwen2.5 it began as."""
    write_dream(folder, max_position_embeddings=131072)


def write_d3llm_coder(folder: Path) -> None:
    """d3LLM-Coder: Dream-Coder's files, and its own sampler's settings in generation_config.json."""
    write_dream(folder, bos="<|beginoftext|>", max_position_embeddings=32768)
    edit_json(folder / "generation_config.json", eos_penalty=3.0)


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
    write_tensors(folder, qwen3_shapes(is_tied=True))
    config = qwen_config(architectures=["A2DQwen3LMHeadModel"], model_type="a2d-qwen3", tie_word_embeddings=True)
    write_json(folder / "config.json", config | {"head_dim": HEAD_DIM, "attention_bias": False})


def write_llada_moe(folder: Path) -> None:
    """LLaDA-MoE-7B-A1B: says `llada` as the dense one does, and names its mask in the tokenizer alone."""
    added = added_tokens("<|startoftext|>", END, "<|mask|>", "<|role_end|>", plain=("[gMASK]",))
    write_tokenizer_json(folder, added, eos_token=END, pad_token=END)
    write_tensors(folder, normed_mixture_shapes(num_kv_heads=HEADS))
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


PUBLISHED: dict[str, Callable[[Path], object]] = {
    "llada": write_llada,
    "llada-1.5": write_llada_1_5,
    "llada-moe": write_llada_moe,
    "illada": write_illada,
    "dream": write_dream_v0,
    "dream-coder": write_dream_coder,
    "diffucoder": write_diffucoder,
    "d3llm-coder": write_d3llm_coder,
    "dreamon": write_dream_on,
    "open-dcoder": write_open_dcoder,
    "a2d-qwen2": write_a2d_qwen2,
    "a2d-qwen3": write_a2d_qwen3,
    **BLOCK_CAUSAL,
}
