"""Eight-bit rounding: its error, its format on disk, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlm_model.errors import CheckpointError
from dlm_model.network.quantization import dequantize_tensors, quantize


def stored(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"layer{suffix}": part for suffix, part in quantize(weight).items()}


def restore(weight: torch.Tensor) -> torch.Tensor:
    return dequantize_tensors(stored(weight), dtype=torch.float32)["layer.weight"]


@given(st.integers(1, 20), st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 2**31))
def test_every_weight_comes_back_within_half_a_step_of_its_row(rows: int, columns: int, size: float, seed: int) -> None:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((restore(weight) - weight).abs() <= step * 0.5001).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-3])
def test_a_constant_matrix_comes_back(value: float) -> None:
    weight = torch.full((9, 33), value)
    torch.testing.assert_close(restore(weight), weight, rtol=1e-6, atol=0)


def test_a_matrix_is_stored_as_whole_numbers_and_one_scale_a_row() -> None:
    parts = stored(torch.tensor([[127.0, -64.0], [0.5, 0.25]]))
    assert parts["layer.weight"].tolist() == [[127, -64], [127, 64]]
    assert parts["layer.weight"].dtype == torch.int8
    assert parts["layer.weight_scale"].flatten().tolist() == pytest.approx([1.0, 0.5 / 127])
    assert parts["layer.weight_scale"].dtype == torch.float32


def test_a_checkpoint_is_multiplied_out_and_the_rest_of_it_left_alone() -> None:
    norm = torch.ones(8)
    plain = dequantize_tensors(stored(torch.randn(8, 32)) | {"norm.weight": norm}, dtype=torch.bfloat16)
    assert plain.keys() == {"layer.weight", "norm.weight"}
    assert plain["layer.weight"].dtype == torch.bfloat16
    assert plain["norm.weight"] is norm


@pytest.mark.parametrize("missing", ["layer.weight", "layer.weight_scale"])
def test_a_missing_part_is_named(missing: str) -> None:
    parts = stored(torch.zeros(8, 32))
    del parts[missing]
    with pytest.raises(CheckpointError, match=r"layer\.weight"):
        dequantize_tensors(parts, dtype=torch.float32)


def test_parts_of_different_matrices_are_refused() -> None:
    parts = stored(torch.zeros(8, 32)) | {"layer.weight_scale": torch.ones(9, 1, dtype=torch.float16)}
    with pytest.raises(CheckpointError, match="does not fit its scales"):
        dequantize_tensors(parts, dtype=torch.float32)
