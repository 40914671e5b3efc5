"""Which device a model runs on, and in which number format."""

import torch

from dlm_model.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """A device that exists: `auto` takes the first CUDA GPU and otherwise the CPU.

    Raises:
        DeviceError: the name is not a device, or this machine has no such one.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ", ".join(("auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))))
        raise DeviceError(f"There is no device {name!r} here (there are: {available}).") from error
    return device


def default_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it faster than fp32: CUDA GPUs, and CPUs with bf16 instructions.

    On a CPU without them PyTorch emulates bf16 and is slower than fp32.
    """
    if device.type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else torch.float32
