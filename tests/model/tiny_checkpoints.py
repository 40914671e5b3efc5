"""Tiny checkpoints in the real on-disk format, written by transformers itself: the oracle and its file in one."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from dlm_model.network.config import ModelConfig
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer

VOCAB_SIZE = 320
DLM_SECTION = {"mask_token_id": VOCAB_SIZE - 3, "bos_token_id": 0, "shift_logits": False}
RESIZING = DLM_SECTION | {"expand_token_id": VOCAB_SIZE - 2, "delete_token_id": VOCAB_SIZE - 1, "shift_logits": True}
CAUSAL = RESIZING | {"prompt_attention": "causal"}

SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}

SAMPLE = """
class Bar(object):
    def foo(self, value):
        for item in values:
            return self.value + item
        return None
    def items(self):
        while index < len(self.values):
            yield self.values[index]
"""

FAMILIES: dict[str, tuple[type[PretrainedConfig], type[PreTrainedModel], dict[str, object]]] = {
    "llama-gqa-untied": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": False}),
    "llama-mha-tied-bias": (
        LlamaConfig,
        LlamaForCausalLM,
        {"num_key_value_heads": 4, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
    ),
    "llama-theta": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}),
    "qwen2-tied": (Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True}),
    "qwen2-theta": (Qwen2Config, Qwen2ForCausalLM, {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    "qwen3-qk-norm": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 16, "tie_word_embeddings": False}),
}


def write_checkpoint(
    folder: Path, family: str, section: dict[str, object] = DLM_SECTION, **save_options: object
) -> PreTrainedModel:
    """Write a random checkpoint of one family; returns the transformers model that holds the same weights."""
    config_class, model_class, overrides = FAMILIES[family]
    torch.manual_seed(0)
    oracle = model_class(config_class(**(SHAPE | overrides))).eval()
    for name, parameter in oracle.named_parameters():
        # Norms and biases start at ones and zeros, where a forgotten one would not show.
        if "norm" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.3)
    oracle.save_pretrained(folder, **save_options)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dlm": section}))
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    return oracle


def load_network(folder: Path) -> Transformer:
    """The network of a checkpoint, on the CPU in fp32."""
    config = ModelConfig.from_checkpoint(folder)
    return load_transformer(folder, config, device=torch.device("cpu"), dtype=torch.float32)


def byte_level_tokenizer() -> Tokenizer:
    """256 bytes, some merges of code-like text, and control tokens at both ends of the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - 3,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SAMPLE] * 9, trainer)
    tokenizer.add_special_tokens(["<|mask|>", "<|expand|>", "<|delete|>"])
    assert tokenizer.token_to_id("<|delete|>") == RESIZING["delete_token_id"]
    return tokenizer
