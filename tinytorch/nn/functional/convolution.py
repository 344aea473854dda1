"""Convolutions: windows of the input, as the columns of one matrix product.

The columns of all images stand side by side, channels and offsets inside a window above one
another: one large product instead of one an image, and the same for the gradient of the weight.
Where every output channel reads one input channel, the windows are multiplied and summed in place,
and no columns are stored.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.nn.functional.sizes import per_axis
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions import matmul
from tinytorch.tracer.functions.padding import constant_pad_nd
from tinytorch.tracer.functions.windows import added_windows, windows
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: Any = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation along one axis: input (N, C, L) or (C, L), weight (O, C / groups, K).

    Arguments and errors as in ``conv2d``.
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: Any = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of images (N, C, H, W) or (C, H, W) with weight (O, C / groups, KH, KW).

    Result (N, O, H', W'), H' = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1.
    ``padding`` is a number, one an axis, ``"valid"`` (none) or ``"same"`` (H' = H; stride 1 only,
    an odd pixel goes to the end). Half precision is computed in float32. Raises RuntimeError
    where shapes, dtypes or settings do not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: Any = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W) with weight (O, C / groups, ...).

    Arguments and errors as in ``conv2d``.
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: Any = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transpose of ``conv1d``: input (N, C, L), weight (C, O / groups, K)."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: Any = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transpose of ``conv2d``: input (N, C, H, W) or (C, H, W), weight (C, O / groups, KH, KW).

    Result (N, O, H', W'), H' = (H - 1) * stride - 2 * padding + dilation * (KH - 1)
    + output_padding + 1. Raises RuntimeError where shapes, dtypes or settings do not fit.
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: Any = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transpose of ``conv3d``: input (N, C, D, H, W), weight (C, O / groups, ...)."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Windows of images (N, C, H, W) or (C, H, W) as columns: (N, C * KH * KW, L)."""
    check_tensor(input, "unfold")
    _check_images(input, "unfold", 2)
    kernel, gaps, pads, steps = (
        per_axis(v, 2, "unfold", name) for v, name in (
            (kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"),
            (stride, "stride"),
        )
    )  # fmt: skip
    if min(kernel) < 1 or min(steps) < 1 or min(gaps) < 1 or min(pads) < 0:
        raise RuntimeError(
            f"unfold: kernel size, stride and dilation should be greater than zero, padding not "
            f"negative, but got {kernel}, {steps}, {gaps} and {pads}"
        )
    batched = input if input.ndim == 4 else input.unsqueeze(0)
    n, c = batched.shape[:2]
    seen = _seen(batched, kernel, steps, [(p, p) for p in pads], gaps, "unfold")
    out = seen.permute(0, 1, 4, 5, 2, 3).reshape(
        n, c * math.prod(kernel), math.prod(seen.shape[2:4])
    )
    return out if input.ndim == 4 else out.squeeze(0)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Transpose of ``unfold``: columns (N, C * KH * KW, L) or (C * KH * KW, L) added into images.

    Raises RuntimeError unless the columns are as many as the windows of ``output_size``.
    """
    check_tensor(input, "fold")
    names = ("output_size", "kernel_size", "dilation", "padding", "stride")
    size, kernel, gaps, pads, steps = (
        per_axis(v, 2, "fold", name) for v, name in zip(
            (output_size, kernel_size, dilation, padding, stride), names, strict=True
        )
    )  # fmt: skip
    if input.ndim not in (2, 3):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    if min(kernel) < 1 or min(steps) < 1 or min(gaps) < 1:
        raise RuntimeError(
            "fold: kernel size, stride and dilation should be greater than zero, but got "
            f"{kernel}, {steps} and {gaps}"
        )
    batched = input if input.ndim == 3 else input.unsqueeze(0)
    n, rows, columns = batched.shape
    if rows % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={kernel}."
        )
    padded = [s + 2 * p for s, p in zip(size, pads, strict=True)]
    counts = [
        (s - d * (k - 1) - 1) // t + 1
        for s, d, k, t in zip(padded, gaps, kernel, steps, strict=True)
    ]
    if columns != math.prod(counts) or min(counts) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={gaps}, padding={pads}, "
            f"stride={steps}, expected size of input's dimension 2 to match the calculated number "
            f"of sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got "
            f"input.size(2)={columns}."
        )
    c = rows // math.prod(kernel)
    laid = batched.reshape(n, c, *kernel, *counts).permute(0, 1, 4, 5, 2, 3)
    whole = added_windows(laid, (2, 3), steps, gaps, (n, c, *padded))
    out = whole[:, :, pads[0] : pads[0] + size[0], pads[1] : pads[1] + size[1]].contiguous()
    return out if input.ndim == 3 else out.squeeze(0)


# ------------------------------------------------------------------- the parts


def _check_images(input: Tensor, function: str, n: int) -> None:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {function}, but got "
            f"input of size: {list(input.shape)}"
        )


def _check_operands(
    function: str, n: int, input: Tensor, weight: Tensor, bias: Tensor | None
) -> None:
    check_tensor(input, function)
    check_tensor(weight, function)
    _check_images(input, function, n)
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"{function}: expected weight to be {n + 2}-dimensional, but got weight of size "
            f"{list(weight.shape)}"
        )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype.name}) and {name} type ({other.dtype.name}) should be "
                "the same"
            )


def _check_bias(bias: Tensor | None, channels: int, weight: Tensor) -> None:
    if bias is not None and tuple(bias.shape) != (channels,):
        raise RuntimeError(
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with "
            f"{channels} elements, but got bias of size {list(bias.shape)} instead"
        )


def _settings(
    function: str, n: int, stride: Any, dilation: Any, groups: Any
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    steps = per_axis(stride, n, function, "stride")
    gaps = per_axis(dilation, n, function, "dilation")
    count = per_axis(groups, 1, function, "groups")[0]
    if min(steps) < 1:
        raise RuntimeError("non-positive stride is not supported")
    if min(gaps) < 1:
        raise RuntimeError("dilation should be greater than zero")
    if count < 1:
        raise RuntimeError("non-positive groups is not supported")
    return steps, gaps, count


def _borders(
    function: str, padding: Any, kernel: tuple[int, ...], steps: tuple[int, ...],
    gaps: tuple[int, ...],
) -> list[tuple[int, int]]:  # fmt: skip
    """Zeros before and after along each axis."""
    if not isinstance(padding, str):
        found = per_axis(padding, len(kernel), function, "padding")
        if min(found) < 0:
            raise RuntimeError("negative padding is not supported")
        return [(p, p) for p in found]
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if max(steps) > 1:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(gaps, kernel, strict=True)]
    return [(t // 2, t - t // 2) for t in totals]


def _seen(
    input: Tensor, kernel: tuple[int, ...], steps: tuple[int, ...], borders: list[tuple[int, int]],
    gaps: tuple[int, ...], function: str,
) -> Tensor:  # fmt: skip
    """Windows (N, C, *counts, *kernel) of a padded input."""
    sizes = [s + a + b for s, (a, b) in zip(input.shape[2:], borders, strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(gaps, kernel, strict=True)]
    if any(k < 1 for k in kernel) or any(a < b for a, b in zip(sizes, spans, strict=True)):
        raise RuntimeError(
            f"{function}: Calculated padded input size per channel: "
            f"({' x '.join(map(str, sizes))}). Kernel size: ({' x '.join(map(str, kernel))}). "
            "Kernel size can't be greater than actual input size"
        )
    if any(a or b for a, b in borders):
        input = constant_pad_nd(input, [p for pair in reversed(borders) for p in pair])
    return windows(input, range(2, 2 + len(kernel)), kernel, steps, gaps)


def _conv(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: Any,
) -> Tensor:  # fmt: skip
    function = f"conv{n}d"
    _check_operands(function, n, input, weight, bias)
    steps, gaps, count = _settings(function, n, stride, dilation, groups)
    kernel = tuple(weight.shape[2:])
    borders = _borders(function, padding, kernel, steps, gaps)
    x = input if input.ndim == n + 2 else input.unsqueeze(0)
    channels = weight.shape[0]
    if channels < count or channels % count:
        raise RuntimeError(
            f"Given groups={count}, expected weight to be divisible by {count} at dimension 0, but "
            f"got weight of size {list(weight.shape)} instead"
        )
    if x.shape[1] != weight.shape[1] * count:
        raise RuntimeError(
            f"Given groups={count}, weight of size {list(weight.shape)}, expected "
            f"input{list(x.shape)} to have {weight.shape[1] * count} channels, but got "
            f"{x.shape[1]} channels instead"
        )
    _check_bias(bias, channels, weight)
    half = input.dtype.bits < 32
    if half:
        x, weight = x.to(types.float32), weight.to(types.float32)
    seen = _seen(x, kernel, steps, borders, gaps, function)
    if weight.shape[1] == 1 and channels == count:
        out = _channelwise(seen, weight, n)
    else:
        out = _product(seen, weight, count, n)
    return _with_bias(out, bias, input)


def _channelwise(seen: Tensor, weight: Tensor, n: int) -> Tensor:
    """Each channel by itself: windows times weights, summed."""
    channels, kernel = weight.shape[0], weight.shape[2:]
    return (seen * weight.reshape(channels, *(1,) * n, *kernel)).sum(tuple(range(-n, 0)))


def _product(seen: Tensor, weight: Tensor, count: int, n: int) -> Tensor:
    """Windows as columns; a product for each group."""
    batch, inside = seen.shape[0], seen.shape[2 : 2 + n]
    channels, depth = weight.shape[0], math.prod(weight.shape[1:])
    order = (1, *range(2 + n, 2 + 2 * n), 0, *range(2, 2 + n))
    columns = seen.permute(*order).reshape(count, depth, batch * math.prod(inside))
    rows = weight.reshape(count, channels // count, depth)
    out = matmul(rows[0], columns[0]) if count == 1 else matmul(rows, columns)
    return out.reshape(channels, batch, *inside).transpose(0, 1)


def _with_bias(out: Tensor, bias: Tensor | None, input: Tensor) -> Tensor:
    """Add the bias; give back dtype and number of axes of the input."""
    if bias is not None:
        wide = bias.to(out.dtype)
        out = out + wide.reshape(-1, *(1,) * (out.ndim - 2))
    out = out.to(input.dtype).contiguous()
    return out if input.ndim == out.ndim else out.squeeze(0)


def _transposed(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    output_padding: Any, groups: Any, dilation: Any,
) -> Tensor:  # fmt: skip
    function = f"conv_transpose{n}d"
    _check_operands(function, n, input, weight, bias)
    steps, gaps, count = _settings(function, n, stride, dilation, groups)
    pads = per_axis(padding, n, function, "padding")
    extra = per_axis(output_padding, n, function, "output_padding")
    if min(pads) < 0 or min(extra) < 0:
        raise RuntimeError("negative padding is not supported")
    if any(e >= s and e >= d for e, s, d in zip(extra, steps, gaps, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got "
            f"output_padding: {extra} stride: {steps} dilation: {gaps}"
        )
    x = input if input.ndim == n + 2 else input.unsqueeze(0)
    if x.shape[1] != weight.shape[0] or weight.shape[0] % count:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected "
            f"input{list(x.shape)} to have {weight.shape[0]} channels, divisible by groups="
            f"{count}, but got {x.shape[1]} channels instead"
        )
    channels = weight.shape[1] * count
    _check_bias(bias, channels, weight)
    half = input.dtype.bits < 32
    if half:
        x, weight = x.to(types.float32), weight.to(types.float32)
    whole = _scattered(x, weight, steps, gaps, count)
    borders: list[int] = []
    for size, p, e in zip(reversed(whole.shape[2:]), reversed(pads), reversed(extra), strict=True):
        if size - 2 * p + e < 1:
            raise RuntimeError(
                f"{function}: the output would have size {size - 2 * p + e} for an input of size "
                f"{list(input.shape)} and padding {list(pads)}; it must be positive"
            )
        borders += [-p, e - p]
    return _with_bias(constant_pad_nd(whole, borders), bias, input)


def _scattered(
    x: Tensor, weight: Tensor, steps: tuple[int, ...], gaps: tuple[int, ...], count: int
) -> Tensor:
    """Each input pixel times the kernel, added up where the kernel lies: (N, O, *full size)."""
    n = len(steps)
    batch, inside, kernel = x.shape[0], x.shape[2:], weight.shape[2:]
    depth, channels = x.shape[1] // count, weight.shape[1] * count
    columns = x.transpose(0, 1).reshape(count, depth, batch * math.prod(inside))
    rows = weight.reshape(count, depth, math.prod(weight.shape[1:])).transpose(1, 2)
    product = matmul(rows[0], columns[0]) if count == 1 else matmul(rows, columns)
    laid = product.reshape(channels, *kernel, batch, *inside).permute(
        1 + n, 0, *range(2 + n, 2 + 2 * n), *range(1, 1 + n)
    )
    full = [
        (s - 1) * t + d * (k - 1) + 1
        for s, t, d, k in zip(inside, steps, gaps, kernel, strict=True)
    ]
    return added_windows(laid, range(2, 2 + n), steps, gaps, (batch, channels, *full))


__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "fold", "unfold",
]  # fmt: skip
