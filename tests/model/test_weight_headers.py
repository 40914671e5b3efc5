"""A checkpoint judged by the headers of its files: what could be loaded passes, what could not is refused likewise."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.network.quantization import quantize
from dlm_model.network.weights import check_weights, load_transformer
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.tiny_checkpoints import write_checkpoint

CPU = torch.device("cpu")


def refusals(folder: Path) -> list[str]:
    """Of the loader and of the check."""
    messages = []
    for judge in (load, check):
        with pytest.raises(CheckpointError) as caught:
            judge(folder)
        messages.append(str(caught.value))
    return messages


def load(folder: Path) -> None:
    load_transformer(folder, ModelConfig.from_checkpoint(folder), device=CPU, dtype=torch.float32)


def check(folder: Path) -> None:
    check_weights(folder, ModelConfig.from_checkpoint(folder))


@pytest.mark.parametrize("family", PUBLISHED)
def test_every_published_form_passes(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    check(tmp_path)


def test_eight_bit_weights_pass(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    path, name = tmp_path / "model.safetensors", "model.layers.0.mlp.up_proj"
    tensors = load_file(path)
    tensors |= {name + suffix: part for suffix, part in quantize(tensors.pop(f"{name}.weight")).items()}
    save_file(tensors, path)
    check(tmp_path)


@pytest.mark.parametrize("buffer", ["inv_freq", "cos_cached", "sin_cached"])
@pytest.mark.parametrize("module", ["model", "model.layers.0.self_attn", "model.transformer.blocks.0"])
def test_what_older_code_stores_though_it_follows_from_the_config_is_passed_over(
    tmp_path: Path, module: str, buffer: str
) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    path = tmp_path / "model.safetensors"
    save_file(load_file(path) | {f"{module}.rotary_emb.{buffer}": torch.ones(4)}, path)
    check(tmp_path)
    load(tmp_path)


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.inv_freq", "model.rotary_emb.inv_freq.weight"])
def test_a_tensor_that_only_resembles_a_buffer_is_one_too_many(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    path = tmp_path / "model.safetensors"
    save_file(load_file(path) | {name: torch.ones(4)}, path)
    assert all("1 tensors too many" in told for told in refusals(tmp_path))


@pytest.mark.parametrize("fault", ["truncated", "lacking", "surplus", "misshapen", "one shard for all"])
def test_what_the_loader_refuses_is_refused_in_the_same_words(tmp_path: Path, fault: str) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif fault == "lacking":
        del tensors["model.norm.weight"]
        save_file(tensors, path)
    elif fault == "surplus":
        save_file(tensors | {"model.surprise": torch.zeros(1)}, path)
    elif fault == "misshapen":
        save_file(tensors | {"model.norm.weight": torch.zeros(1)}, path)
    else:
        path.unlink()
        halves = list(tensors)[::2], list(tensors)[1::2]
        for number, names in enumerate(halves):
            save_file({name: tensors[name] for name in names}, tmp_path / f"model-{number}.safetensors")
        index = {"weight_map": dict.fromkeys(tensors, "model-0.safetensors")}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    by_loader, by_check = refusals(tmp_path)
    assert by_loader == by_check


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_every_kind_of_pickle_is_named(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    (tmp_path / "model.safetensors").rename(tmp_path / name)
    assert all(f"safetensors files only, and {name} is a pickle" in told for told in refusals(tmp_path))


def test_an_unknown_architecture_with_code_of_its_own_is_refused_for_that(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "qwen2-tied")
    path = tmp_path / "config.json"
    odd = json.loads(path.read_text()) | {"model_type": "odd"}
    path.write_text(json.dumps(odd))
    with pytest.raises(CheckpointError) as without:
        ModelConfig.from_checkpoint(tmp_path)
    path.write_text(json.dumps(odd | {"auto_map": {"AutoModel": "modeling_odd.Odd"}}))
    with pytest.raises(CheckpointError) as with_code:
        ModelConfig.from_checkpoint(tmp_path)
    reason = ", and the code that the checkpoint brings along for it is never run."
    assert str(with_code.value) == str(without.value).removesuffix(".") + reason
