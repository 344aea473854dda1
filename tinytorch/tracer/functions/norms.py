"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import DType
from tinytorch.tracer.functions.extremes import check_filled
from tinytorch.tracer.functions.reduction import root, without_axes
from tinytorch.tracer.functions.viewing import movedim
from tinytorch.tracer.kinds import Axes
from tinytorch.tracer.linalg.factorizing import svdvals
from tinytorch.tracer.shapes import axes_of, axis_of, check_tensor, reshape
from tinytorch.tracer.tensor import Tensor


def _power(total: Tensor, p: float) -> Tensor:
    """total ** (1 / p), whose derivative at zero is zero."""
    if p == 2:
        return root(total)
    if p == 1:
        return total
    zero = total == 0
    return ops.where(zero, 0.0, ops.pow_(ops.where(zero, 1.0, total), 1.0 / p))


def vector_norm(x: Tensor, ord: Any = 2, dim: Axes = None, keepdim: bool = False, *,
                dtype: DType | None = None) -> Tensor:  # fmt: skip
    """(sum of |x| ** ord) ** (1 / ord) over axes; ord may be inf, -inf or 0 (how many are not 0).

    The gradient is zero where the norm is.
    """
    x = check_tensor(x, "linalg.vector_norm") if dtype is None else x.to(dtype)
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype.name}"
        )
    axes = axes_of(dim, x.ndim)
    p = float(ord)
    size = ops.abs_(x)
    if math.isinf(p) or p < 0:
        check_filled("linalg.vector_norm", x, axes, dim is None)
    if math.isinf(p):
        out = (ops.max_ if p > 0 else ops.min_)(size, axes=axes)
    elif p == 0:
        out = ops.sum_((x != 0).to(x.dtype), axes=axes)
    elif p == 1:
        out = ops.sum_(size, axes=axes)
    elif p == 2:
        out = root(ops.sum_(x * x, axes=axes))
    elif p < 0:
        out = ops.pow_(ops.sum_(ops.pow_(size, p), axes=axes), 1.0 / p)
    else:
        out = _power(ops.sum_(_powers(size, p), axes=axes), p)
    return without_axes(out, x, axes, keepdim)


def _powers(size: Tensor, p: float) -> Tensor:
    """|x| ** p; below 1 the derivative at zero is zero."""
    if p >= 1:
        return ops.pow_(size, p)
    zero = size == 0
    return ops.where(zero, 0.0, ops.pow_(ops.where(zero, 1.0, size), p))


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Axes = (-2, -1), keepdim: bool = False, *,  # noqa: N803
                dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Norm of matrices: ``"fro"``, or 1, -1, inf, -inf (sums of columns or rows).

    Those of singular values, ``"nuc"`` (their sum), 2 (the largest) and -2, run eagerly alone.
    """
    A = check_tensor(A, "linalg.matrix_norm") if dtype is None else A.to(dtype)  # noqa: N806
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: input A must have at least 2 dimensions")
    row, col = (axis_of(d, A.ndim) for d in dim)
    if row == col:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({row}, {col})")
    if ord == "fro":
        return vector_norm(A, 2, (row, col), keepdim)
    if ord in ("nuc", 2, -2):
        return _of_singular_values(A, ord, row, col, keepdim)
    if not isinstance(ord, int | float) or abs(ord) not in (1, math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    summed, compared = (row, col) if abs(ord) == 1 else (col, row)
    sums = ops.sum_(ops.abs_(A), axes=(summed,))
    out = (ops.max_ if ord > 0 else ops.min_)(sums, axes=(compared,))
    return without_axes(out, A, tuple(sorted((row, col))), keepdim)


def _of_singular_values(A: Tensor, ord: Any, row: int, col: int, keepdim: bool) -> Tensor:  # noqa: N803
    values = svdvals(movedim(A, (row, col), (-2, -1)))
    last = (values.ndim - 1,)
    if ord == "nuc":
        out = ops.sum_(values, axes=last)
    else:
        out = (ops.max_ if ord > 0 else ops.min_)(values, axes=last)
    shape = [1 if i in (row, col) else n for i, n in enumerate(A.shape)]
    rest = [n for i, n in enumerate(A.shape) if i not in (row, col)]
    return reshape(out, tuple(shape if keepdim else rest))


def linalg_norm(A: Tensor, ord: Any = None, dim: Axes = None, keepdim: bool = False, *,  # noqa: N803
                dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Vector or matrix norm, by the number of axes; without ``ord``, the 2-norm of all elements."""
    axes = None if dim is None else (dim if isinstance(dim, tuple | list) else (dim,))
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if axes is None and A.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.ndim}D."
        )
    matrix = len(axes) == 2 if axes is not None else A.ndim == 2
    if matrix or isinstance(ord, str):
        return matrix_norm(A, ord, axes or (-2, -1), keepdim, dtype=dtype)
    return vector_norm(A, ord, axes, keepdim, dtype=dtype)


def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False,
         dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Norm of all elements, or over axes: ``p`` a number, inf, -inf, or ``"fro"`` (as 2)."""
    if p == "nuc":
        return matrix_norm(input, "nuc", dim or (-2, -1), keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: unknown order {p!r}")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """p-norm of the difference; shapes broadcast."""
    return vector_norm(input - other, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """p-norms of all differences of a row of ``x1`` and a row of ``x2``."""
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError("cdist only supports at least 2D tensors")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along an axis scaled down to a norm of at most ``maxnorm``."""
    axis = axis_of(dim, input.ndim)
    rest = tuple(i for i in range(input.ndim) if i != axis)
    size = vector_norm(input, p, rest, True) if rest else reshape(input, tuple(input.shape)).abs()
    return input * ops.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


__all__ = ["cdist", "dist", "norm", "renorm"]
METHODS = ["dist", "norm", "renorm"]
IN_PLACE = ["renorm"]
