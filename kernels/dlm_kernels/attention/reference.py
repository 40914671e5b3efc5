"""The specification: attention over keys stored before RoPE, written as the formula on paper.

RoPE (arXiv 2104.09864) in the half-rotation layout of Hugging Face's Llama and Qwen checkpoints: dimension i is rotated
together with i + D/2.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Rotation(NamedTuple):
    """Cosine and sine of every position's angles, [B, S, D] each, in the dtype of the keys that they rotate."""

    cos: Tensor
    sin: Tensor


def rotary_angles(
    position_ids: Tensor, head_dim: int, theta: float, dtype: torch.dtype, *, rotary_dim: int | None = None
) -> Rotation:
    """Angles of positions [B, S], computed in fp32: bf16 cannot tell neighbouring positions apart beyond 256.

    With `rotary_dim`, only so many dimensions are rotated: the first `rotary_dim` / 2, and their partners. All others
    get the angle 0.
    """
    rotary_dim = head_dim if rotary_dim is None else rotary_dim
    exponents = torch.arange(0, rotary_dim, 2, dtype=torch.float32, device=position_ids.device) / rotary_dim
    angles = position_ids[..., None].float() * theta**-exponents
    angles = F.pad(angles, (0, (head_dim - rotary_dim) // 2))
    angles = torch.cat((angles, angles), dim=-1)
    return Rotation(angles.cos().to(dtype), angles.sin().to(dtype))


def rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Rotate heads [B, S, H, D] by their positions' angles."""
    left, right = heads.chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return heads * rotation.cos[:, :, None] + turned * rotation.sin[:, :, None]


def per_query(may_attend: Tensor) -> Tensor:
    """Validity of keys, [B, S] or [B, T, S], as [B, T or 1, S]."""
    return may_attend if may_attend.dim() == 3 else may_attend[:, None]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_rotation: Rotation,
    key_rotation: Rotation,
    *,
    may_attend: Tensor | None = None,
) -> Tensor:
    """softmax(q kᵀ / √D) v per head, without fusion. Shapes as in `dlm_kernels.attention.attend`."""
    num_kv_heads = key.shape[2]
    grouped = rotate(query, query_rotation).view(*query.shape[:2], num_kv_heads, -1, query.shape[-1])
    scores = torch.einsum("btkgd,bskd->bkgts", grouped, rotate(key, key_rotation)) * query.shape[-1] ** -0.5
    if may_attend is not None:
        scores = scores.masked_fill(~per_query(may_attend)[:, None, None], -torch.inf)
    return torch.einsum("bkgts,bskd->btkgd", scores.softmax(dim=-1), value).flatten(2, 3)
