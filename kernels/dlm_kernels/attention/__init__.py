"""Attention of canvas queries over keys that are stored before RoPE and rotated when read.

As nothing stored depends on its position, a suffix that moves by n positions is merely read with other angles, and
nothing of it is recomputed.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_kernels.attention import reference
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
    is_valid: Tensor | None = None,
) -> Tensor:
    """Rotate queries and keys, then attend to every key that is valid.

    Specified by `dlm_kernels.attention.reference.attend`, and tested against it. Runs PyTorch's fused kernel, except on
    a CPU where the reference's matrix products are faster.

    Args:
        query: [B, T, H, D], before RoPE.
        key: [B, S, K, D], before RoPE; K divides H.
        value: [B, S, K, D].
        query_rotation: Angles of the query positions, [B, T, D] each.
        key_rotation: Angles of the key positions, [B, S, D] each.
        is_valid: [B, S], the keys that all queries may attend to, or [B, T, S], those that each query may; None for no
            restriction.

    Returns:
        [B, T, H, D]
    """
    # The fused kernel's backward pass takes three times as long as that of the reference's matrix products (33 against
    # 12 ms for [8, 256, 9, 64] in bf16 on one core).
    if query.device.type == "cpu" and (query.requires_grad or _is_faster_unfused(query, key)):
        return reference.attend(query, key, value, query_rotation, key_rotation, is_valid=is_valid)
    query, key = rotate(query, query_rotation), rotate(key, key_rotation)
    mask = None if is_valid is None else per_query(is_valid)[:, None]
    if query.device.type != "cpu" and query.shape[2] != key.shape[2]:
        return _attend_by_group(query, key, value, mask)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=query.shape[1] != key.shape[1])
    return mixed.transpose(1, 2)


def _attend_by_group(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend with heads that share keys, as one head that has the queries of them all.

    On CUDA, PyTorch has no fused kernel for shared key heads with a mask, and before compute capability 8 none without
    one: it would repeat the keys, and store all scores in fp32. Every recorded pass has a mask.

    Args:
        query: [B, T, H, D]
        key: [B, S, K, D]
        value: [B, S, K, D]
        mask: [B, 1, T or 1, S]
    """
    num_rows, num_queries, num_heads, size = query.shape
    num_groups = key.shape[2]
    num_sharing = num_heads // num_groups
    split = query.reshape(num_rows, num_queries, num_groups, num_sharing, size)
    by_group = split.permute(0, 2, 3, 1, 4).flatten(2, 3)
    if mask is not None and mask.shape[2] > 1:
        mask = mask.repeat(1, 1, num_sharing, 1)
    mixed = F.scaled_dot_product_attention(by_group, key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask)
    joined = mixed.reshape(num_rows, num_groups, num_sharing, num_queries, size)
    return joined.permute(0, 3, 1, 2, 4).flatten(2, 3)


def _is_faster_unfused(query: Tensor, key: Tensor) -> bool:
    """Whether two matrix products with the scores stored in between are faster than the fused kernel.

    In bf16 on a processor without a matrix unit (AVX512), the fused kernel takes twice as long: 2.2 against 1.0 ms for
    64 queries of 9 heads over 1,088 keys on one core of an AMD EPYC (family 26), and 14.7 against 6.4 ms for 512 over
    1,024. Beyond `_MOST_SCORES` the scores no longer fit the caches.
    """
    num_scores = query.shape[1] * key.shape[1]
    return query.dtype == torch.bfloat16 and num_scores <= _MOST_SCORES and not _has_matrix_unit()


@cache
def _has_matrix_unit() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
