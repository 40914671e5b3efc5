"""Attention of canvas queries over keys that are stored before RoPE and rotated when read.

Because nothing stored depends on where it stands, a suffix that moves by n positions is read with other angles and
recomputed not at all.
"""

import torch.nn.functional as F
from torch import Tensor

from dlm_kernels.attention import reference
from dlm_kernels.attention.reference import Rotation, per_query, rotary_angles, rotate

__all__ = ["Rotation", "attend", "rotary_angles", "rotate"]


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

    Specified by `dlm_kernels.attention.reference.attend`, and tested against it. PyTorch's fused kernel does it, except
    for training on a CPU.

    Args:
        query: [B, T, H, D], before RoPE.
        key: [B, S, K, D], before RoPE; K divides H.
        value: [B, S, K, D].
        query_rotation: Angles of the query positions, [B, T, D] each.
        key_rotation: Angles of the key positions, [B, S, D] each.
        is_valid: [B, S], False where nobody may look at a key, or [B, T, S], where that query may not; None where all
            may look everywhere.

    Returns:
        [B, T, H, D]
    """
    if query.requires_grad and query.device.type == "cpu":
        # There the fused kernel's backward pass takes three times as long as that of the reference's matrix products
        # (33 against 12 ms for [8, 256, 9, 64] in bf16 on one core).
        return reference.attend(query, key, value, query_rotation, key_rotation, is_valid=is_valid)
    query = rotate(query, query_rotation).transpose(1, 2)
    key = rotate(key, key_rotation).transpose(1, 2)
    value = value.transpose(1, 2)
    mask = None if is_valid is None else per_query(is_valid)[:, None]
    if query.requires_grad and mask is not None:
        # On CUDA, PyTorch's memory-efficient kernel takes a mask but no shared key heads; with both, the fallback would
        # keep every score [B, H, T, S] for the backward pass.
        num_sharing = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(num_sharing, dim=1), value.repeat_interleave(num_sharing, dim=1)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=query.shape[1] != key.shape[1])
    return mixed.transpose(1, 2)
