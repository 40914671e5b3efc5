"""The Triton kernels against their references. Run by the tests in Triton's interpreter, and by the bench on a GPU."""

import os

import pytest
import torch

from dlm_kernels.attention import reference, rotary_angles
from dlm_kernels.attention.segments import attend_segments
from dlm_kernels.confidence import reference as confidence_reference
from dlm_kernels.confidence.head import head_statistics

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not IS_INTERPRETED else "cpu"
# On a GPU the kernels will run in bf16, which Triton's interpreter does not compute as a GPU does.
DTYPES = [torch.float32, torch.bfloat16] if DEVICE == "cuda" else [torch.float32]
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", ["whole", "padded", "per query"])
@pytest.mark.parametrize(
    "shape",
    [(1, 5, 5, 70, 4, 2, 32), (2, 70, 70, 33, 3, 1, 64), (2, 9, 12, 0, 2, 2, 32)],
    ids=lambda s: "B{}-T{}-N{}-S{}-H{}-K{}-D{}".format(*s),
)
def test_attention_over_segments(shape: tuple[int, ...], mask: str, dtype: torch.dtype) -> None:
    rows, num_queries, num_own, num_memory, heads, kv_heads, size = shape
    generator = torch.Generator().manual_seed(0)

    def random(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator).to(DEVICE, dtype)

    query, own_key, own_value = random(rows, num_queries, heads, size), *random(2, rows, num_own, kv_heads, size)
    # As with a causal prompt, all rows read the same memory.
    memory_key, memory_value = (each.expand(rows, -1, -1, -1) for each in random(2, 1, num_memory, kv_heads, size))
    positions = torch.randint(0, 500, (rows, num_own + num_memory), generator=generator).to(DEVICE)
    query_rotation = rotary_angles(positions[:, :num_queries], size, 1e4, dtype)
    key_rotation = rotary_angles(positions, size, 1e4, dtype)
    may_attend = None
    if mask != "whole":
        sizes = (rows, num_queries, num_own + num_memory) if mask == "per query" else positions.shape
        may_attend = (torch.rand(sizes, generator=generator) < 0.7).to(DEVICE)
        may_attend[..., 0] = True
    keys, values = torch.cat((own_key, memory_key), dim=1), torch.cat((own_value, memory_value), dim=1)
    expected = reference.attend(query, keys, values, query_rotation, key_rotation, may_attend=may_attend)
    found = attend_segments(
        query, own_key, own_value, memory_key, memory_value, query_rotation, key_rotation, may_attend=may_attend
    )
    torch.testing.assert_close(found, expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [(1, 40, 300), (19, 72, 9000)], ids=str)
def test_statistics_of_the_head(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    num_positions, num_channels, num_tokens = sizes
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(num_positions, num_channels, generator=generator).to(DEVICE, dtype)
    weight = (torch.randn(num_tokens, num_channels, generator=generator) * 0.3).to(DEVICE, dtype)
    is_banned = (torch.rand(num_tokens, generator=generator) < 0.3).to(DEVICE)
    is_banned[:280] = True  # whole blocks without a token
    expected = confidence_reference.head_statistics(hidden, weight, is_banned)
    found = head_statistics(hidden, weight, is_banned)
    assert torch.equal(found.predicted_ids, expected.predicted_ids)
    torch.testing.assert_close(found[1:], expected[1:], atol=1e-4, rtol=1e-3)
