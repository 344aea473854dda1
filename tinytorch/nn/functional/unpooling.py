"""Values put back where a max pool found them, zeros elsewhere."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.nn.functional.sizes import per_axis
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions.scattering import scatter
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def _output_sizes(
    function: str, input: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...],
    padding: tuple[int, ...], output_size: Any,
) -> list[int]:  # fmt: skip
    n = len(kernel)
    default = [
        (size - 1) * s + k - 2 * p
        for size, k, s, p in zip(input.shape[-n:], kernel, stride, padding, strict=True)
    ]
    if output_size is None:
        return default
    wanted = list(output_size)[-n:]
    if len(output_size) not in (n, n + 1, n + 2):
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            f"length of '{len(output_size)}'"
        )
    for size, middle, step in zip(wanted, default, stride, strict=True):
        if not middle - step < size < middle + step:
            raise ValueError(
                f"invalid output_size {wanted} ({function}: each must be within {list(stride)} of "
                f"{default})"
            )
    return wanted


def _unpool(
    n: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    function = f"max_unpool{n}d"
    check_tensor(input, function)
    if check_tensor(indices, function, "indices").dtype is not types.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {indices.dtype.name}"
        )
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{function}: Input to {function} should be a {n + 1}d or {n + 2}d Tensor, but got a "
            f"tensor with {input.ndim} dimensions"
        )
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    kernel = per_axis(kernel_size, n, function, "kernel_size")
    steps = kernel if stride is None else per_axis(stride, n, function, "stride")
    sizes = _output_sizes(
        function, input, kernel, steps, per_axis(padding, n, function, "padding"), output_size
    )
    lead = tuple(input.shape[:-n])
    flat = (*lead, math.prod(input.shape[-n:]))
    zeros = input.new_zeros(*lead, math.prod(sizes))
    out: Tensor = scatter(zeros, -1, indices.reshape(*flat), input.reshape(*flat))
    return out.reshape(*lead, *sizes)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of ``max_pool1d``: values of (N, C, L) at the positions it returned.

    ``output_size`` resolves which of the sizes that pool to this one is meant. Raises ValueError
    for one that does not, RuntimeError for positions outside.
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of ``max_pool2d``; see ``max_unpool1d``."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of ``max_pool3d``; see ``max_unpool1d``."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]
