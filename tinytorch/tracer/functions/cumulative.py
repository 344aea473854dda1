"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import DType, bool_, int64
from tinytorch.tracer.functions.arranging import positions
from tinytorch.tracer.functions.results import ValuesIndices
from tinytorch.tracer.functions.viewing import sliced
from tinytorch.tracer.shapes import axis_of, cat, check_tensor
from tinytorch.tracer.tensor import Tensor


def _started(name: str, input: Tensor, dim: int, dtype: DType | None) -> tuple[Tensor, int]:
    axis = axis_of(dim, check_tensor(input, name).ndim)
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    return input, axis


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Sums of all elements up to each, along an axis; integers sum as int64."""
    x, axis = _started("cumsum", input, dim, dtype)
    return ops.cumsum(x, axis=axis, reverse=False) if x.ndim else x.clone()


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Products of all elements up to each, along an axis; its gradient is right at zeros too."""
    x, axis = _started("cumprod", input, dim, dtype)
    if not x.ndim:
        return x.clone()
    # y[i] = x[i] * y[i - 1], from y = x: the recurrence forgets its first factor.
    first = positions(x, x._type.shape, axis) == 0
    return ops.recurrence(x, ops.where(first, x, x.constant(0)), axis=axis, reverse=False)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the sum of exp of all elements up to each, along an axis, without overflow."""
    axis = axis_of(dim, check_tensor(input, "logcumsumexp").ndim)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"\"logcumsumexp_out_cpu\" not implemented for '{input.dtype.name}'"
        )
    return ops.logcumsumexp(input, axis=axis) if input.ndim else input.clone()


def _extreme(op: Op, name: str, input: Tensor, dim: int) -> ValuesIndices:
    axis = axis_of(dim, check_tensor(input, name).ndim)
    if not input.ndim:
        return ValuesIndices(input.clone(), input.constant(0, dtype=int64))
    at = op(input, axis=axis)
    return ValuesIndices(ops.gather(input, at, axis=axis), at)


def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """Largest so far along an axis, and where it stands (the last of equals); NaN wins."""
    return _extreme(ops.cumargmax, "cummax", input, dim)


def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """Smallest so far along an axis, and where it stands (the last of equals); NaN wins."""
    return _extreme(ops.cumargmin, "cummin", input, dim)


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
         append: Tensor | None = None) -> Tensor:  # fmt: skip
    """Differences of neighbours along an axis, ``n`` times over."""
    if check_tensor(input, "diff").ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = axis_of(dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [x for x in (prepend, input, append) if x is not None]
    out = cat(parts, axis) if len(parts) > 1 else input
    if n == 0:
        return out.clone()
    for _ in range(n):
        size = out._type.shape[axis]
        if size == 0:
            return out
        high, low = sliced(out, axis, 1, size), sliced(out, axis, 0, size - 1)
        out = ops.bitwise_xor(high, low) if out.dtype is bool_ else high - low
    return out


__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]
METHODS = __all__
IN_PLACE = ["cumprod", "cumsum"]
