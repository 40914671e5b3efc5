"""Block-by-block attention against transformers with the mask written out, and the order in which blocks are filled."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM

from dlm_model.block_causal import BlockCausalPrompt, later_blocks
from dlm_model.canvas import Canvas
from dlm_model.config import ModelConfig
from dlm_model.engine import load_engine
from dlm_model.request import CancelToken, DecodeOptions, InfillRequest
from dlm_model.weights import load_transformer
from tests.model.families.block_causal_checkpoints import BLOCK_CAUSAL
from tests.model.families.checkpoint_parts import MIDDLE, NUM_EXPERTS, NUM_TRAINED, qwen_config
from tests.model.families.published_checkpoints import PUBLISHED

FIXTURES = Path(__file__).parents[1] / "data" / "families"
MODELS: dict[str, tuple[type[PreTrainedModel], dict[str, object]]] = {
    "sdar": (Qwen3ForCausalLM, {"head_dim": 8, "tie_word_embeddings": True}),
    "fast-dllm": (Qwen2ForCausalLM, {"tie_word_embeddings": True}),
    "stable-diffcoder": (LlamaForCausalLM, {"tie_word_embeddings": False}),
    "dream-reasoner": (Qwen3ForCausalLM, {"head_dim": 8, "tie_word_embeddings": False}),
    "sdar-moe": (
        Qwen3MoeForCausalLM,
        {
            "head_dim": 8,
            "moe_intermediate_size": MIDDLE,
            "norm_topk_prob": True,
            "num_experts": NUM_EXPERTS,
            "num_experts_per_tok": 2,
            "tie_word_embeddings": False,
        },
    ),
}
PREFIX = torch.randint(6, NUM_TRAINED, (70,), generator=torch.Generator().manual_seed(1)).tolist()


def oracle_logits(family: str, folder: Path, token_ids: Tensor, block_length: int) -> Tensor:
    model_class, changes = MODELS[family]
    config = model_class.config_class(**qwen_config(**changes))
    model, loaded = model_class.from_pretrained(folder, config=config, output_loading_info=True)
    assert not any(loaded.values())
    block = torch.arange(len(token_ids)) // block_length
    mask = torch.zeros(len(block), len(block)).masked_fill(block[None, :] > block[:, None], -torch.inf)
    with torch.inference_mode():
        return model(token_ids[None], attention_mask=mask[None, None]).logits[0]


@pytest.mark.parametrize("num_prefix", [1, 3, 8, 21, 30, 70])
@pytest.mark.parametrize("family", MODELS)
def test_every_step_equals_transformers_with_the_mask_written_out(tmp_path: Path, family: str, num_prefix: int) -> None:
    PUBLISHED[family](tmp_path)
    config = ModelConfig.from_checkpoint(tmp_path)
    network = load_transformer(tmp_path, config, device=torch.device("cpu"), dtype=torch.float32)
    predict = BlockCausalPrompt(network, config.block_length)
    canvas = Canvas.open(PREFIX[:num_prefix], [], [13, 6], config.mask_token_id)
    for _ in range(3):
        actual = predict(canvas)
        expected = []
        for row, length in enumerate(canvas.lengths.tolist()):
            whole = torch.cat((canvas.prefix_ids, canvas.token_ids[row, :length]))
            logits = oracle_logits(family, tmp_path, whole, config.block_length)
            columns = num_prefix + canvas.is_masked[row].nonzero()[:, 0] - int(config.shift_logits)
            expected.append(logits[columns])
        assert (actual - torch.cat(expected)).abs().max() <= 1e-4
        first = canvas.is_masked & (canvas.is_masked.cumsum(dim=1) <= 2)
        canvas = canvas.guess(torch.full_like(canvas.token_ids, 7), torch.ones(canvas.is_masked.shape)).commit(first)


def test_llada2_predicts_from_the_blocks_before_what_the_publishers_code_does(tmp_path: Path) -> None:
    """The numbers come from `tests/data/families/make_logits.py`: 36 tokens of prompt, then masks."""
    PUBLISHED["llada2"](tmp_path)
    recorded = load_file(FIXTURES / "llada2.safetensors")
    config = ModelConfig.from_checkpoint(tmp_path)
    network = load_transformer(tmp_path, config, device=torch.device("cpu"), dtype=torch.float32)
    is_mask = recorded["token_ids"] == config.mask_token_id
    canvas = Canvas.open(recorded["token_ids"][~is_mask].tolist(), [], [int(is_mask.sum())], config.mask_token_id)
    predict = BlockCausalPrompt(network, config.block_length)
    assert len(canvas.prefix_ids) > config.block_length
    assert (predict(canvas) - recorded["logits"][is_mask]).abs().max() <= 1e-4


def test_masks_of_later_blocks_wait() -> None:
    canvas = Canvas.open([1, 2, 3, 4, 5], [], [8, 2], 99)
    # The prefix ends one token into a block of four, which leaves three of the canvas in it.
    assert later_blocks(canvas, 4).int().tolist() == [[0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0]]
    seen = canvas.guess(torch.zeros_like(canvas.token_ids), torch.ones(canvas.is_masked.shape))
    first_block = torch.arange(8).expand(2, -1) < torch.tensor([[3], [2]])
    assert later_blocks(seen.commit(first_block), 4).int().tolist() == [[0, 0, 0, 0, 0, 0, 0, 1], [0] * 8]


@pytest.mark.parametrize("family", BLOCK_CAUSAL)
def test_blocks_are_filled_from_left_to_right_and_the_suffix_changes_nothing(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    engine = load_engine(str(tmp_path), "cpu")
    assert not engine.sees_suffix
    options = DecodeOptions(num_steps=40, schedule="linear", middle_length=12)
    fills = []
    for suffix in ("\npass\n", "\nimport os\n\nraise SystemExit\n"):
        drafts = list(engine.infill(InfillRequest("def size(self):\n", suffix), options, CancelToken()))
        states = [[piece.state for piece in draft.pieces for _ in range(piece.num_tokens)] for draft in drafts]
        block_length = engine._config.block_length
        for row in states:
            committed = [state == "committed" for state in row]
            last = max((index for index, is_committed in enumerate(committed) if is_committed), default=0)
            assert committed[: max(0, last - block_length)].count(False) == 0
        fills.append(drafts[-1].text)
    assert fills[0] == fills[1]
