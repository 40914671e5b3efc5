"""Each Triton kernel beside PyTorch's own way on a CUDA GPU, to decide which of them to use.

python -m tests.bench.kernels
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_kernels.attention import attend, rotary_angles
from dlm_kernels.confidence import token_statistics
from dlm_model.device import disable_cudnn_attention
from tests.bench.report import print_report

NUM_RUNS = 50


@dataclass(frozen=True, slots=True)
class KernelRow:
    """Milliseconds of a kernel, and of PyTorch's own way to do the same."""

    kernel: str
    sizes: str
    pytorch_ms: float
    triton_ms: float


def measure() -> list[KernelRow]:
    """In the sizes of a 7B model's layer and head."""
    return [
        *(
            attention_row(num_queries, num_memory)
            for num_queries, num_memory in ((128, 1024), (400, 1024), (128, 8192))
        ),
        *(head_row(num_positions) for num_positions in (16, 128)),
    ]


def attention_row(num_queries: int, num_memory: int) -> KernelRow:
    """28 heads of 128 over 4 of keys, and a mask, as recorded passes have it."""
    from dlm_kernels.attention.segments import attend_segments

    query, own_key, own_value = _random(1, num_queries, 28, 128), *_random(2, 1, num_queries, 4, 128)
    memory_key, memory_value = _random(2, 1, num_memory, 4, 128)
    positions = torch.arange(num_queries + num_memory, device="cuda")[None]
    angles = rotary_angles(positions, 128, 1e6, torch.bfloat16)
    of_queries = rotary_angles(positions[:, :num_queries], 128, 1e6, torch.bfloat16)
    may_attend = torch.ones_like(positions, dtype=torch.bool)

    def concatenated() -> Tensor:
        key, value = torch.cat((own_key, memory_key), dim=1), torch.cat((own_value, memory_value), dim=1)
        return attend(query, key, value, of_queries, angles, may_attend=may_attend)

    def segmented() -> Tensor:
        return attend_segments(
            query, own_key, own_value, memory_key, memory_value, of_queries, angles, may_attend=may_attend
        )

    sizes = f"{num_queries} queries, {num_memory} remembered"
    return KernelRow("attention over segments", sizes, _milliseconds(concatenated), _milliseconds(segmented))


def head_row(num_positions: int) -> KernelRow:
    """A vocabulary of 152,064 and 3,584 channels."""
    from dlm_kernels.confidence.head import head_statistics

    hidden, weight = _random(num_positions, 3584), _random(152_064, 3584)
    is_banned = torch.zeros(len(weight), dtype=torch.bool, device="cuda")

    def stored() -> object:
        return token_statistics(F.linear(hidden, weight).masked_fill(is_banned, -torch.inf))

    pytorch_ms, triton_ms = _milliseconds(stored), _milliseconds(lambda: head_statistics(hidden, weight, is_banned))
    return KernelRow("statistics of the head", f"{num_positions} positions", pytorch_ms, triton_ms)


def _random(*sizes: int) -> Tensor:
    return torch.randn(sizes, device="cuda", dtype=torch.bfloat16)


def _milliseconds(work: Callable[[], object]) -> float:
    """Milliseconds of one call among many in a row, by the GPU's own clock."""
    for _ in range(3):
        work()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(NUM_RUNS):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / NUM_RUNS


def main() -> None:
    """Command line."""
    if not torch.cuda.is_available():
        sys.exit("kernels: there is no CUDA GPU here; nothing was measured.")
    disable_cudnn_attention()  # as the engine does
    print_report("kernels", {"hardware": torch.cuda.get_device_name()}, measure())


if __name__ == "__main__":
    main()
