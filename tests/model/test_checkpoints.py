"""Broken checkpoints: one sentence each, before anything is computed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dlm_model.engine import load_engine
from dlm_model.errors import CheckpointError, DeviceError
from dlm_model.network.config import ModelConfig
from dlm_model.network.weights import load_transformer
from dlm_model.tokens.tokenizer import Tokenizer
from tests.model.tiny_checkpoints import VOCAB_SIZE, byte_level_tokenizer, write_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path, "qwen2-tied")
    return tmp_path


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor for name, tensor in (load_file(path) | changes).items() if tensor is not None}
    save_file(tensors, path)


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_engine(str(folder), "cpu")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "no model folder" in refusal(tmp_path / "nowhere")


def test_a_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "config.json cannot be read" in refusal(folder)


def test_a_config_that_is_not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "not valid JSON" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "mamba"},
            "model type 'mamba' is not supported (supported: SDAR, Fast-dLLM v2, Stable-DiffCoder, DreamReasoner, ",
        ),
        ({"hidden_act": "gelu"}, "activation 'gelu'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rotary scaling 'yarn'"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"dlm": {}}, "has no dlm.mask_token_id"),
        ({"dlm": None}, "has no dlm.mask_token_id"),
        ({"dlm": {"mask_token_id": "x"}}, "mask_token_id is 'x'"),
        ({"hidden_size": "32"}, "hidden_size is '32'"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"max_position_embeddings": None}, "max_position_embeddings is None"),
        ({"rms_norm_eps": None}, "value of the wrong kind"),
        ({"rope_parameters": [1]}, "value of the wrong kind"),
        ({"dlm": {"mask_token_id": 10**6}}, "mask_token_id 1000000 is outside"),
        ({"dlm": {"mask_token_id": 1, "shift_logits": True}}, "needs a bos_token_id"),
        ({"num_key_value_heads": 3}, "cannot share 3"),
        ({"intermediate_size": 44}, "has shape (48, 32), config.json asks for (44, 32)"),
        ({"num_hidden_layers": 4}, "lacks 12 tensors"),
        ({"num_hidden_layers": 2}, "12 tensors too many"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_config_this_network_cannot_honour(folder: Path, changes: dict[str, object], message: str) -> None:
    edit_config(folder, **changes)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_theta": 5e5, "rope_parameters": None},
        {"rope_theta": 5e5, "rope_parameters": None, "rope_scaling": None},
        {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}},
    ],
    ids=["legacy", "legacy-without-scaling", "modern"],
)
def test_the_rotary_base_is_found_where_old_and_new_files_keep_it(folder: Path, rope: dict[str, object]) -> None:
    edit_config(folder, **rope)
    assert ModelConfig.from_checkpoint(folder).rope_theta == 5e5


def test_bf16_weights_give_nearly_the_fp32_answer(folder: Path) -> None:
    config = ModelConfig.from_checkpoint(folder)
    token_ids = torch.arange(40, 60)[None]
    exact, rounded = (
        load_transformer(folder, config, device=torch.device("cpu"), dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    positions = torch.arange(20)[None]
    hidden = rounded(token_ids, positions)
    assert hidden.dtype == torch.bfloat16
    torch.testing.assert_close(hidden.float(), exact(token_ids, positions), atol=0.15, rtol=0.1)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated or not a safetensors file" in refusal(folder)


def test_a_pickle_is_not_looked_at(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "safetensors files only, and pytorch_model.bin is a pickle" in refusal(folder)


def test_a_missing_tensor(folder: Path) -> None:
    edit_weights(folder, **{"model.norm.weight": None})
    assert "the first is norm.weight" in refusal(folder)


def test_a_tensor_too_many(folder: Path) -> None:
    edit_weights(folder, **{"model.surprise": torch.zeros(1)})
    assert "the first is surprise" in refusal(folder)


def test_an_index_that_points_outside(folder: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "../../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "no ../../elsewhere.safetensors" in refusal(folder)


@pytest.mark.parametrize("index", ["[]", "{", '{"weight_map": 3}'])
def test_an_index_that_is_not_one(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    assert "not a valid weight index" in refusal(folder)


def test_an_index_of_numbers_names_no_file(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": 1}}')
    assert "has no 1" in refusal(folder)


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in refusal(folder)


def test_a_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "is not a tokenizer" in refusal(folder)


def test_a_tokenizer_with_more_tokens_than_the_network(folder: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens(["one_more"])
    tokenizer.save(str(folder / "tokenizer.json"))
    assert f"The tokenizer of {folder} has {VOCAB_SIZE + 1} tokens, more than" in refusal(folder)


@pytest.mark.parametrize("device", ["cuda:7", "toaster", "cpu:x", "meta"])
def test_no_such_device(folder: Path, device: str) -> None:
    with pytest.raises(DeviceError, match="There is no device"):
        load_engine(str(folder), device)


def test_a_token_is_its_bytes() -> None:
    tokenizer = Tokenizer(byte_level_tokenizer(), VOCAB_SIZE)
    text = "def foo(self):\n\treturn '€😀 é\x00'\r\n"
    assert tokenizer.spell(tokenizer.encode(text).ids) == text.encode()
    assert tokenizer.token_bytes[0] == b""
    assert len(tokenizer.token_bytes) == VOCAB_SIZE
