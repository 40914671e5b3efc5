"""Attention of canvas queries over keys that are stored before RoPE and rotated when read.

Nothing that is stored depends on its position. A suffix that moves by n positions is read with other angles, and not
recomputed.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_kernels.attention.reference import Rotation, per_query, rotary_angles, rotate

__all__ = ["Rotation", "attend", "rotary_angles", "rotate"]

_MOST_SCORES = 2**20  # per head


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_rotation: Rotation,
    key_rotation: Rotation,
    *,
    may_attend: Tensor | None = None,
) -> Tensor:
    """Rotate queries and keys, then attend to every key that each query may.

    Specified by `dlm_kernels.attention.reference.attend`, and tested against it. Runs PyTorch's fused kernel, except on
    a CPU where two matrix products are faster.

    Args:
        query: [B, T, H, D], before RoPE.
        key: [B, S, K, D], before RoPE; K divides H.
        value: [B, S, K, D].
        query_rotation: Angles of the query positions, [B, T, D] each.
        key_rotation: Angles of the key positions, [B, S, D] each.
        may_attend: [B, S], the keys that all queries may attend to, or [B, T, S], those that each query may; None for
            no restriction.

    Returns:
        [B, T, H, D]
    """
    query, key = rotate(query, query_rotation), rotate(key, key_rotation)
    mask = None if may_attend is None else per_query(may_attend)[:, None]
    if query.device.type == "cpu" and (query.requires_grad or _is_faster_unfused(query, key)):
        return _attend_by_products(query, key, value, mask)
    if query.device.type != "cpu" and query.shape[2] != key.shape[2]:
        return _attend_by_group(query, key, value, mask)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=query.shape[1] != key.shape[1])
    return mixed.transpose(1, 2)


def _attend_by_products(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend with two matrix products, the scores stored in between.

    The queries are scaled, not the scores, and a mask is added in place: one pass over the scores where the formula on
    paper has three. With its backward pass it takes 48 ms for [2, 643, 9, 64] in bf16 on two cores of an AMD EPYC, the
    formula 75, the fused kernel 75.

    Args:
        query: [B, T, H, D]
        key: [B, S, K, D]
        value: [B, S, K, D]
        mask: [B, 1, T or 1, S]
    """
    num_queries, num_groups = query.shape[1], key.shape[2]
    scores = _queries_by_group(query * query.shape[-1] ** -0.5, num_groups) @ key.permute(0, 2, 3, 1)
    if mask is not None:
        bias = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, -torch.inf)
        scores.view(*scores.shape[:2], -1, num_queries, key.shape[1]).add_(bias[:, None])
    return _heads_apart(scores.softmax(dim=-1) @ value.transpose(1, 2), num_queries)


def _attend_by_group(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend by the fused kernel, once for all heads that share keys.

    On CUDA, PyTorch has no fused kernel for shared key heads with a mask, and before compute capability 8 none without
    one: it would repeat the keys, and store all scores in fp32. Every recorded pass has a mask.

    Args:
        query: [B, T, H, D]
        key: [B, S, K, D]
        value: [B, S, K, D]
        mask: [B, 1, T or 1, S]
    """
    num_queries, num_groups = query.shape[1], key.shape[2]
    by_group = _queries_by_group(query, num_groups)
    if mask is not None and mask.shape[2] > 1:
        mask = mask.repeat(1, 1, query.shape[2] // num_groups, 1)
    mixed = F.scaled_dot_product_attention(by_group, key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask)
    return _heads_apart(mixed, num_queries)


def _queries_by_group(query: Tensor, num_groups: int) -> Tensor:
    """Queries [B, T, H, D] as [B, K, H / K · T, D]: heads that share keys are one that has the queries of them all."""
    split = query.reshape(*query.shape[:2], num_groups, -1, query.shape[-1])
    return split.permute(0, 2, 3, 1, 4).flatten(2, 3)


def _heads_apart(mixed: Tensor, num_queries: int) -> Tensor:
    """What `_queries_by_group` joined, [B, K, H / K · T, D], as [B, T, H, D]."""
    split = mixed.reshape(*mixed.shape[:2], -1, num_queries, mixed.shape[-1])
    return split.permute(0, 3, 1, 2, 4).flatten(2, 3)


def _is_faster_unfused(query: Tensor, key: Tensor) -> bool:
    """Whether two matrix products with the scores stored in between are faster than the fused kernel.

    In bf16 on a processor without a matrix unit (AVX512), the fused kernel takes longer: 2.8 against 2.3 ms for 64
    queries of 9 heads over 1,088 keys on one core of an AMD EPYC, rotations included, and 17.3 against 14.5 ms for 512
    over 1,024. Beyond `_MOST_SCORES` the scores no longer fit the caches.
    """
    num_scores = query.shape[1] * key.shape[1]
    return query.dtype == torch.bfloat16 and num_scores <= _MOST_SCORES and not _has_matrix_unit()


@cache
def _has_matrix_unit() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
