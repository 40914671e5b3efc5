"""The network's logits for tiny published checkpoints, against transformers and against the publishers' own code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.network.mixture import Mixture
from tests.model.families.block_causal_checkpoints import LLADA2_EXPERTS
from tests.model.families.checkpoint_parts import VOCAB_SIZE, edit_json, qwen_config, split_into_shards
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.tiny_checkpoints import load_network

FIXTURES = Path(__file__).parents[2] / "data" / "families"
TOKENS = torch.randint(0, VOCAB_SIZE, (2, 23), generator=torch.Generator().manual_seed(1))
BLOCKED_TOKENS = torch.randint(0, VOCAB_SIZE, (2, 80), generator=torch.Generator().manual_seed(1))
"""Two blocks of 32 tokens and half of another."""

TOLERANCE = 1e-4


def logits_of(folder: Path, token_ids: Tensor, *, stack: bool | None = None) -> Tensor:
    """[B, T] → [B, T, V], seen in blocks where the model writes in blocks; `stack` puts experts together, in groups."""
    config = ModelConfig.from_checkpoint(folder)
    network = load_network(folder)
    for module in list(network.modules()):
        if isinstance(module, Mixture) and stack is not None:
            module.stack(is_grouped=stack)
    positions = torch.arange(token_ids.shape[1]).expand_as(token_ids)
    block = positions // (config.block_length or token_ids.shape[1])
    with torch.inference_mode():
        return network.logits(network(token_ids, positions, may_attend=block[:, None, :] <= block[:, :, None]))


@pytest.mark.parametrize("family", ["llada", "llada-moe", "dream", "llada2", "sdar", "fast-dllm", "stable-diffcoder"])
def test_logits_equal_those_of_the_publishers_code(tmp_path: Path, family: str) -> None:
    """The numbers come from `tests/data/families/make_logits.py`, which names the code that computes them."""
    PUBLISHED[family](tmp_path)
    recorded = load_file(FIXTURES / f"{family}.safetensors")
    actual = logits_of(tmp_path, recorded["token_ids"][None])[0]
    assert (actual - recorded["logits"]).abs().max() <= TOLERANCE


def test_llada_1_5_answers_as_the_code_that_it_shares_with_llada(tmp_path: Path) -> None:
    PUBLISHED["llada-1.5"](tmp_path)
    recorded = load_file(FIXTURES / "llada.safetensors")
    actual = logits_of(tmp_path, recorded["token_ids"][None])[0]
    assert (actual - recorded["logits"]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("family", ["llada-moe", "llada2"])
def test_experts_put_together_answer_as_the_publishers_code(tmp_path: Path, family: str, is_grouped: bool) -> None:
    PUBLISHED[family](tmp_path)
    recorded = load_file(FIXTURES / f"{family}.safetensors")
    actual = logits_of(tmp_path, recorded["token_ids"][None], stack=is_grouped)[0]
    assert (actual - recorded["logits"]).abs().max() <= TOLERANCE


def test_llada2_with_its_experts_merged_by_dfactory_answers_the_same(tmp_path: Path) -> None:
    PUBLISHED["llada2"](tmp_path)
    recorded = load_file(FIXTURES / "llada2.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")
    prefix = "model.layers.1.mlp.experts"
    for matrix in ("gate_proj", "up_proj", "down_proj"):
        experts = [tensors.pop(f"{prefix}.{index}.{matrix}.weight") for index in range(LLADA2_EXPERTS)]
        tensors[f"{prefix}.{matrix}"] = torch.stack(experts)
    save_file(tensors, tmp_path / "model.safetensors")
    edit_json(tmp_path / "config.json", model_type="llada2_moe_veomni")
    actual = logits_of(tmp_path, recorded["token_ids"][None])[0]
    assert (actual - recorded["logits"]).abs().max() <= TOLERANCE


def test_heads_that_do_not_fit_llada2s_one_tensor_are_refused(tmp_path: Path) -> None:
    PUBLISHED["llada2"](tmp_path)
    edit_json(tmp_path / "config.json", num_key_value_heads=1)
    with pytest.raises(CheckpointError, match=r"query_key_value.weight has shape \(64, 32\).* asks for 6 heads of 8"):
        logits_of(tmp_path, TOKENS)


@pytest.mark.parametrize("family", PUBLISHED)
def test_weights_in_shards_answer_as_those_in_one_file(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    whole = logits_of(tmp_path, TOKENS)
    split_into_shards(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    assert torch.equal(logits_of(tmp_path, TOKENS), whole)


def non_causal(model_class: type[PreTrainedModel], folder: Path, token_ids: Tensor, **changes: object) -> Tensor:
    """The logits of transformers' causal model of the same shape, with full attention."""
    model = model_class(model_class.config_class(**qwen_config(**changes))).eval()
    missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert set(missing) <= {"lm_head.weight"}
    assert unexpected == []
    model.tie_weights()
    length = token_ids.shape[1]
    return masked_logits(model, token_ids, torch.zeros(length, length))


def masked_logits(model: PreTrainedModel, token_ids: Tensor, mask: Tensor) -> Tensor:
    """[B, T] → [B, T, V]; the mask [T, T] is added to the scores."""
    with torch.inference_mode():
        return model(token_ids, attention_mask=mask.expand(len(token_ids), 1, -1, -1)).logits


def block_mask(length: int, block_length: int) -> Tensor:
    """What hides later blocks when it is added to scores, [T, T]."""
    block = torch.arange(length) // block_length
    return torch.zeros(length, length).masked_fill(block[None, :] > block[:, None], -torch.inf)


@pytest.mark.parametrize(
    "family", ["dream", "dream-coder", "diffucoder", "d3llm-coder", "dreamon", "open-dcoder", "a2d-qwen2"]
)
def test_what_was_a_qwen2_answers_as_a_non_causal_qwen2(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    is_tied = ModelConfig.from_checkpoint(tmp_path).ties_embeddings
    expected = non_causal(Qwen2ForCausalLM, tmp_path, TOKENS, tie_word_embeddings=is_tied)
    assert (logits_of(tmp_path, TOKENS) - expected).abs().max() <= TOLERANCE


def test_what_was_a_qwen3_answers_as_a_non_causal_qwen3(tmp_path: Path) -> None:
    PUBLISHED["a2d-qwen3"](tmp_path)
    expected = non_causal(Qwen3ForCausalLM, tmp_path, TOKENS, head_dim=8, tie_word_embeddings=True)
    assert (logits_of(tmp_path, TOKENS) - expected).abs().max() <= TOLERANCE


def test_dream_reasoner_answers_as_a_qwen3_that_sees_blocks(tmp_path: Path) -> None:
    PUBLISHED["dream-reasoner"](tmp_path)
    config = Qwen3ForCausalLM.config_class(**qwen_config(head_dim=8, tie_word_embeddings=False))
    oracle = Qwen3ForCausalLM.from_pretrained(tmp_path, config=config).eval()
    expected = masked_logits(oracle, BLOCKED_TOKENS, block_mask(BLOCKED_TOKENS.shape[1], 32))
    assert (logits_of(tmp_path, BLOCKED_TOKENS) - expected).abs().max() <= TOLERANCE


@pytest.mark.parametrize("is_grouped", [None, False, True])
def test_sdar_moe_answers_as_a_qwen3_moe_that_sees_blocks(tmp_path: Path, *, is_grouped: bool | None) -> None:
    PUBLISHED["sdar-moe"](tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config = Qwen3MoeConfig(**{key: stored[key] for key in stored if key not in {"architectures", "model_type"}})
    oracle = Qwen3MoeForCausalLM.from_pretrained(tmp_path, config=config).eval()
    expected = masked_logits(oracle, BLOCKED_TOKENS, block_mask(BLOCKED_TOKENS.shape[1], 32))
    assert (logits_of(tmp_path, BLOCKED_TOKENS, stack=is_grouped) - expected).abs().max() <= TOLERANCE


def test_illada_answers_as_a_non_causal_llama_whose_head_is_its_embedding(tmp_path: Path) -> None:
    PUBLISHED["illada"](tmp_path)
    expected = non_causal(LlamaForCausalLM, tmp_path, TOKENS, tie_word_embeddings=True)
    assert (logits_of(tmp_path, TOKENS) - expected).abs().max() <= TOLERANCE
    # transformers leaves the key out where its value is the default of the model's own class.
    config = json.loads((tmp_path / "config.json").read_text())
    del config["tie_word_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert (logits_of(tmp_path, TOKENS) - expected).abs().max() <= TOLERANCE
