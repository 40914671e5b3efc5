"""Tiny random checkpoints of models that write block by block; `published_checkpoints` has all others."""

from collections.abc import Callable
from pathlib import Path

from dlm_model.cache.block_causal import BlockCausalPrompt
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.network.transformer import Transformer
from tests.model.families.checkpoint_parts import (
    END,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    LAYERS,
    MIDDLE,
    NUM_EXPERTS,
    NUM_TRAINED,
    QWEN_MARKERS,
    VOCAB_SIZE,
    Shapes,
    added_tokens,
    id_of,
    layer_shapes,
    mixture_shapes,
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
)


def block_prompt(network: Transformer) -> BlockCausalPrompt:
    """The predictor of such a model that knows no prefix yet."""
    return BlockCausalPrompt(network, PrefixCache(network, network.config.block_length or 1), "")


def write_sdar(folder: Path) -> None:
    """SDAR: Qwen3's names, block length and mask in config.json."""
    write_tensors(folder, qwen3_shapes(is_tied=True))
    names = {"architectures": ["SDARForCausalLM"], "model_type": "sdar"}
    changes = {"tie_word_embeddings": True, "fuse_cross_entropy": True}
    write_json(folder / "config.json", write_blocked(folder, block_size=4) | names | changes)


def write_sdar_moe(folder: Path) -> None:
    """SDAR-30B-A3B: Qwen3-MoE's names; the config also keeps the size of an MLP that no layer has."""
    write_tensors(folder, normed_mixture_shapes(num_kv_heads=2))
    write_json(
        folder / "config.json",
        {
            **write_blocked(folder, block_size=32),
            "architectures": ["SDARMoeForCausalLM"],
            "model_type": "sdar_moe",
            "decoder_sparse_step": 1,
            "intermediate_size": 2 * MIDDLE,
            "mlp_only_layers": [],
            "moe_intermediate_size": MIDDLE,
            "norm_topk_prob": True,
            "num_experts": NUM_EXPERTS,
            "num_experts_per_tok": 2,
            "output_router_logits": False,
            "router_aux_loss_coef": 0.001,
        },
    )


def write_dream_reasoner(folder: Path) -> None:
    """DreamReasoner-8B: Dream in name, a Qwen3 with blocks in everything else."""
    write_tensors(folder, qwen3_shapes(is_tied=False))
    names = {"architectures": ["DreamForCausalLM"], "model_type": "Dream"}
    write_json(folder / "config.json", write_blocked(folder, block_size=32) | names)


def write_blocked(folder: Path, *, block_size: int) -> dict[str, object]:
    """The tokenizer and the config of a Qwen3 that was taught to write blocks."""
    added = added_tokens(END, "<|im_end|>", plain=("<think>", "<|MASK|>"))
    write_tokenizer_json(folder, added, eos_token=END, mask_token="<|MASK|>", tokenizer_class="Qwen2Tokenizer")
    ids = {"mask_token_id": id_of(added, "<|MASK|>"), "bos_token_id": id_of(added, END)}
    shape = qwen_config(head_dim=HEAD_DIM, attention_bias=False, tie_word_embeddings=False)
    return shape | ids | {"block_size": block_size}


def write_fast_dllm(folder: Path) -> None:
    """Fast-dLLM v2: Qwen2's names, the mask an added token, block length under a name of its own."""
    added = added_tokens(END, "<|im_end|>", "|<MASK>|", plain=QWEN_MARKERS)
    write_tokenizer_json(folder, added, eos_token=END)
    write_tensors(folder, qwen2_shapes(is_tied=True))
    config = qwen_config(model_type="Fast_dLLM_Qwen", tie_word_embeddings=True, bd_size=8)
    write_json(folder / "config.json", config | {"bos_token_id": id_of(added, END), "eos_token_id": id_of(added, END)})


def write_stable_diffcoder(folder: Path) -> None:
    """Stable-DiffCoder: a Llama in everything but its architecture; the mask is token 5 of its vocabulary."""
    write_seed_tokenizer(folder)
    shapes = whole_shapes(is_tied=False)
    for layer in range(LAYERS):
        shapes |= layer_shapes(layer, num_kv_heads=2) | mlp_shapes(f"model.layers.{layer}.mlp")
    write_tensors(folder, shapes)
    config = qwen_config(architectures=["StableDiffcoderForCausalLM"], model_type="llama", tie_word_embeddings=False)
    write_json(folder / "config.json", config | {"attention_bias": False, "mlp_bias": False})


LLADA2_EXPERTS, LLADA2_EXPERT_SIZE = 8, 24
LLADA2_MASK = NUM_TRAINED + 4


def llada2_shapes() -> Shapes:
    shapes: Shapes = {
        "model.word_embeddings.weight": (VOCAB_SIZE, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (VOCAB_SIZE, HIDDEN),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        shapes |= {f"{prefix}.{norm}.weight": (HIDDEN,) for norm in ("input_layernorm", "post_attention_layernorm")}
        shapes |= {f"{prefix}.attention.{norm}.weight": (HEAD_DIM,) for norm in ("query_layernorm", "key_layernorm")}
        shapes[f"{prefix}.attention.query_key_value.weight"] = ((HEADS + 2 * 2) * HEAD_DIM, HIDDEN)
        shapes[f"{prefix}.attention.dense.weight"] = (HIDDEN, HIDDEN)
    shapes |= mlp_shapes("model.layers.0.mlp") | mixture_shapes(1, LLADA2_EXPERTS, LLADA2_EXPERT_SIZE)
    shapes["model.layers.1.mlp.gate.expert_bias"] = (LLADA2_EXPERTS,)
    return shapes | mlp_shapes("model.layers.1.mlp.shared_experts", LLADA2_EXPERT_SIZE)


def write_llada2(folder: Path) -> None:
    """LLaDA2.x: Ling's keys and names; neither the mask nor the length of a block stands in config.json."""
    added = added_tokens("<|startoftext|>", END, "[CLS]", "[gMASK]", "<|mask|>")
    assert id_of(added, "<|mask|>") == LLADA2_MASK
    write_tokenizer_json(folder, added, bos_token="<|startoftext|>", eos_token=END, pad_token=END)
    write_tensors(folder, llada2_shapes())
    mixture = {
        "first_k_dense_replace": 1,
        "moe_intermediate_size": LLADA2_EXPERT_SIZE,
        "moe_router_enable_expert_bias": True,
        "n_group": 4,
        "norm_topk_prob": True,
        "num_experts": LLADA2_EXPERTS,
        "num_experts_per_tok": 3,
        "num_shared_experts": 1,
        "routed_scaling_factor": 2.5,
        "router_dtype": "fp32",
        "score_function": "sigmoid",
        "topk_group": 2,
    }
    config = qwen_config(
        architectures=["LLaDA2MoeModelLM"],
        auto_map={"AutoModelForCausalLM": "modeling_llada2_moe.LLaDA2MoeModelLM"},
        model_type="llada2_moe",
        attention_dropout=0.0,
        embedding_dropout=0.0,
        head_dim=HEAD_DIM,
        norm_head=False,
        norm_softmax=False,
        output_dropout=0.0,
        pad_token_id=id_of(added, END),
        partial_rotary_factor=0.5,
        rope_theta=600000,
        rotary_dim=HEAD_DIM // 2,
        tie_word_embeddings=False,
        use_bias=False,
        use_qkv_bias=False,
        use_rmsnorm=True,
    )
    write_json(folder / "config.json", config | mixture)


BLOCK_CAUSAL: dict[str, Callable[[Path], object]] = {
    "sdar": write_sdar,
    "sdar-moe": write_sdar_moe,
    "fast-dllm": write_fast_dllm,
    "stable-diffcoder": write_stable_diffcoder,
    "dream-reasoner": write_dream_reasoner,
    "llada2": write_llada2,
}
