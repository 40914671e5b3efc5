"""Which device a model runs on, in which number format, and how tensors get there."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dlm_model.errors import DeviceError, DeviceLostError

KINDS = ("cpu", "cuda", "mps", "xpu")

LEAST_BF16_CAPABILITY = (8, 0)
"""Compute capability of the first CUDA GPUs with instructions for bf16, as in `torch.cuda.is_bf16_supported`."""

_OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""In errors that are not torch's own, such as those of a library's workspace."""


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
        raise _no_such_device(name) from error
    if device.type not in KINDS:
        raise _no_such_device(name)
    return device


def default_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware has instructions for it, else fp32: PyTorch emulates bf16 there, and is slower.

    A CUDA GPU that is not there is taken for one that has them. fp16 is no way out for those that have none: numbers
    that were trained in bf16 may leave its range.
    """
    if device.type == "cuda" and torch.cuda.is_available():
        is_native = torch.cuda.get_device_capability(device) >= LEAST_BF16_CAPABILITY
        return torch.bfloat16 if is_native else torch.float32
    if device.type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else torch.float32


def disable_cudnn_attention() -> None:
    """Keep attention away from cuDNN, for this process; does nothing where there is no GPU.

    From 2.9 on torch prefers it on compute capabilities 9 and 10, and it makes a plan for every shape that it has not
    seen: 0.44 s forward and 0.55 s backward on a B200 (github.com/modelscope/FunASR/issues/3704). Nearly every batch
    of a training step has a shape of its own, and so has the prompt after every keystroke. The other kernels take any.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The same tensor on a device; a GPU fetches it in its turn, while the CPU goes on.

    That takes pinned memory: from any other, `Tensor.to` waits until the GPU has done all that it was given before.
    """
    if device.type != "cuda" or tensor.device == device:
        return tensor.to(device)
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


def release_memory() -> None:
    """Give the memory of dead tensors back to the device: torch keeps what it frees, to use it again itself."""
    gc.collect()  # modules and recorded passes refer to each other
    torch.cuda.empty_cache()  # does nothing where CUDA was never used


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn what a device raises into one sentence.

    Raises:
        DeviceError: in place of running out of device memory.
        DeviceLostError: in place of CUDA's other errors, after which most calls of this process fail.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _full() from error
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        if not reason.startswith("CUDA error"):
            raise
        if any(words in reason for words in _OUT_OF_MEMORY):
            raise _full() from error
        raise DeviceLostError(
            f"The device has failed ({reason}); restart the server, as a process can seldom use a device after that."
        ) from error


def _full() -> DeviceError:
    return DeviceError("The device has not enough free memory for the model and this request.")


def _no_such_device(name: str) -> DeviceError:
    available = ", ".join(("auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))))
    return DeviceError(f"There is no device {name!r} here (there are: {available}).")
