"""Four-bit weights: how a matrix is packed on disk and how it comes back. Knows no network and no file format.

The layout is that of the `compressed-tensors` project's `pack-quantized` format, asymmetric, in groups along the
input dimension. A linear layer `NAME.weight [out, in]` is stored as four tensors:

    NAME.weight_packed      int32 [out, in / 8]          eight unsigned 4-bit values a word, the lowest bits first
    NAME.weight_scale       fp16  [out, in / group]
    NAME.weight_zero_point  int32 [ceil(out / 8), in / group]  packed like the weights, but along `out`
    NAME.weight_shape       int64 [2]                    (out, in)

and means `weight = (value - zero_point) * scale`, element by element. The scales minimise the squared error of each
group: a small search over clipped ranges, then a least-squares refit for the integers found.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dlm_model.errors import CheckpointError

GROUP_SIZE = 32
PACKED_SUFFIX = ".weight_packed"
SCALE_SUFFIX = ".weight_scale"
ZERO_POINT_SUFFIX = ".weight_zero_point"
SHAPE_SUFFIX = ".weight_shape"
SUFFIXES = (PACKED_SUFFIX, SCALE_SUFFIX, ZERO_POINT_SUFFIX, SHAPE_SUFFIX)

_MAX_VALUE = 15
_DAMPING = 0.01
_VALUES_PER_WORD = 8
_SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)


def quantize(weight: Tensor, group_size: int = GROUP_SIZE, covariance: Tensor | None = None) -> dict[str, Tensor]:
    """Pack a matrix `[out, in]` into the four tensors of the module docstring, keyed by their suffix.

    Args:
        weight: [out, in]
        group_size: Columns that share a scale.
        covariance: [in, in], mean outer product of the layer's inputs. Given, each column's rounding error is made up
            for in the columns after it, so that outputs and not weights come out right (GPTQ, arXiv 2210.17323).

    Raises:
        ValueError: `in` is not a multiple of the group size, or the group size not one of 8.
    """
    num_rows, num_columns = weight.shape
    if group_size % _VALUES_PER_WORD or num_columns % group_size:
        raise ValueError(f"cannot cut {num_columns} columns into groups of {group_size}, in words of eight values")
    groups = weight.detach().float().reshape(num_rows, -1, group_size)
    if covariance is None:
        scale, zero_point = _fit(groups)
        values = _round(groups, scale, zero_point).flatten(1)
    else:
        values, scale, zero_point = _round_with_feedback(groups, covariance)
    padding = -num_rows % _VALUES_PER_WORD
    zero_point_columns = torch.nn.functional.pad(zero_point.squeeze(2).T, (0, padding))
    return {
        PACKED_SUFFIX: _pack(values),
        SCALE_SUFFIX: scale.squeeze(2).half(),
        ZERO_POINT_SUFFIX: _pack(zero_point_columns).T.contiguous(),
        SHAPE_SUFFIX: torch.tensor([num_rows, num_columns], dtype=torch.int64),
    }


def dequantize(packed: Tensor, scale: Tensor, zero_point: Tensor, shape: Tensor, *, dtype: torch.dtype) -> Tensor:
    """The matrix `[out, in]` that `quantize` packed, up to its rounding.

    Raises:
        CheckpointError: the four tensors do not belong together.
    """
    if shape.shape != (2,):
        raise CheckpointError(f"A packed weight's shape has two numbers, not {shape.numel()}.")
    num_rows, num_columns = (int(size) for size in shape.tolist())
    _check_shapes(packed, scale, zero_point, num_rows, num_columns)
    zero_points = _unpack(zero_point.T)[:, :num_rows].T
    values = _unpack(packed).view(num_rows, scale.shape[1], -1)
    centered = values.view(torch.int8).sub_(zero_points.view(torch.int8).unsqueeze(2))
    return torch.mul(centered, scale.float().unsqueeze(2)).to(dtype).flatten(1)


def dequantize_tensors(tensors: Mapping[str, Tensor], *, dtype: torch.dtype) -> dict[str, Tensor]:
    """A checkpoint's tensors with every packed quadruple replaced by its `.weight`; the others are passed through.

    Raises:
        CheckpointError: a packed weight lacks its scale, zero point or shape.
    """
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith(SUFFIXES)}
    for name in tensors:
        if name.endswith(PACKED_SUFFIX):
            module = name.removesuffix(PACKED_SUFFIX)
            missing = [suffix for suffix in SUFFIXES if module + suffix not in tensors]
            if missing:
                raise CheckpointError(f"Packed weight {name} has no {', '.join(module + each for each in missing)}.")
            plain[f"{module}.weight"] = dequantize(*(tensors[module + suffix] for suffix in SUFFIXES), dtype=dtype)
    return plain


def _fit(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and zero point `[out, groups, 1]` of least squared error for `groups [out, groups, group]`."""
    low = groups.amin(2, keepdim=True).clamp(max=0)
    high = groups.amax(2, keepdim=True).clamp(min=0)
    best_scale, best_zero_point = torch.zeros_like(low), torch.zeros_like(low)
    best_error = torch.full_like(low, torch.inf)
    for shrink in _SHRINKS:
        scale = _storable((high - low) * (shrink / _MAX_VALUE))
        zero_point = (-low * shrink / scale).round().clamp(0, _MAX_VALUE)
        scale = _refit(groups, scale, zero_point)
        restored = (_round(groups, scale, zero_point) - zero_point) * scale
        error = (restored - groups).square().sum(2, keepdim=True)
        is_better = error < best_error
        best_error = torch.where(is_better, error, best_error)
        best_scale = torch.where(is_better, scale, best_scale)
        best_zero_point = torch.where(is_better, zero_point, best_zero_point)
    return best_scale, best_zero_point


def _round_with_feedback(groups: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values `[out, in]`, scales and zero points `[out, groups, 1]`, rounding column by column."""
    group_size = groups.shape[2]
    feedback = _feedback(covariance)
    weight = groups.flatten(1).clone()
    values, scales, zero_points = torch.empty_like(weight), [], []
    for start in range(0, weight.shape[1], group_size):
        end = start + group_size
        block, errors = weight[:, start:end], torch.empty_like(weight[:, start:end])
        scale, zero_point = (part.squeeze(2) for part in _fit(block.unsqueeze(1)))
        for column in range(group_size):
            row = feedback[start + column]
            wanted = block[:, column : column + 1]
            value = _round(wanted, scale, zero_point)
            error = (wanted - (value - zero_point) * scale) / row[start + column]
            block[:, column + 1 :] -= error * row[start + column + 1 : end]
            values[:, start + column : start + column + 1], errors[:, column : column + 1] = value, error
        weight[:, end:] -= errors @ feedback[start:end, end:]
        scales.append(scale)
        zero_points.append(zero_point)
    return values, torch.stack(scales, dim=1), torch.stack(zero_points, dim=1)


def _feedback(covariance: Tensor) -> Tensor:
    """Upper Cholesky factor of the inverse: row *i* says how column *i*'s error spreads over later columns."""
    matrix = covariance.double()
    damped = matrix + torch.eye(len(matrix), dtype=torch.float64) * matrix.diagonal().mean() * _DAMPING
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor.float()


def _refit(groups: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """The scale that fits the integers of the given one best, by least squares."""
    centered = _round(groups, scale, zero_point) - zero_point
    energy = centered.square().sum(2, keepdim=True)
    fitted = (centered * groups).sum(2, keepdim=True) / energy.clamp(min=1)
    return torch.where((energy > 0) & (fitted > 0), _storable(fitted), scale)


def _storable(scale: Tensor) -> Tensor:
    """A scale as fp16 will hold it, never zero."""
    limits = torch.finfo(torch.float16)
    return scale.clamp(limits.tiny, limits.max).half().float()


def _round(groups: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    return (groups / scale + zero_point).round().clamp(0, _MAX_VALUE)


def _pack(values: Tensor) -> Tensor:
    """Whole numbers 0..15 `[rows, 8 n]` as words `[rows, n]`."""
    nibbles = values.to(torch.uint8).reshape(len(values), -1, 2)
    return (nibbles[..., 0] | nibbles[..., 1] << 4).contiguous().view(torch.int32)


def _unpack(words: Tensor) -> Tensor:
    """Words `[rows, n]` as numbers 0..15 `[rows, 8 n]`, uint8."""
    pairs = words.contiguous().view(torch.uint8)
    return torch.stack((pairs & _MAX_VALUE, pairs >> 4), dim=2).flatten(1)


def _check_shapes(packed: Tensor, scale: Tensor, zero_point: Tensor, num_rows: int, num_columns: int) -> None:
    num_groups = scale.shape[1] if scale.dim() == 2 else 0
    fits = (
        packed.dtype == zero_point.dtype == torch.int32
        and packed.shape == (num_rows, num_columns // _VALUES_PER_WORD)
        and num_groups > 0
        and num_columns % num_groups == 0
        and scale.shape[0] == num_rows
        and zero_point.shape == (-(-num_rows // _VALUES_PER_WORD), num_groups)
    )
    if not fits:
        raise CheckpointError(
            f"A packed weight of {num_rows} × {num_columns} does not fit its parts: words {tuple(packed.shape)}, "
            f"scales {tuple(scale.shape)}, zero points {tuple(zero_point.shape)}."
        )
