"""Adapters in the format of `peft`: what they add, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.network.adapter import ADAPTER_CONFIG_FILE, ADAPTER_FILE, PREFIX, add_adapter, is_adapter

LAYER = "model.layers.0.mlp.up_proj"
NORM = "model.norm.weight"
DOWN, UP = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [0.0], [-1.0]])


def write_adapter(folder: Path, tensors: dict[str, Tensor] | None = None, **config: object) -> Path:
    given = {f"{LAYER}.lora_A.weight": DOWN, f"{LAYER}.lora_B.weight": UP} if tensors is None else tensors
    save_file({PREFIX + name: tensor for name, tensor in given.items()}, folder / ADAPTER_FILE)
    (folder / ADAPTER_CONFIG_FILE).write_text(json.dumps({"r": 2, "lora_alpha": 1} | config))
    return folder


def checkpoint() -> dict[str, Tensor]:
    return {f"{LAYER}.weight": torch.ones(3, 2, dtype=torch.bfloat16), NORM: torch.ones(2)}


def test_a_scaled_product_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    assert not is_adapter(tmp_path)
    adapted = add_adapter(write_adapter(tmp_path), checkpoint())
    assert is_adapter(tmp_path)
    # Half of [3, 0, -1] times [1, 2], on ones.
    assert adapted[f"{LAYER}.weight"].tolist() == [[2.5, 4.0], [1.0, 1.0], [0.5, 0.0]]
    assert adapted[f"{LAYER}.weight"].dtype == torch.bfloat16
    assert torch.equal(adapted[NORM], checkpoint()[NORM])


def test_a_tensor_that_is_stored_whole_takes_its_place(tmp_path: Path) -> None:
    adapted = add_adapter(write_adapter(tmp_path, {NORM: torch.tensor([4.0, 5.0])}), checkpoint())
    assert adapted[NORM].tolist() == [4.0, 5.0]


@pytest.mark.parametrize(
    ("tensors", "config", "complaint"),
    [
        (None, {"use_dora": True}, "adapters with use_dora are not supported"),
        (None, {"rank_pattern": {"up_proj": 8}}, "adapters with rank_pattern are not supported"),
        (None, {"r": 0}, "needs r and lora_alpha"),
        ({"model.layers.9.lora_A.weight": DOWN, "model.layers.9.lora_B.weight": UP}, {}, "has no such tensor"),
        ({f"{LAYER}.lora_A.weight": DOWN}, {}, f"does not adapt {LAYER}.weight"),
        ({f"{LAYER}.lora_B.weight": UP}, {}, f"does not adapt {LAYER}.weight"),
        ({f"{LAYER}.lora_A.weight": DOWN, f"{LAYER}.lora_B.weight": UP.T}, {}, f"does not adapt {LAYER}.weight"),
        ({NORM: torch.ones(3)}, {}, "its shape is"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    tmp_path: Path, tensors: dict[str, Tensor] | None, config: dict[str, object], complaint: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        add_adapter(write_adapter(tmp_path, tensors, **config), checkpoint())
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_adapter_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    (tmp_path / ADAPTER_FILE).write_bytes(b"no")
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file"):
        add_adapter(tmp_path, checkpoint())
