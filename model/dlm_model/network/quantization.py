"""Eight-bit weights: how a matrix is rounded for the disk, and restored. Knows no network and no file format.

The layout is that of the `compressed-tensors` project's `int-quantized` format, symmetric, one scale a row. A matrix
`NAME.weight [out, in]` is stored as `NAME.weight`, int8 of the same shape, and `NAME.weight_scale`, fp32 [out, 1]:
`weight = value * scale`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dlm_model.errors import CheckpointError

WEIGHT_SUFFIX = ".weight"
SCALE_SUFFIX = ".weight_scale"

_MAX_VALUE = 127


def quantize(weight: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Round a matrix `[out, in]` into its two tensors, keyed by their suffix.

    Args:
        weight: The matrix.
        generator: Rounds up or down at random, in the mean to the weight itself. A matrix that was rounded before and
            changed by less than half a step since would otherwise be rounded back. None rounds to the nearest.
    """
    weight = weight.detach().float()
    largest = weight.abs().amax(dim=1, keepdim=True)
    scale = (largest / _MAX_VALUE).clamp_min(torch.finfo(torch.float32).tiny)
    steps = weight / scale
    values = steps.round() if generator is None else (steps + torch.rand(steps.shape, generator=generator)).floor()
    return {WEIGHT_SUFFIX: values.clamp(-_MAX_VALUE, _MAX_VALUE).to(torch.int8), SCALE_SUFFIX: scale}


def dequantize_tensors(tensors: Mapping[str, Tensor], *, dtype: torch.dtype) -> dict[str, Tensor]:
    """A checkpoint's tensors with every rounded matrix expanded; the others are passed through.

    Raises:
        CheckpointError: a matrix lacks its scale, a scale its matrix, or they do not fit.
    """
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE_SUFFIX):
            if name.removesuffix(SCALE_SUFFIX) + WEIGHT_SUFFIX not in tensors:
                raise CheckpointError(f"The scale {name} belongs to no weight.")
        elif tensor.dtype == torch.int8:
            plain[name] = _dequantize(name, tensor, tensors.get(name.removesuffix(WEIGHT_SUFFIX) + SCALE_SUFFIX), dtype)
        else:
            plain[name] = tensor
    return plain


def dequantize_tensor(tensors: Mapping[str, Tensor], name: str, *, dtype: torch.dtype) -> Tensor:
    """One of a checkpoint's tensors, expanded if it is rounded; no other is.

    Raises:
        CheckpointError: it lacks its scale, or they do not fit.
    """
    keys = (name, name.removesuffix(WEIGHT_SUFFIX) + SCALE_SUFFIX)
    return dequantize_tensors({key: tensors[key] for key in keys if key in tensors}, dtype=dtype)[name].to(dtype)


def _dequantize(name: str, values: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
    if scale is None:
        raise CheckpointError(f"{name} is stored in eight bits and has no scale.")
    if values.dim() != 2 or scale.shape != (len(values), 1):
        raise CheckpointError(f"{name} of shape {tuple(values.shape)} does not fit its scales {tuple(scale.shape)}.")
    # In fp32: rounded to bf16 first, the scale of a row would be off by up to half a step of its largest integers.
    return (values.float() * scale).to(dtype)
