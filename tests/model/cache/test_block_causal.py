"""Block-by-block attention against transformers with the mask written out, and what an engine fills by it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM

from dlm_model.cache import prefix_cache
from dlm_model.cache.block_causal import BlockCausalPrompt
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.network.config import ModelConfig
from dlm_model.network.transformer import Transformer
from dlm_model.request import CancelToken, InfillRequest
from tests.model.families.block_causal_checkpoints import BLOCK_CAUSAL, block_prompt
from tests.model.families.checkpoint_parts import MIDDLE, NUM_EXPERTS, NUM_TRAINED, qwen_config
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.loops import commit
from tests.model.tiny_checkpoints import load_network

FIXTURES = Path(__file__).parents[2] / "data" / "families"
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
BLOCKS_OF_FOUR = ("sdar", "fast-dllm", "stable-diffcoder")
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
    network = load_network(tmp_path)
    predict = block_prompt(network)
    canvas = Canvas.open(PREFIX[:num_prefix], [], [13, 6], config.mask_token_id)
    while canvas.is_masked.any():
        actual = predict(canvas)
        predict.check_integrity()
        expected = []
        for row, length in enumerate(canvas.lengths.tolist()):
            whole = torch.cat((canvas.prefix_ids, canvas.token_ids[row, :length]))
            logits = oracle_logits(family, tmp_path, whole, config.block_length)
            columns = num_prefix + canvas.is_masked[row].nonzero()[:, 0] - int(config.shift_logits)
            expected.append(logits[columns])
        assert (actual - torch.cat(expected)).abs().max() <= 1e-4
        first = canvas.is_masked & (canvas.is_masked.cumsum(dim=1) <= 3)
        canvas = canvas.guess(torch.full_like(canvas.token_ids, 7), torch.ones(canvas.is_masked.shape)).commit(first)


def test_llada2_predicts_from_the_blocks_before_what_the_publishers_code_does(tmp_path: Path) -> None:
    """The numbers come from `tests/data/families/make_logits.py`: 36 tokens of prompt, then masks."""
    PUBLISHED["llada2"](tmp_path)
    recorded = load_file(FIXTURES / "llada2.safetensors")
    config = ModelConfig.from_checkpoint(tmp_path)
    network = load_network(tmp_path)
    is_mask = recorded["token_ids"] == config.mask_token_id
    canvas = Canvas.open(recorded["token_ids"][~is_mask].tolist(), [], [int(is_mask.sum())], config.mask_token_id)
    predict = block_prompt(network)
    assert len(canvas.prefix_ids) > config.block_length
    assert (predict(canvas) - recorded["logits"][is_mask]).abs().max() <= 1e-4


@pytest.mark.parametrize("family", ["sdar", "fast-dllm", "stable-diffcoder"])
def test_a_text_is_predicted_block_by_block_as_the_publishers_loop_does_with_its_own_cache(
    tmp_path: Path, family: str
) -> None:
    """The numbers come from `tests/data/families/make_logits.py`: which masks a pass was for, and their logits."""
    PUBLISHED[family](tmp_path)
    recorded = load_file(FIXTURES / f"{family}-blocks.safetensors")
    config = ModelConfig.from_checkpoint(tmp_path)
    texts, is_asked = recorded["token_ids"], recorded["is_asked"]
    num_prompt = int((texts[0] != config.mask_token_id).sum())
    logits = recorded["logits"].split(is_asked.sum(dim=1).tolist())
    network = load_network(tmp_path)
    predict = block_prompt(network)
    canvas = Canvas.open(texts[0, :num_prompt].tolist(), [], [texts.shape[1] - num_prompt], config.mask_token_id)
    for text, asked, expected in zip(texts[:, num_prompt:], is_asked[:, num_prompt:], logits, strict=True):
        filled = (text != config.mask_token_id)[None] & canvas.is_masked
        canvas = canvas.guess(text[None], torch.ones(1, len(text))).commit(filled)
        assert (predict(canvas)[asked[canvas.is_masked[0]]] - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("family", BLOCKS_OF_FOUR)
def test_finished_blocks_are_kept_as_a_fresh_pass_has_them_and_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    PUBLISHED[family](tmp_path)
    config = ModelConfig.from_checkpoint(tmp_path)
    network = load_network(tmp_path)
    num_read: list[int] = []
    forward = Transformer.forward

    def counted(self: Transformer, token_ids: Tensor, *arguments: object, **keywords: object) -> Tensor:
        num_read.append(token_ids.shape[1])
        return forward(self, token_ids, *arguments, **keywords)  # type: ignore[arg-type]

    canvas = Canvas.open(PREFIX[:10], [], [26, 19], config.mask_token_id)
    predict, length = block_prompt(network), config.block_length
    columns = 10 + torch.arange(26)
    with monkeypatch.context() as patch:
        patch.setattr(Transformer, "forward", counted)
        predict(canvas)
        canvas = commit(canvas, canvas.is_masked & (columns < 3 * length - 1))
        predict(canvas)
        canvas = commit(canvas, canvas.is_masked & (columns < 3 * length))
        predict(canvas)
        kept = predict(canvas)
    # The prefix; all; all again, for the block that was finished; from the first block that is not. Where logits are
    # shifted, the first mask of a block is read from the block before.
    before = (10 - int(config.shift_logits)) // length * length
    after = (3 - int(config.shift_logits)) * length
    assert num_read == [before, 36 - before, 36 - before, 36 - 2 * length, 36 - after]
    assert (kept - block_prompt(network)(canvas)).abs().max() <= 1e-5


@pytest.mark.parametrize("family", BLOCKS_OF_FOUR)
def test_what_a_reviser_changes_in_a_finished_block_is_computed_again(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    config = ModelConfig.from_checkpoint(tmp_path)
    network = load_network(tmp_path)
    predict = block_prompt(network)
    canvas = Canvas.open(PREFIX[:10], [], [26, 26], config.mask_token_id)
    positions = torch.arange(26).expand(2, -1)
    full = commit(canvas, positions < 20)
    predict(full)
    changes = torch.tensor([[False], [True]]) & (positions == 5)
    replaced = full.overwrite(changes, torch.full_like(full.token_ids, 8), torch.ones(2, 26), limit=9)
    for changed in (replaced, full.reopen(changes, limit=9), full.review(changes), full):
        actual, expected = predict(changed), block_prompt(network)(changed)
        predict.check_integrity()
        assert (actual - expected).abs().max() <= 1e-4


def test_a_prefix_is_kept_from_key_to_key_in_whole_blocks(block_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "MIN_SHARED_TOKENS", 1)
    network = load_network(block_folder)
    length, mask = network.config.block_length, network.config.mask_token_id
    assert length == 4
    kept = PrefixCache(network, length)
    costs = []
    # A token, and another; one of them taken back; an edit far above; and back to where it began.
    for prefix in (PREFIX[:22], PREFIX[:23], PREFIX[:25], PREFIX[:24], [*PREFIX[:9], 7, *PREFIX[10:24]], PREFIX[:22]):
        canvas = Canvas.open(prefix, [], [9, 5], mask)
        num_before = kept.num_computed
        predict = BlockCausalPrompt(network, kept, "")
        for _ in range(2):
            assert (predict(canvas) - block_prompt(network)(canvas)).abs().max() <= 1e-4
            canvas = commit(canvas, canvas.is_masked & (canvas.is_masked.cumsum(dim=1) <= 3))
        predict.check_integrity()
        kept.check_integrity()
        costs.append(kept.num_computed - num_before)
    assert costs == [20, 0, 4, 0, 16, 0]


def test_an_engine_that_writes_block_by_block_fills_the_same_warm_and_cold(block_engine: Engine) -> None:
    request, options = InfillRequest("def size(self):\n    return self.", ""), DecodeOptions(num_steps=6)
    block_engine.forget()
    cold, warm = (list(block_engine.infill(request, options, CancelToken())) for _ in range(2))
    assert [draft.pieces for draft in cold] == [draft.pieces for draft in warm]
    assert cold[-1].num_forwards == warm[-1].num_forwards + 1


def test_overlapping_blocks_take_fewer_forwards(block_engine: Engine) -> None:
    request = InfillRequest("def size(self):\n", "")
    # A network of random weights is sure of little, and of nothing at 0.9.
    options = DecodeOptions(num_steps=128, middle_length=96, confidence_threshold=0.15)
    one_by_one, overlapping = (
        list(block_engine.infill(request, each, CancelToken()))[-1]
        for each in (options, replace(options, block_add_threshold=0.1))
    )
    assert overlapping.num_forwards < one_by_one.num_forwards
    assert overlapping.num_forwards == overlapping.step  # finished blocks cost none, nor does the prefix by now


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
        block_length = engine.network.config.block_length
        for row in states:
            committed = [state == "committed" for state in row]
            last = max((index for index, is_committed in enumerate(committed) if is_committed), default=0)
            assert committed[: max(0, last - block_length)].count(False) == 0
        fills.append(drafts[-1].text)
    assert fills[0] == fills[1]
