"""`attend` in Triton, over two segments of keys (the canvas' own and the cached ones) without concatenating them.

One program takes a block of one head's queries, rotates it, and walks over both segments; each block of keys is rotated
when it is read, and discarded when it is done (FlashAttention-2, arXiv 2307.08691). Specified by
`dlm_kernels.attention.reference.attend` on the concatenated keys, and tested against it in Triton's interpreter. A test
that needs no GPU compiles it for the GPUs that it should run on, and checks that it fits their resources.

Not yet measured on a GPU. So only the tests and the bench call it: `attend` still uses PyTorch's kernel.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from dlm_kernels.attention.reference import Rotation, per_query

LOG2_E = 1.4426950408889634


class Blocks(NamedTuple):
    """How much one program works on at a time, and how many blocks of keys it loads ahead."""

    queries: int
    keys: int
    num_stages: int


def blocks(head_dim: int, dtype: torch.dtype) -> Blocks:
    """Blocks that fit the registers, and the shared memory of the smallest GPUs with bf16: 99 KB (8.6, 8.9).

    64 x 64 with three stages took 147 KB for heads of 128 in bf16, which only data-centre GPUs have. In fp32, which no
    matrix unit multiplies, a block's operands are held in registers, and 64 x 64 spilled 54 KB a thread.
    """
    if dtype.itemsize > 2:
        return Blocks(32 if head_dim <= 64 else 16, 32 if head_dim <= 32 else 16, 2)
    if head_dim > 128:
        return Blocks(32, 16, 2)
    return Blocks(64, 32, 3 if head_dim <= 64 else 2)


def attend_segments(
    query: Tensor,
    own_key: Tensor,
    own_value: Tensor,
    memory_key: Tensor,
    memory_value: Tensor,
    query_rotation: Rotation,
    key_rotation: Rotation,
    *,
    may_attend: Tensor | None = None,
) -> Tensor:
    """Attend to the own keys and to the remembered ones.

    Args:
        query: [B, T, H, D], before RoPE; D is a power of 2, at least 32.
        own_key: [B, N, K, D], before RoPE; K divides H.
        own_value: [B, N, K, D].
        memory_key: [B, S, K, D], before RoPE; rows may share their memory.
        memory_value: [B, S, K, D].
        query_rotation: [B, T, D] each.
        key_rotation: [B, N + S, D] each, the own keys first.
        may_attend: As in `dlm_kernels.attention.attend`, over N + S keys. Every query may attend to one key at least.

    Returns:
        [B, T, H, D]
    """
    num_rows, num_queries, num_heads, size = query.shape
    mixed = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    cos, sin = (angles[..., : size // 2].contiguous() for angles in key_rotation)
    query_cos, query_sin = (angles[..., : size // 2].contiguous() for angles in query_rotation)
    mask = None if may_attend is None else per_query(may_attend).expand(num_rows, num_queries, -1)
    block = blocks(size, query.dtype)
    grid = (triton.cdiv(num_queries, block.queries), num_rows * num_heads)
    _attend_kernel[grid](
        *(query, mixed, query_cos, query_sin, cos, sin),
        *(own_key, own_value, memory_key, memory_value),
        query if mask is None else mask.view(torch.uint8),
        *(num_queries, own_key.shape[1], memory_key.shape[1], num_heads, num_heads // own_key.shape[2]),
        size**-0.5 * LOG2_E,
        *(query.stride()[:3] + mixed.stride()[:3] + query_cos.stride()[:2] + cos.stride()[:2]),
        *(own_key.stride()[:3] + own_value.stride()[:3] + memory_key.stride()[:3] + memory_value.stride()[:3]),
        *((0, 0, 0) if mask is None else mask.stride()),
        HALF=size // 2,
        HAS_MASK=mask is not None,
        BLOCK_T=block.queries,
        BLOCK_S=block.keys,
        PRECISION="ieee" if query.dtype == torch.float32 else "tf32",
        num_stages=block.num_stages,
    )
    return mixed


@triton.jit
def _absorb(
    state,
    query_left,
    query_right,
    key,
    value,
    cos,
    sin,
    mask,
    is_query,
    num_keys,
    scale,
    key_stride,
    value_stride,
    angle_stride,
    mask_query_stride,
    mask_key_stride,
    HALF: tl.constexpr,
    HAS_MASK: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_S: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Walk over one segment: (highest score, sum of weights, weighted values) before → after, scores in base 2."""
    highest, total, mixed = state
    half = tl.arange(0, HALF)
    dims = tl.arange(0, 2 * HALF)
    dtype = query_left.dtype
    for start in range(0, num_keys, BLOCK_S):
        at = start + tl.arange(0, BLOCK_S)
        is_inside = at < num_keys
        of_keys = key + at[None] * key_stride + half[:, None]
        left = tl.load(of_keys, mask=is_inside[None], other=0.0).to(tl.float32)
        right = tl.load(of_keys + HALF, mask=is_inside[None], other=0.0).to(tl.float32)
        of_angles = at[None] * angle_stride + half[:, None]
        c = tl.load(cos + of_angles, mask=is_inside[None], other=0.0).to(tl.float32)
        s = tl.load(sin + of_angles, mask=is_inside[None], other=0.0).to(tl.float32)
        scores = tl.dot(query_left, (left * c - right * s).to(dtype), input_precision=PRECISION)
        scores += tl.dot(query_right, (right * c + left * s).to(dtype), input_precision=PRECISION)
        may_look = is_query[:, None] & is_inside[None]
        if HAS_MASK:
            rows = tl.arange(0, BLOCK_T)[:, None]
            looks = tl.load(mask + rows * mask_query_stride + at[None] * mask_key_stride, mask=may_look, other=0)
            may_look &= looks != 0
        scores = tl.where(may_look, scores * scale, -1e30)
        now_highest = tl.maximum(highest, tl.max(scores, axis=1))
        weights = tl.where(may_look, tl.exp2(scores - now_highest[:, None]), 0.0)
        shrink = tl.exp2(highest - now_highest)
        values = tl.load(value + at[:, None] * value_stride + dims[None], mask=is_inside[:, None], other=0.0)
        total = total * shrink + tl.sum(weights, axis=1)
        mixed = mixed * shrink[:, None] + tl.dot(weights.to(dtype), values.to(dtype), input_precision=PRECISION)
        highest = now_highest
    return highest, total, mixed


@triton.jit
def _attend_kernel(
    query,
    mixed,
    query_cos,
    query_sin,
    cos,
    sin,
    own_key,
    own_value,
    memory_key,
    memory_value,
    mask,
    num_queries,
    num_own,
    num_memory,
    num_heads,
    heads_per_kv,
    scale,
    qb,
    qt,
    qh,
    mb,
    mt,
    mh,
    aqb,
    aqt,
    ab,
    at,
    okb,
    oks,
    okh,
    ovb,
    ovs,
    ovh,
    mkb,
    mks,
    mkh,
    mvb,
    mvs,
    mvh,
    vb,
    vt,
    vs,
    HALF: tl.constexpr,
    HAS_MASK: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_S: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One block of one head's queries in one row. The short names are strides: a tensor's, then its dimension's."""
    first = tl.program_id(0) * BLOCK_T
    row, head = tl.program_id(1) // num_heads, tl.program_id(1) % num_heads
    kv_head = head // heads_per_kv
    own, half = first + tl.arange(0, BLOCK_T), tl.arange(0, HALF)
    is_query = own < num_queries
    of_query = query + row * qb + head * qh + own[:, None] * qt + half[None]
    left = tl.load(of_query, mask=is_query[:, None], other=0.0).to(tl.float32)
    right = tl.load(of_query + HALF, mask=is_query[:, None], other=0.0).to(tl.float32)
    of_angles = row * aqb + own[:, None] * aqt + half[None]
    c = tl.load(query_cos + of_angles, mask=is_query[:, None], other=0.0).to(tl.float32)
    s = tl.load(query_sin + of_angles, mask=is_query[:, None], other=0.0).to(tl.float32)
    dtype = query.dtype.element_ty
    turned_left, turned_right = (left * c - right * s).to(dtype), (right * c + left * s).to(dtype)
    state = (
        tl.full((BLOCK_T,), -1e30, tl.float32),
        tl.zeros((BLOCK_T,), tl.float32),
        tl.zeros((BLOCK_T, 2 * HALF), tl.float32),
    )
    of_row = mask + row * vb + first * vt
    state = _absorb(
        state,
        turned_left,
        turned_right,
        own_key + row * okb + kv_head * okh,
        own_value + row * ovb + kv_head * ovh,
        cos + row * ab,
        sin + row * ab,
        of_row,
        is_query,
        num_own,
        scale,
        oks,
        ovs,
        at,
        vt,
        vs,
        HALF,
        HAS_MASK,
        BLOCK_T,
        BLOCK_S,
        PRECISION,
    )
    after_own = row * ab + num_own * at
    state = _absorb(
        state,
        turned_left,
        turned_right,
        memory_key + row * mkb + kv_head * mkh,
        memory_value + row * mvb + kv_head * mvh,
        cos + after_own,
        sin + after_own,
        of_row + num_own * vs,
        is_query,
        num_memory,
        scale,
        mks,
        mvs,
        at,
        vt,
        vs,
        HALF,
        HAS_MASK,
        BLOCK_T,
        BLOCK_S,
        PRECISION,
    )
    _, total, summed = state
    dims = tl.arange(0, 2 * HALF)
    of_mixed = mixed + row * mb + head * mh + own[:, None] * mt + dims[None]
    tl.store(of_mixed, (summed / tl.where(total > 0, total, 1.0)[:, None]).to(dtype), mask=is_query[:, None])
