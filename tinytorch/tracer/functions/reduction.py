"""Reductions over axes, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, int64
from tinytorch.ir.types import count as count_of
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.shapes import axes_of
from tinytorch.tracer.tensor import Tensor


def without_axes(out: Tensor, input: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """Drop the reduced axes, of size 1, unless they are kept."""
    if keepdim:
        return out
    shape = tuple(s for i, s in enumerate(input._type.shape) if i not in set(axes))
    return ops.reshape(out, shape=shape)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:  # noqa: A001
    """Sum over axes; integers and bools sum as int64."""
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.sum_(input, axes=axes), input, axes, keepdim)


@in_float32
def mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Mean over axes, of a floating-point tensor."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype.name}"
        )
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    scale = 1 / count if count else math.nan
    return sum(input, dim, keepdim) * scale if count else sum(input, dim, keepdim) / 0.0


@in_float32
def var(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False,
        unbiased: bool | None = None) -> Tensor:  # fmt: skip
    """Variance over axes; divides by ``count - correction``."""
    correction = correction if unbiased is None else int(unbiased)
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    centred = input - mean(input, axes, keepdim=True)
    total = sum(centred * centred, dim, keepdim)
    divisor = count - correction
    return total / divisor if divisor > 0 else total / 0.0


@in_float32
def std(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation over axes."""
    return ops.sqrt(var(input, dim, correction=correction, keepdim=keepdim))


def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Largest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.max_(input, axes=axes), input, axes, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Smallest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.min_(input, axes=axes), input, axes, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) largest."""
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.argmax(input, axes=axes), input, axes, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) smallest."""
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.argmin(input, axes=axes), input, axes, keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether any element is true."""
    return amax(input.to(bool_), dim, keepdim)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether all elements are true."""
    return amin(input.to(bool_), dim, keepdim)


__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "mean", "std", "sum", "var",
]  # fmt: skip
METHODS = __all__
