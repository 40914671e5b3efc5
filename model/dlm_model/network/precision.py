"""How many bits a model's matrices are held in: weight-only rounding by torchao, at load, on the device.

Only the linear layers of the stack are rounded; embeddings, head, norms and routers keep their sixteen bits, and so do
all activations. Importing this module imports neither torch nor torchao.
"""

import logging
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from dlm_model.errors import DeviceError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from dlm_model.network.transformer import Transformer

Precision = Literal["auto", "bf16", "int8", "int4"]

GROUP_SIZE = 64
"""Columns that share a scale and a zero point in four bits."""

BYTES_PER_WEIGHT: dict[Precision, float] = {"int8": 1.0, "int4": 0.5 + 4 / GROUP_SIZE}
"""Bytes per weight of a rounded matrix; the one scale per row of eight bits is not counted."""

COLUMN_MULTIPLES: dict[Precision, int] = {"int4": 1024}
"""Columns of a rounded matrix are padded to a multiple of this, for torchao's product of four-bit weights: of an expert
with 512 columns, half of what is held is padding."""

LEAST_INT4_CAPABILITY = (8, 0)
"""Compute capability that torchao's product of four-bit weights needs."""

_LIBRARY = "torchao"


def weight_format(precision: Precision, device: "torch.device") -> str:
    """The format that `precision` means on a device, in words.

    `auto` is the format that the device computes in: it never rounds. On the processors that were measured no eight-bit
    product is both faster and faithful, and on GPUs none was measured.

    Raises:
        DeviceError: it cannot be had here; the message says what is missing.
    """
    from dlm_model.device import default_dtype  # noqa: PLC0415 - imports torch

    if precision not in BYTES_PER_WEIGHT:
        name = str(default_dtype(device)).removeprefix("torch.")
        return {"bfloat16": "bf16", "float32": "fp32, since this device has no instructions for bf16"}[name]
    if find_spec(_LIBRARY) is None:
        raise DeviceError(f"{precision} weights need {_LIBRARY}: pip install 'dlm-lsp[quantize]'.")
    if precision == "int4" and device.type != "cuda":
        raise DeviceError(f"int4 weights need a CUDA GPU: {_LIBRARY} does not multiply them on {device.type}.")
    if precision == "int4" and _capability(device) < LEAST_INT4_CAPABILITY:
        raise DeviceError("int4 weights need a CUDA GPU of compute capability 8.0 or more, and this one has less.")
    from importlib.metadata import version  # noqa: PLC0415 - imports the reader of e-mail, too

    return f"{precision} weights, {_LIBRARY} {version(_LIBRARY)}"


def _capability(device: "torch.device") -> tuple[int, int]:
    """Compute capability of a CUDA GPU; for one that is not there, enough."""
    import torch  # noqa: PLC0415

    return torch.cuda.get_device_capability(device) if torch.cuda.is_available() else LEAST_INT4_CAPABILITY


def round_weights(network: "Transformer", precision: Precision, device: "torch.device") -> None:
    """Round a network in place and move it to the device, layer by layer, so that it never takes sixteen bits there.

    Raises:
        DeviceError: as `weight_format`.
    """
    weight_format(precision, device)
    # Its import warns about each kernel that this build of torch cannot load, and torch about how it registers types.
    for name in (_LIBRARY, "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_  # noqa: PLC0415

    if precision == "int8":
        config = Int8WeightOnlyConfig(set_inductor_config=False)
    else:
        config = Int4WeightOnlyConfig(
            group_size=GROUP_SIZE, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
        )
    quantize_(network.layers, config, filter_fn=partial(_is_rounded, precision=precision), device=device)
    network.to(device)


def _is_rounded(module: "nn.Module", name: str, *, precision: Precision) -> bool:
    """Whether to round: no router, whose few weights decide much, nor, in four bits, a matrix without whole groups."""
    import torch  # noqa: PLC0415

    if not isinstance(module, torch.nn.Linear) or name.rpartition(".")[2] == "gate":
        return False
    return precision != "int4" or module.in_features % GROUP_SIZE == 0
