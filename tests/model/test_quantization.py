"""Four-bit packing: what comes back, how it lies on disk, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlm_model import quantization
from dlm_model.errors import CheckpointError
from dlm_model.quantization import dequantize, dequantize_tensors, quantize


def restore(weight: torch.Tensor, group_size: int = 32) -> torch.Tensor:
    parts = quantize(weight, group_size)
    return dequantize(*(parts[suffix] for suffix in quantization.SUFFIXES), dtype=torch.float32)


@given(st.integers(1, 20), st.integers(1, 4), st.sampled_from([8, 32, 64]), st.integers(0, 2**31))
def test_a_group_comes_back_within_a_step_on_average(rows: int, groups: int, group_size: int, seed: int) -> None:
    weight = torch.randn(rows, groups * group_size, generator=torch.Generator().manual_seed(seed))
    grouped = weight.view(rows, groups, group_size)
    step = (grouped.amax(2).clamp(min=0) - grouped.amin(2).clamp(max=0)) / 15
    error = (restore(weight, group_size).view_as(grouped) - grouped).square().mean(2).sqrt()
    assert (error <= step * 0.75).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-3])
def test_a_constant_matrix_comes_back(value: float) -> None:
    weight = torch.full((9, 32), value)
    torch.testing.assert_close(restore(weight), weight, rtol=1e-3, atol=1e-6)


def test_searched_ranges_beat_plain_rounding() -> None:
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    groups = weight.view(64, -1, 32)
    low, high = groups.amin(2, keepdim=True), groups.amax(2, keepdim=True)
    step = (high - low) / 15
    plain = ((groups - low) / step).round() * step + low
    error, plain_error = (restore(weight) - weight).square().mean(), (plain - groups).square().mean()
    assert error < plain_error


def test_words_hold_eight_values_lowest_bits_first() -> None:
    weight = torch.arange(16.0).repeat(2).view(1, 32)
    parts = quantize(weight)
    assert parts[quantization.PACKED_SUFFIX].tolist()[0][0] == 0x76543210
    assert parts[quantization.PACKED_SUFFIX].shape == (1, 4)
    assert parts[quantization.ZERO_POINT_SUFFIX].shape == (1, 1)
    assert parts[quantization.SHAPE_SUFFIX].tolist() == [1, 32]


def test_a_checkpoint_is_unpacked_and_the_rest_of_it_left_alone() -> None:
    weight, norm = torch.randn(8, 32), torch.ones(8)
    packed = {f"model.layer{suffix}": part for suffix, part in quantize(weight).items()} | {"model.norm.weight": norm}
    plain = dequantize_tensors(packed, dtype=torch.bfloat16)
    assert plain.keys() == {"model.layer.weight", "model.norm.weight"}
    assert plain["model.layer.weight"].dtype == torch.bfloat16


def test_columns_that_do_not_fill_their_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="groups of 32"):
        quantize(torch.zeros(4, 40))


def test_a_missing_part_is_named() -> None:
    packed = {f"layer{suffix}": part for suffix, part in quantize(torch.zeros(8, 32)).items()}
    del packed["layer.weight_scale"]
    with pytest.raises(CheckpointError, match=r"layer\.weight_scale"):
        dequantize_tensors(packed, dtype=torch.float32)


def test_parts_of_different_matrices_are_refused() -> None:
    parts = quantize(torch.zeros(8, 32)) | {quantization.SCALE_SUFFIX: torch.ones(9, 1, dtype=torch.float16)}
    with pytest.raises(CheckpointError, match="does not fit its parts"):
        dequantize(*(parts[suffix] for suffix in quantization.SUFFIXES), dtype=torch.float32)


def test_rounding_that_knows_the_inputs_leaves_a_smaller_output_error() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(24, 96, generator=generator)
    inputs = torch.randn(500, 96, generator=generator) @ torch.randn(96, 96, generator=generator)
    plain, calibrated = (
        dequantize(*(parts[suffix] for suffix in quantization.SUFFIXES), dtype=torch.float32)
        for parts in (quantize(weight), quantize(weight, covariance=inputs.T @ inputs / len(inputs)))
    )
    error, plain_error = ((inputs @ (restored - weight).T).square().mean() for restored in (calibrated, plain))
    assert error < 0.5 * plain_error
