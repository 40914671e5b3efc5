"""The least time that a step takes on this machine, and what the machine is.

A step reads every weight once and multiplies every token with every weight: its floor is the longer of the two.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dlm_model.network.transformer import Transformer

# Dense bf16 TFLOP/s and GB/s from the makers' data sheets; for any other card both are measured.
GPU_SPECS: dict[str, tuple[float, float]] = {
    "B200": (2250, 8000),
    "H200": (989, 4800),
    "H100 PCIe": (756, 2000),
    "H100": (989, 3350),
    "A100-SXM4-80GB": (312, 2039),
    "A100": (312, 1555),
    "L40S": (362, 864),
    "L40": (181, 864),
    "L4": (121, 300),
    "RTX 5090": (210, 1792),
    "RTX 4090": (165, 1008),
    "RTX 4080": (97, 717),
    "RTX 4070": (58, 504),
    "RTX 3090": (71, 936),
    "RTX 3080": (60, 760),
    "RTX 3060": (25, 360),
}
MEASURED_MIB = 256
MEASURED_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """Bytes and floating-point operations per second, and their source: `measured` or `data sheet`."""

    name: str
    bandwidth: float
    peak_flops: float
    source: str

    def floor_ms(self, network: Transformer, num_tokens: int) -> float:
        """Least milliseconds of a forward over so many tokens, without reading their keys and values."""
        weights = [parameter for name, parameter in network.named_parameters() if _is_multiplied(network, name)]
        num_bytes = sum(map(held_bytes, weights))
        num_flops = 2 * num_tokens * sum(weight.numel() for weight in weights)
        return 1000 * max(num_bytes / self.bandwidth, num_flops / self.peak_flops)


def this_machine(network: Transformer) -> Machine:
    """The machine that a network runs on."""
    device, dtype = network.device, network.embed_tokens.weight.dtype
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    for card, (tera_flops, giga_bytes) in GPU_SPECS.items():
        if device.type == "cuda" and card in name:
            return Machine(name, giga_bytes * 1e9, tera_flops * 1e12, "data sheet")
    return Machine(name, _measured_bandwidth(device), _measured_flops(device, dtype), "measured")


def hardware(network: Transformer, machine: Machine) -> dict[str, object]:
    """Fields that every bench prints beside its rows."""
    return {
        "hardware": machine.name,
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "dtype": str(network.embed_tokens.weight.dtype).removeprefix("torch."),
        "gigabytes_per_second": round(machine.bandwidth / 1e9, 1),
        "teraflops": round(machine.peak_flops / 1e12, 3),
        "floor_source": machine.source,
    }


def held_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor, or of the parts that a rounded one consists of."""
    held = tensor.data
    if type(held) is Tensor:
        return held.numel() * held.element_size()
    names, _ = held.__tensor_flatten__()
    return sum(held_bytes(getattr(held, name)) for name in names)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mib(device: torch.device) -> float:
    """Peak memory so far: that of the GPU, or else that of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource  # late, because Windows has no such module, and all else here works there

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _is_multiplied(network: Transformer, name: str) -> bool:
    """Whether a step reads all of it; of an embedding that is not also the head, only some rows are looked up."""
    return name != "embed_tokens.weight" or network.lm_head is None


def _measured_bandwidth(device: torch.device) -> float:
    """Bytes per second that are read by a sum over more than the caches hold; the best of five."""
    block = torch.ones(MEASURED_MIB * 2**18, device=device)
    return MEASURED_MIB * 2**20 / _fastest(block.sum, device)


def _measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a square matrix product; the best of five."""
    matrix = torch.ones(MEASURED_ROWS, MEASURED_ROWS, device=device, dtype=dtype)
    return 2 * MEASURED_ROWS**3 / _fastest(lambda: matrix @ matrix, device)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def processor() -> str:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
