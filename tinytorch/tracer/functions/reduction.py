"""Reductions over axes, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import DType, bool_, int64, uint8
from tinytorch.ir.types import count as count_of
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.functions.cumulative import cumprod
from tinytorch.tracer.functions.viewing import select, sliced
from tinytorch.tracer.kinds import Axes
from tinytorch.tracer.shapes import axes_of, axis_of, check_tensor, reshape
from tinytorch.tracer.tensor import Tensor


def without_axes(out: Tensor, input: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """Drop the reduced axes, of size 1, unless they are kept."""
    if keepdim:
        return out
    shape = tuple(s for i, s in enumerate(input._type.shape) if i not in set(axes))
    return ops.reshape(out, shape=shape)


def sum(input: Tensor, dim: Axes = None, keepdim: bool = False,  # noqa: A001
        *, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Sum over axes; integers and bools sum as int64."""
    check_tensor(input, "sum")
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    axes = axes_of(dim, input.ndim)
    return without_axes(ops.sum_(input, axes=axes), input, axes, keepdim)


def nansum(input: Tensor, dim: Axes = None, keepdim: bool = False,
           *, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Sum over axes of all that is not NaN."""
    if check_tensor(input, "nansum").dtype.is_floating_point:
        input = ops.where(ops.isnan(input), 0.0, input)
    return sum(input, dim, keepdim, dtype=dtype)


def mean(input: Tensor, dim: Axes = None, keepdim: bool = False,
         *, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Mean over axes, of a floating-point tensor (or of one converted to ``dtype``)."""
    input = check_tensor(input, "mean") if dtype is None else input.to(dtype)
    if not input.dtype.is_floating_point:
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point "
            f"or complex dtype. Got: {input.dtype.name}"
        )
    return _mean(input, dim, keepdim)


@in_float32
def _mean(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    scale = 1 / count if count else math.nan
    return sum(input, dim, keepdim) * scale if count else sum(input, dim, keepdim) / 0.0


def nanmean(input: Tensor, dim: Axes = None, keepdim: bool = False,
            *, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Mean over axes of all that is not NaN."""
    if not check_tensor(input, "nanmean").dtype.is_floating_point:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.name}"
        )
    count = sum(ops.isnan(input).logical_not(), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *,
         dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Product over one axis or all; the gradient is right at zeros too."""
    check_tensor(input, "prod")
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    if dim is None:
        return prod(reshape(input, -1), 0)
    axis = axis_of(dim, input.ndim)
    if input.ndim == 0:
        return input.clone()
    size = input._type.shape[axis]
    if size == 0:
        shape = tuple(1 if i == axis else s for i, s in enumerate(input._type.shape))
        return without_axes(input.constant(1, shape=shape), input, (axis,), keepdim)
    running = cumprod(input, axis)
    last = sliced(running, axis, size - 1, size) if keepdim else select(running, axis, size - 1)
    return last.clone()


def count_nonzero(input: Tensor, dim: Axes = None) -> Tensor:
    """How many elements are not zero, over axes."""
    return sum(check_tensor(input, "count_nonzero").to(bool_), dim)


def _truth(name: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    check_tensor(input, name)
    result = uint8 if input.dtype is uint8 else bool_
    axes = axes_of(dim, input.ndim)
    truth = input.to(bool_)
    if isinstance(dim, list | tuple) and not dim:
        return truth.to(result)  # over no axes, where other reductions take all of them
    if count_of(input._type.shape[a] for a in axes) == 0:
        shape = tuple(1 if i in axes else s for i, s in enumerate(input._type.shape))
        out = truth.constant(name == "all", shape=shape)
    else:
        out = (ops.min_ if name == "all" else ops.max_)(truth, axes=axes)
    return without_axes(out, input, axes, keepdim).to(result)


def any(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether any element is true."""
    return _truth("any", input, dim, keepdim)


def all(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether all elements are true."""
    return _truth("all", input, dim, keepdim)


# ------------------------------------------------------------------ deviations


def _spread(
    name: str, input: Tensor, dim: Any, unbiased: Any, correction: Any
) -> tuple[Tensor, tuple[int, ...]]:
    """Variance, axes kept. ``dim`` may be the flag ``unbiased``, as in PyTorch."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if not check_tensor(input, name).dtype.is_floating_point:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    if unbiased is not None:
        correction = int(unbiased)
    correction = 1 if correction is None else correction
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    middle = mean(input, axes, True) if axes else input
    centred = input - middle
    total = ops.sum_(centred * centred, axes=axes)
    rest = count - correction
    return total / rest if rest > 0 else total / 0.0, axes


def root(variance: Tensor) -> Tensor:
    """Square root whose derivative at zero is zero."""
    zero = variance == 0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, variance)))


@in_float32
def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None) -> Tensor:  # fmt: skip
    """Variance over axes; divides by ``count - correction``."""
    out, axes = _spread("var", input, dim, unbiased, correction)
    return without_axes(out, input, axes, keepdim)


@in_float32
def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None) -> Tensor:  # fmt: skip
    """Standard deviation over axes; its gradient where it is zero is zero."""
    return root(var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
             *, correction: float | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean over axes."""
    spread = var(input, dim, unbiased, keepdim, correction=correction)
    return spread, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
             *, correction: float | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean over axes."""
    spread, middle = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return root(spread), middle


def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
        aweights: Tensor | None = None) -> Tensor:  # fmt: skip
    """Covariance matrix: rows are variables, columns observations, which weights may count."""
    if check_tensor(input, "cov").ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an "
                           f"input with {input.ndim} dimensions")  # fmt: skip
    rows = reshape(input, 1, -1) if input.ndim < 2 else input
    rows = rows if rows.dtype.is_floating_point else rows * 1.0
    weights = None
    for w in (fweights, aweights):
        if w is not None:
            weights = w.to(rows.dtype) if weights is None else weights * w.to(rows.dtype)
    if weights is None:
        count: Any = rows._type.shape[1]
        middle = mean(rows, 1, True)
        norm: Any = max(count - correction, 0)
        centred = rows - middle
        product = ops.matmul(centred, centred.t())
    else:
        count = sum(weights)
        middle = sum(rows * weights, 1, True) / count
        norm = count - correction
        if aweights is not None:
            norm = count - correction * sum(weights * aweights.to(rows.dtype)) / count
        norm = ops.where(norm < 0, 0.0, norm)
        centred = rows - middle
        product = ops.matmul(centred * weights, centred.t())
    out = product / norm
    return reshape(out, ()) if input.ndim < 2 else out


def corrcoef(input: Tensor) -> Tensor:
    """Matrix of correlation coefficients: rows are variables, columns observations."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    scale = ops.sqrt(c.diagonal())
    out = c / scale.unsqueeze(1) / scale.unsqueeze(0)
    return ops.where(out > 1, 1.0, ops.where(out < -1, -1.0, out))


__all__ = [
    "all", "any", "corrcoef", "count_nonzero", "cov", "mean", "nanmean", "nansum", "prod", "std",
    "std_mean", "sum", "var", "var_mean",
]  # fmt: skip
METHODS = [
    "all", "any", "corrcoef", "count_nonzero", "cov", "mean", "nanmean", "nansum", "prod", "std",
    "sum", "var",
]  # fmt: skip
