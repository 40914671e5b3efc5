"""Compile the Triton kernels for absent GPUs as they would be launched; runs as a process of its own.

    python -m tests.kernels.triton_compiled 80 86 90

Prints one JSON object a line: the resources that each kernel takes of its GPU.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from dlm_kernels.attention import rotary_angles
from dlm_kernels.attention.segments import attend_segments
from dlm_kernels.confidence.head import head_statistics

Start = Callable[[], object]


class AbsentGpu:
    """The answers of a driver that the launcher asks for before it compiles."""

    def __init__(self, capability: int) -> None:
        self._capability = capability

    def get_current_device(self) -> int:
        return self._capability  # compiled kernels are kept per device

    def get_current_stream(self, _device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._capability, 32)


def attention(dtype: torch.dtype, head_dim: int, num_heads: tuple[int, int], num_tokens: int, mask: str) -> Start:
    """Heads of queries and of keys, over so many own tokens, and so many remembered ones."""
    query, key = (torch.zeros(1, num_tokens, number, head_dim, dtype=dtype) for number in num_heads)
    positions = torch.zeros(1, 2 * num_tokens, dtype=torch.long)
    rotations = [rotary_angles(p, head_dim, 1e4, dtype) for p in (positions[:, :num_tokens], positions)]
    size = {"padded": positions.shape, "per query": (1, num_tokens, 2 * num_tokens)}[mask]
    may_attend = torch.ones(size, dtype=torch.bool)
    return lambda: attend_segments(query, key, key, key, key, *rotations, may_attend=may_attend)


def head(dtype: torch.dtype) -> Start:
    hidden, weight = torch.zeros(16, 896, dtype=dtype), torch.zeros(9000, 896, dtype=dtype)
    return lambda: head_statistics(hidden, weight, torch.zeros(9000, dtype=torch.bool))


STARTS: dict[str, Callable[[], Start]] = {
    "attention, bf16, heads of 128": lambda: attention(torch.bfloat16, 128, (28, 4), 128, "padded"),
    "attention, bf16, heads of 64": lambda: attention(torch.bfloat16, 64, (9, 3), 64, "per query"),
    "attention, fp32, heads of 64": lambda: attention(torch.float32, 64, (3, 1), 70, "per query"),
    "head, bf16": lambda: head(torch.bfloat16),
    "head, fp32": lambda: head(torch.float32),
}


def compiled(start: Start) -> Any:  # noqa: ANN401
    """The kernel that would be launched; it is compiled only."""
    kernels: list[Any] = []
    run = JITFunction.run

    def compile_only(self: Any, *args: object, grid: object, warmup: bool, **options: object) -> Any:  # noqa: ANN401, ARG001
        kernels.append(run(self, *args, grid=grid, warmup=True, **options))
        return kernels[-1]

    JITFunction.run = compile_only
    try:
        start()
    finally:
        JITFunction.run = run
    return kernels[0]


def spilled_bytes(kernel: Any, capability: int) -> int:  # noqa: ANN401
    """Registers that a thread keeps in memory, as the assembler counts them."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(kernel.asm["ptx"])
        file.flush()
        gpu = re.search(r"\.target (sm_\w+)", kernel.asm["ptx"])
        assert gpu
        command = [get_ptxas(capability).path, "-v", "--regAllocOptLevel=2", f"--gpu-name={gpu[1]}", file.name]
        told = subprocess.run([*command, "-o", "/dev/null"], capture_output=True, text=True, check=True).stderr
    return max(map(int, re.findall(r"(\d+) bytes spill stores", told)))


def measured(capability: int) -> Iterator[dict[str, object]]:
    driver.set_active(AbsentGpu(capability))
    for name, prepare in STARTS.items():
        kernel = compiled(prepare())
        yield {
            "capability": capability,
            "kernel": name,
            "shared_bytes": kernel.metadata.shared,
            "spilled_bytes": spilled_bytes(kernel, capability),
        }


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        for found in measured(int(argument)):
            print(json.dumps(found), flush=True)
