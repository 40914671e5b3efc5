"""A CUDA device that is not there: tensors that say `cuda:0`, lie on the CPU, and behave in two respects as on a GPU.

They refuse to be combined with tensors of the CPU, and operations that make the CPU wait for them are counted. Memory,
streams and rounding of a GPU are not imitated. A recorded pass is replayed by running it again.
"""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda", 0)
# Operations that need values on the CPU, to return them or to know the size of their result.
_LOOKING = {"cpu", "tolist", "item", "__bool__", "__int__", "__float__", "nonzero", "masked_select", "equal"}
_INDEXING = {"__getitem__", "__setitem__"}


class OnDevice(Tensor):
    """A tensor of the pretended device; outside of `PretendedCuda` one like all others."""


class _Pinned(Tensor):
    """A tensor that the device may fetch while the CPU goes on."""


class PretendedCuda(TorchFunctionMode):
    """Within this context there is a device `cuda:0`; `waits` counts by line how often the CPU had to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], _types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401
        kwargs, name = kwargs or {}, func.__name__
        values = tree_flatten((args, kwargs))[0]
        is_here = any(isinstance(value, OnDevice) for value in values)
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return CUDA if is_here else func(*args)
        named = [value.type for value in values if isinstance(value, torch.device)]
        goes_here = named[0] == "cuda" if named else is_here and name != "cpu"
        if _waits(name, args, kwargs, is_here=is_here, goes_here=goes_here):
            self.waits[_line()] += 1
        elif is_here and name not in {"to", *_INDEXING} and any(map(_is_elsewhere, values)):
            raise RuntimeError(f"{name} of tensors on cuda:0 and on the CPU in {_line()}")
        if name == "pin_memory":
            assert args[0].is_contiguous(), "columns that share memory cannot be pinned"
            return args[0].as_subclass(_Pinned)
        result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
        return tree_map(_put, result) if goes_here else result


def _waits(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, is_here: bool, goes_here: bool) -> bool:
    """Whether a call makes the CPU wait for the device."""
    if name in {"to", "copy_"}:
        source = args[-1] if name == "copy_" else args[0]
        is_async = isinstance(source, _Pinned) and kwargs.get("non_blocking", False)
        return isinstance(source, OnDevice) != goes_here and not is_async
    if name in _INDEXING and is_here:
        indices = args[1] if isinstance(args[1], tuple) else (args[1],)
        is_searched = any(isinstance(index, Tensor) and index.dtype == torch.bool for index in indices)
        is_sent = any(isinstance(value, list) or _is_elsewhere(value) for value in (*indices, *args[2:]))
        return is_searched or is_sent
    return (is_here and name in _LOOKING) or (goes_here and name == "tensor")


def _is_elsewhere(value: object) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, OnDevice) and value.dim() > 0


class Captures:
    """Records passes, as `dlm_model.network.cuda_graphs` does, and counts them."""

    def __init__(self) -> None:
        self.num_captures = self.num_replays = 0

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.num_captures += 1
        result = work()

        def replay() -> None:
            self.num_replays += 1
            result.copy_(work())

        return result, replay


def move(module: nn.Module) -> nn.Module:
    """Put a module's parameters on the device."""
    for part in module.modules():
        part._parameters.update({name: _put(each.data) for name, each in part._parameters.items() if each is not None})
    return module


def _put(value: Any) -> Any:  # noqa: ANN401
    return value.as_subclass(OnDevice) if isinstance(value, Tensor) else value


def _held(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.as_subclass(Tensor) if isinstance(value, OnDevice) else value


def _line() -> str:
    """The innermost line of the project."""
    frame = sys._getframe()
    while frame.f_back and not {"dlm_model", "dlm_kernels"} & {*Path(frame.f_code.co_filename).parts}:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
