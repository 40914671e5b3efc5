"""`reference.head_statistics` in Triton: what a step needs to know of the logits, without ever storing them.

A program takes a block of positions and a stretch of the vocabulary, and reduces its logits to five numbers per
position: the two highest, the token of the highest, and the two sums from which entropy follows (online softmax, arXiv
1805.02867). A few small tensor operations combine the stretches.

Not yet measured on a GPU. So only the tests and the bench call it: the decoder still reads logits.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from dlm_kernels.confidence.reference import HeadStatistics

BLOCK_POSITIONS = 16
BLOCK_TOKENS = 128
BLOCK_CHANNELS = 64
NUM_STRETCHES = 64


def head_statistics(hidden: Tensor, weight: Tensor, is_banned: Tensor) -> HeadStatistics:
    """Specified by `dlm_kernels.confidence.reference.head_statistics`, which also documents the shapes."""
    num_positions, num_tokens = hidden.shape[0], weight.shape[0]
    length = triton.cdiv(triton.cdiv(num_tokens, NUM_STRETCHES), BLOCK_TOKENS) * BLOCK_TOKENS
    num_stretches = triton.cdiv(num_tokens, length)
    parts = torch.empty(4, num_stretches, num_positions, dtype=torch.float32, device=hidden.device)
    tokens = torch.empty(num_stretches, num_positions, dtype=torch.int32, device=hidden.device)
    _statistics_kernel[(triton.cdiv(num_positions, BLOCK_POSITIONS), num_stretches)](
        *(hidden, weight, is_banned.view(torch.uint8), parts, tokens),
        *(num_positions, num_tokens, hidden.shape[1], length, hidden.stride(0), weight.stride(0)),
        BLOCK_N=BLOCK_POSITIONS,
        BLOCK_V=BLOCK_TOKENS,
        BLOCK_C=BLOCK_CHANNELS,
        PRECISION="ieee" if hidden.dtype == torch.float32 else "tf32",
    )
    highest, second, total, weighted = parts
    return _joined(highest, second, total, weighted, tokens)


def _joined(highest: Tensor, second: Tensor, total: Tensor, weighted: Tensor, tokens: Tensor) -> HeadStatistics:
    """Stretches [P, N] → positions [N]; sums are relative to their stretch's highest logit."""
    best, winner = highest.max(dim=0)
    shift = highest - best
    scale = shift.exp()
    sums = (total * scale).sum(dim=0)
    mean_logit = (scale * (weighted + total * shift)).sum(dim=0) / sums
    others = highest.scatter(0, winner[None], second.gather(0, winner[None]))
    runner_up = others.amax(dim=0)
    return HeadStatistics(
        predicted_ids=tokens.gather(0, winner[None])[0].long(),
        confidence=1 / sums,
        margin=(1 - (runner_up - best).exp()) / sums,
        gap=best - runner_up,
        entropy=sums.log() - mean_logit,
    )


@triton.jit
def _statistics_kernel(
    hidden,
    weight,
    is_banned,
    parts,
    tokens,
    num_positions,
    num_tokens,
    num_channels,
    length,
    hidden_stride,
    weight_stride,
    BLOCK_N: tl.constexpr,
    BLOCK_V: tl.constexpr,
    BLOCK_C: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One block of positions and one stretch of the vocabulary."""
    stretch = tl.program_id(1)
    positions = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_position = positions < num_positions
    highest = tl.full((BLOCK_N,), -1e30, tl.float32)
    second = tl.full((BLOCK_N,), -1e30, tl.float32)
    total = tl.zeros((BLOCK_N,), tl.float32)
    weighted = tl.zeros((BLOCK_N,), tl.float32)
    token = tl.zeros((BLOCK_N,), tl.int32)
    for start in range(stretch * length, tl.minimum((stretch + 1) * length, num_tokens), BLOCK_V):
        columns = start + tl.arange(0, BLOCK_V)
        is_token = columns < num_tokens
        logits = tl.zeros((BLOCK_N, BLOCK_V), tl.float32)
        for channel in range(0, num_channels, BLOCK_C):
            channels = channel + tl.arange(0, BLOCK_C)
            is_channel = channels < num_channels
            x = tl.load(
                hidden + positions[:, None] * hidden_stride + channels[None],
                mask=is_position[:, None] & is_channel[None],
                other=0.0,
            )
            w = tl.load(
                weight + columns[None].to(tl.int64) * weight_stride + channels[:, None],
                mask=is_token[None] & is_channel[:, None],
                other=0.0,
            )
            logits += tl.dot(x, w, input_precision=PRECISION)
        is_allowed = is_token & (tl.load(is_banned + columns, mask=is_token, other=1) == 0)
        logits = tl.where(is_allowed[None], logits, -1e30)
        block_highest = tl.max(logits, axis=1)
        block_index = tl.argmax(logits, axis=1)
        is_best = tl.arange(0, BLOCK_V)[None] == block_index[:, None]
        block_second = tl.max(tl.where(is_best, -1e30, logits), axis=1)
        now_highest = tl.maximum(highest, block_highest)
        second = tl.maximum(tl.minimum(highest, block_highest), tl.maximum(second, block_second))
        token = tl.where(block_highest > highest, start + block_index, token)
        below = highest - now_highest
        shrink = tl.exp(below)
        weighted = shrink * (weighted + tl.where(total > 0, total * below, 0.0))
        differences = tl.where(is_allowed[None], logits - now_highest[:, None], 0.0)
        exponentials = tl.where(is_allowed[None], tl.exp(differences), 0.0)
        total = total * shrink + tl.sum(exponentials, axis=1)
        weighted += tl.sum(exponentials * differences, axis=1)
        highest = now_highest
    plane = tl.num_programs(1) * num_positions
    at = stretch * num_positions + positions
    tl.store(parts + at, highest, mask=is_position)
    tl.store(parts + plane + at, second, mask=is_position)
    tl.store(parts + 2 * plane + at, total, mask=is_position)
    tl.store(parts + 3 * plane + at, weighted, mask=is_position)
    tl.store(tokens + at, token, mask=is_position)
