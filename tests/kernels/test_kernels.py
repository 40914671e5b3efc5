"""Every operation against its reference, which specifies it."""

import pytest
import torch
from torch.nn import functional

from dlm_kernels import attention
from dlm_kernels.attention import reference, rotary_angles, rotate
from dlm_kernels.confidence import token_statistics
from tests.model.pretended_cuda import CUDA, PretendedCuda

SHAPES = [(1, 1, 1, 1, 1, 2), (1, 7, 13, 4, 2, 8), (2, 33, 70, 9, 3, 64), (3, 5, 5, 6, 6, 16)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "B{}-T{}-S{}-H{}-K{}-D{}".format(*s))
@pytest.mark.parametrize("is_padded", [False, True], ids=["whole", "padded"])
def test_fused_attention_equals_the_reference(shape: tuple[int, ...], is_padded: bool) -> None:
    batch, num_queries, num_keys, heads, kv_heads, size = shape
    torch.manual_seed(0)
    query = torch.randn(batch, num_queries, heads, size)
    key, value = torch.randn(2, batch, num_keys, kv_heads, size)
    positions = torch.randint(0, 500, (batch, num_queries + num_keys))
    query_rotation = rotary_angles(positions[:, :num_queries], size, 1e4, torch.float32)
    key_rotation = rotary_angles(positions[:, num_queries:], size, 1e4, torch.float32)
    may_attend = None
    if is_padded:
        may_attend = torch.rand(batch, num_keys) < 0.7
        may_attend[:, 0] = True
    arguments = (query, key, value, query_rotation, key_rotation)
    expected = reference.attend(*arguments, may_attend=may_attend)
    torch.testing.assert_close(attention.attend(*arguments, may_attend=may_attend), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mask", ["whole", "padded", "per query"])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=lambda s: "B{}-T{}-S{}-H{}-K{}-D{}".format(*s))
def test_attention_that_is_trained_has_the_gradients_of_the_reference(shape: tuple[int, ...], mask: str) -> None:
    batch, num_queries, num_keys, heads, kv_heads, size = shape
    torch.manual_seed(0)
    trained = [torch.randn(batch, num_queries, heads, size), *torch.randn(2, batch, num_keys, kv_heads, size)]
    positions = torch.randint(0, 500, (batch, num_queries + num_keys))
    rotations = [rotary_angles(each, size, 1e4, torch.float32) for each in positions.split([num_queries, num_keys], 1)]
    mask_shape = {"whole": (0,), "padded": (batch, num_keys), "per query": (batch, num_queries, num_keys)}[mask]
    may_attend = None if mask == "whole" else torch.rand(mask_shape) < 0.7
    if may_attend is not None:
        may_attend[..., 0] = True
    found, expected = [], []
    for results, attend in ((found, attention.attend), (expected, reference.attend)):
        leaves = [each.clone().requires_grad_() for each in trained]
        mixed = attend(*leaves, *rotations, may_attend=may_attend)
        (mixed * torch.arange(mixed.numel()).view_as(mixed).cos()).sum().backward()
        results += [mixed.detach(), *(each.grad for each in leaves)]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mask", ["whole", "padded", "per query"])
def test_on_a_gpu_heads_that_share_keys_are_one_with_the_queries_of_all(
    mask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA has no fused kernel for a mask beside fewer key heads than query heads."""
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 5, 6, 8), *torch.randn(2, 2, 9, 2, 8)
    positions = torch.randint(0, 500, (2, 14))
    rotations = [rotary_angles(each, 8, 1e4, torch.float32) for each in (positions[:, :5], positions[:, 5:])]
    may_attend = {"whole": None, "padded": torch.rand(2, 9) < 0.7, "per query": torch.rand(2, 5, 9) < 0.7}[mask]
    if may_attend is not None:
        may_attend[..., 0] = True
    arguments = (query, key, value, *rotations)
    expected = reference.attend(*arguments, may_attend=may_attend)
    num_heads = []
    fused = functional.scaled_dot_product_attention

    def spy(*given: torch.Tensor, **options: torch.Tensor | None) -> torch.Tensor:
        num_heads.append([each.shape[1] for each in given])
        return fused(*given, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    with PretendedCuda():
        there = [each.to(CUDA) for each in (query, key, value)]
        rotations_there = [attention.Rotation(*(each.to(CUDA) for each in rotation)) for rotation in rotations]
        allowed_there = None if may_attend is None else may_attend.to(CUDA)
        found = attention.attend(*there, *rotations_there, may_attend=allowed_there)
    assert num_heads == [[2, 2, 2]]
    torch.testing.assert_close(found.as_subclass(torch.Tensor), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("mask", ["whole", "padded", "per query"])
@pytest.mark.parametrize("num_kv_heads", [2, 6])
def test_attention_on_a_gpu_is_what_its_rounding_allows(mask: str, num_kv_heads: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 33, 6, 64), *torch.randn(2, 2, 70, num_kv_heads, 64)
    positions = torch.arange(70).expand(2, -1)
    rotations = [rotary_angles(each, 64, 1e4, torch.float32) for each in (positions[:, :33], positions)]
    may_attend = {"whole": None, "padded": torch.rand(2, 70) < 0.7, "per query": torch.rand(2, 33, 70) < 0.7}[mask]
    expected = reference.attend(query, key, value, *rotations, may_attend=may_attend)
    there = [each.to("cuda", torch.bfloat16) for each in (query, key, value)]
    turned = (attention.Rotation(*(each.to("cuda", torch.bfloat16) for each in rotation)) for rotation in rotations)
    found = attention.attend(*there, *turned, may_attend=None if may_attend is None else may_attend.to("cuda"))
    torch.testing.assert_close(found.float().cpu(), expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("num_keys", [70, 40_000], ids=["few", "many"])
def test_attention_in_bf16_is_what_its_rounding_allows(num_keys: int) -> None:
    """The way that is faster on this processor, for sizes on both sides of the change from one way to the other."""
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 33, 4, 32), *torch.randn(2, 1, num_keys, 2, 32)
    positions = torch.arange(num_keys)[None]
    rotations = [rotary_angles(each, 32, 1e4, torch.float32) for each in (positions[:, :33], positions)]
    expected = reference.attend(query, key, value, *rotations)
    rounded = [each.bfloat16() for each in (query, key, value)]
    found = attention.attend(*rounded, *(attention.Rotation(*map(torch.Tensor.bfloat16, each)) for each in rotations))
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)


def test_a_rotation_by_zero_changes_nothing_and_only_distance_matters() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16)

    def score(query_position: int, key_position: int) -> torch.Tensor:
        angles = [rotary_angles(torch.tensor([[p]]), 16, 1e4, torch.float32) for p in (query_position, key_position)]
        return (rotate(query, angles[0]) * rotate(key, angles[1])).sum()

    torch.testing.assert_close(score(0, 0), (query * key).sum())
    torch.testing.assert_close(score(3, 10), score(103, 110), atol=1e-4, rtol=1e-3)
    assert abs(score(3, 10) - score(10, 3)) > 1e-3


def test_only_the_rotary_dimensions_turn_and_by_the_angles_of_a_head_of_that_size() -> None:
    heads = torch.randn(1, 1, 1, 16, generator=torch.Generator().manual_seed(0))
    turned = rotate(heads, rotary_angles(torch.tensor([[7]]), 16, 1e4, torch.float32, rotary_dim=6))[0, 0, 0]
    turning = [0, 1, 2, 8, 9, 10]
    small = rotate(heads[..., turning], rotary_angles(torch.tensor([[7]]), 6, 1e4, torch.float32))[0, 0, 0]
    torch.testing.assert_close(turned[turning], small)
    still = [index for index in range(16) if index not in turning]
    assert torch.equal(turned[still], heads[0, 0, 0, still])


def test_statistics_by_hand() -> None:
    found = token_statistics(torch.tensor([[0.5, 0.25, 0.25]]).log())
    torch.testing.assert_close(found.confidence, torch.tensor([0.5]))
    torch.testing.assert_close(found.margin, torch.tensor([0.25]))
    torch.testing.assert_close(found.gap, torch.tensor([2.0]).log())
    torch.testing.assert_close(found.entropy, torch.tensor([1.5 * torch.log(torch.tensor(2.0))]))


def test_a_gap_is_finite_as_long_as_two_tokens_are_allowed() -> None:
    found = token_statistics(torch.tensor([[200.0, 0.0, -torch.inf], [200.0, -torch.inf, -torch.inf]]))
    assert found.gap.tolist() == [200.0, torch.inf]


def test_statistics_survive_tokens_ruled_out() -> None:
    found = token_statistics(torch.tensor([[3.0, -torch.inf, 3.0]]))
    torch.testing.assert_close(found.probabilities, torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(found.entropy, torch.tensor(2.0).log()[None])
