"""Checkpoints in and out of training: imported from GGUF, given their tokens, exported to eight bits."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import INDEX_FILE
from dlm_model.request import InfillEngine
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.__main__ import run_stage
from dlm_model.training.evaluate import choose_lines, summarize
from dlm_model.training.examples import ExampleBuilder
from dlm_model.training.export import export_run, merge_run, split_shards, write_checkpoint
from dlm_model.training.gguf_import import hugging_face_name, import_gguf, unpermute_rotary_rows
from dlm_model.training.initialize import initialize
from dlm_model.training.run_state import digest_weights
from dlm_model.training.start import write_start
from dlm_model.training.train import Trainer
from dlm_model.training.windows import ExampleSource
from tests.model.tiny_checkpoints import VOCAB_SIZE, byte_level_tokenizer, load_network
from tests.model.training import tiny_run

CPU = torch.device("cpu")
NUM_TEXT_TOKENS = VOCAB_SIZE - 3
HIDDEN, MLP, HEADS, KV_HEADS, LAYERS = 64, 96, 4, 2, 2


def permute_rotary_rows(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Rotated halves to interleaved pairs, as llama.cpp's converter does it."""
    return weight.view(num_heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama with random weights in fp32."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100000.0)
    _add_tokenizer(writer)
    generator = np.random.default_rng(0)
    shapes = {"token_embd": (NUM_TEXT_TOKENS, HIDDEN), "output_norm": (HIDDEN,)}
    kv_size = HIDDEN // HEADS * KV_HEADS
    for layer in range(LAYERS):
        inner = {
            **dict.fromkeys(("attn_q", "attn_output"), (HIDDEN, HIDDEN)),
            **dict.fromkeys(("attn_k", "attn_v"), (kv_size, HIDDEN)),
            **dict.fromkeys(("ffn_gate", "ffn_up"), (MLP, HIDDEN)),
            **dict.fromkeys(("attn_norm", "ffn_norm"), (HIDDEN,)),
            "ffn_down": (HIDDEN, MLP),
        }
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in inner.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", generator.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_an_imported_model_has_the_shape_and_the_words_of_its_file(gguf_file: Path, tmp_path: Path) -> None:
    import_gguf(gguf_file, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["hidden_size"], config["num_key_value_heads"], config["rope_theta"]) == (HIDDEN, KV_HEADS, 100000.0)
    assert config["rms_norm_eps"] == 1e-5
    assert config["tie_word_embeddings"]
    tokenizer = Tokenizer.from_checkpoint(tmp_path, config["vocab_size"])
    assert tokenizer.spell(tokenizer.encode("def é(x):\n    return 12").ids).decode() == "def é(x):\n    return 12"
    oracle = LlamaForCausalLM.from_pretrained(tmp_path)
    assert oracle(torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, NUM_TEXT_TOKENS)


def test_rotary_rows_are_put_back() -> None:
    weight = torch.randn(HIDDEN, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unpermute_rotary_rows(permute_rotary_rows(weight, HEADS), HEADS), weight)
    assert not torch.equal(permute_rotary_rows(weight, HEADS), weight)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF, or not")
    with pytest.raises(CheckpointError, match="not a readable GGUF"):
        import_gguf(tmp_path / "tiny.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_tensor_is_refused() -> None:
    with pytest.raises(CheckpointError, match="rope_freqs"):
        hugging_face_name("rope_freqs.weight")


def test_three_tokens_are_added_at_the_mean_of_the_others(gguf_file: Path, tmp_path: Path) -> None:
    import_gguf(gguf_file, tmp_path / "causal")
    initialize(tmp_path / "causal", tmp_path / "start")
    config = ModelConfig.from_checkpoint(tmp_path / "start")
    ids = (config.mask_token_id, config.expand_token_id, config.delete_token_id)
    assert ids == tuple(range(NUM_TEXT_TOKENS, VOCAB_SIZE))
    assert config.shift_logits
    rows = load_file(tmp_path / "start" / "model.safetensors")["model.embed_tokens.weight"].float()
    torch.testing.assert_close(rows[-3:].mean(0), rows[:-3].mean(0), rtol=0, atol=0.05)
    assert len(rows.unique(dim=0)) == VOCAB_SIZE


def test_rows_that_pad_a_table_are_left_out_and_the_config_names_the_first_token(
    gguf_file: Path, tmp_path: Path
) -> None:
    """Qwen's tables are padded to a round number; Llama's tokenizers call their first token otherwise."""
    import_gguf(gguf_file, tmp_path)
    tensors, config = load_file(tmp_path / "model.safetensors"), json.loads((tmp_path / "config.json").read_text())
    table = tensors["model.embed_tokens.weight"]
    save_file(tensors | {"model.embed_tokens.weight": torch.cat((table, table[:19]))}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": len(table) + 19, "bos_token_id": 0}))
    tokenizer = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(tokenizer.replace("<|endoftext|>", "<|begin_of_text|>"))
    write_start(tmp_path, tmp_path / "start")
    started = ModelConfig.from_checkpoint(tmp_path / "start")
    assert (started.vocab_size, started.mask_token_id, started.bos_token_id) == (VOCAB_SIZE, NUM_TEXT_TOKENS, 0)
    rows = load_network(tmp_path / "start").embed_tokens.weight
    assert torch.equal(rows[:NUM_TEXT_TOKENS], table.float())


def test_a_start_that_cannot_be_run_is_refused_at_once(gguf_file: Path, tmp_path: Path) -> None:
    import_gguf(gguf_file, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_scaling": {"rope_type": "llama3"}}))
    with pytest.raises(CheckpointError, match="'llama3' is not supported"):
        write_start(tmp_path, tmp_path / "start")
    assert not (tmp_path / "start").exists()


@pytest.mark.parametrize("is_shifted", [True, False])
def test_either_head_is_chosen_at_the_start_and_can_be_trained(
    gguf_file: Path, tmp_path: Path, *, is_shifted: bool
) -> None:
    flag = "--shifted" if is_shifted else "--unshifted"
    assert run_stage(["initialize", str(gguf_file), str(tmp_path / "start"), flag], "training") == 0
    config = ModelConfig.from_checkpoint(tmp_path / "start")
    assert config.shift_logits is is_shifted
    builder = ExampleBuilder(Tokenizer.from_checkpoint(tmp_path / "start", config.vocab_size), config)
    network = load_network(tmp_path / "start")
    options = replace(tiny_run.VARIANTS["all"], max_steps=30, log_interval=10)
    records = Trainer(network, ExampleSource(tiny_run.TEXTS, builder), tmp_path / "run", options).run()
    first, *_, last = [record["loss"] for record in records if "loss" in record]
    assert last < 0.9 * first


def test_tokens_are_not_added_twice(gguf_file: Path, tmp_path: Path) -> None:
    import_gguf(gguf_file, tmp_path / "causal")
    initialize(tmp_path / "causal", tmp_path / "start")
    with pytest.raises(CheckpointError, match="already"):
        initialize(tmp_path / "start", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_network_is_exported_to_eight_bits_and_loads_again(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_model.training.export.MAX_SHARD_BYTES", 12_000)
    import_gguf(gguf_file, tmp_path / "causal")
    initialize(tmp_path / "causal", tmp_path / "start")
    network = load_network(tmp_path / "start")
    (tmp_path / "packed").mkdir()
    write_checkpoint(network, tmp_path / "start", tmp_path / "packed", is_rounded=True)
    assert len(set(json.loads((tmp_path / "packed" / INDEX_FILE).read_text())["weight_map"].values())) > 1
    packed = load_network(tmp_path / "packed")
    for name, weight in network.state_dict().items():
        assert (packed.state_dict()[name] - weight).norm() < 0.01 * weight.norm(), name


@pytest.mark.parametrize("is_rounded", [True, False], ids=["int8", "bf16"])
def test_a_short_training_that_starts_from_eight_bits_is_not_rounded_away(
    resizing_folder: Path, tmp_path: Path, *, is_rounded: bool
) -> None:
    start, run = tmp_path / "start", tmp_path / "run"
    start.mkdir()
    write_checkpoint(load_network(resizing_folder), resizing_folder, start, is_rounded=True)
    config = ModelConfig.from_checkpoint(start)
    builder = ExampleBuilder(Tokenizer.from_checkpoint(start, config.vocab_size), config)
    options = replace(tiny_run.OPTIONS, max_steps=2, learning_rate=1e-4)
    source = ExampleSource(tiny_run.TEXTS, builder)
    list(Trainer(load_network(start), source, run, options, start=digest_weights(start)).run())
    exported = export_run(start, run, tmp_path / "model", is_rounded=is_rounded)
    assert exported.progress.step == 2
    assert 0.8 < exported.kept < 1.2, "to the nearest of 255 steps, 0.01 of it would be left"
    before, after, merged = (
        network.state_dict()["layers.0.mlp.up_proj.weight"]
        for network in (load_network(start), load_network(tmp_path / "model"), merge_run(start, run)[0])
    )
    update = merged - before
    assert 0.5 < (update * (after - before)).sum() / update.square().sum() < 1.5


def test_exporting_without_a_run_is_one_clear_error(resizing_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not the state of a training run"):
        merge_run(resizing_folder, tmp_path)


def test_shards_keep_their_order_and_their_size() -> None:
    tensors = {name: torch.zeros(size, dtype=torch.uint8) for name, size in (("a", 4), ("b", 4), ("c", 9), ("d", 1))}
    shards = split_shards(tensors, max_bytes=8)
    assert [list(shard) for shard in shards] == [["a", "b"], ["c"], ["d"]]


def test_lines_to_fill_are_code_and_join_to_their_file() -> None:
    text = 'def f(a):\n    """Say nothing, at length."""\n    # a comment\n    first = a + 1\n    return first\n' * 4
    tasks = choose_lines([text], 12)
    assert tasks == choose_lines([text], 12)
    for task in tasks:
        assert task.prefix + task.line + task.suffix in text
        assert not task.line.startswith(("#", '"'))
        assert task.line == task.line.strip()


def test_filled_lines_are_summed_up(resizing_engine: InfillEngine) -> None:
    (task,) = itertools.islice(choose_lines(["def f(a):\n    return a\n    x = 1\n" * 9], 1), 1)
    right, wrong = (task, f" {task.line} ", 3), (task, "", 5)
    measured = summarize([right, wrong], resizing_engine)
    assert (measured.num_lines, measured.exact_rate, measured.num_forwards) == (2, 0.5, 4)
    assert measured.length_error > 0


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """The 256 bytes and the merges of the tiny tokenizer, without its last three tokens."""
    model = json.loads(byte_level_tokenizer().to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)[:NUM_TEXT_TOKENS]
    padding = [f"<|reserved_{index}|>" for index in range(NUM_TEXT_TOKENS - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*tokens, *padding])
    control = [token.startswith("<|") for token in [*tokens, *padding]]
    writer.add_token_types([3 if is_control else 1 for is_control in control])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
