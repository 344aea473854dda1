"""Sorting along an axis. Values are gathered at the sorted positions, so gradients follow them."""

from __future__ import annotations

from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, int64
from tinytorch.tracer.functions.extremes import check_filled
from tinytorch.tracer.functions.reduction import without_axes
from tinytorch.tracer.functions.results import ValuesIndices
from tinytorch.tracer.functions.viewing import sliced
from tinytorch.tracer.kinds import Operand
from tinytorch.tracer.shapes import axis_of, check_tensor, reshape
from tinytorch.tracer.tensor import Tensor


def _order(input: Tensor, axis: int, descending: bool) -> Tensor:
    if not input.ndim:
        return input.constant(0, dtype=int64)
    int(input._type.shape[axis])  # the merges are laid out for one size
    return ops.argsort(input, axis=axis, descending=bool(descending))


def _at(input: Tensor, order: Tensor, axis: int) -> Tensor:
    return ops.gather(input, order, axis=axis) if input.ndim else input.clone()


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
         ) -> ValuesIndices:  # fmt: skip
    """Values in order along an axis, and where they stood; NaN is above everything.

    Equals keep their order, whether ``stable`` is asked for or not.
    """
    axis = axis_of(dim, check_tensor(input, "sort").ndim)
    order = _order(input, axis, descending)
    return ValuesIndices(_at(input, order, axis), order)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
            ) -> Tensor:  # fmt: skip
    """Positions along an axis in the order of their values."""
    return _order(input, axis_of(dim, check_tensor(input, "argsort").ndim), descending)


def msort(input: Tensor) -> Tensor:
    """Values in order along axis 0."""
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
         ) -> ValuesIndices:  # fmt: skip
    """The ``k`` largest (or smallest) along an axis, in order, and where they stood."""
    if check_tensor(input, "topk").dtype is bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    axis = axis_of(dim, input.ndim)
    size = input._type.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    order = _order(input, axis, largest)
    if input.ndim:
        order = sliced(order, axis, 0, k).contiguous()
    return ValuesIndices(_at(input, order, axis), order)


def _ranked(input: Tensor, rank: Any, axis: int, keepdim: bool) -> ValuesIndices:
    """The value of a rank (an int, or a tensor of ranks with the axis kept), and its position."""
    order = _order(input, axis, False)
    if isinstance(rank, Tensor):
        at = ops.gather(order, rank, axis=axis)
    else:
        at = sliced(order, axis, rank, rank + 1)
    values = ops.gather(input, at, axis=axis)
    return ValuesIndices(
        without_axes(values, input, (axis,), keepdim), without_axes(at, input, (axis,), keepdim)
    )


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest along an axis (from 1), and where it stands."""
    axis = axis_of(dim, check_tensor(input, "kthvalue").ndim)
    size = input._type.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension "
                           f"{axis}")  # fmt: skip
    if not input.ndim:
        return ValuesIndices(input.clone(), input.constant(0, dtype=int64))
    return _ranked(input, k - 1, axis, keepdim)


def _median(name: str, input: Tensor, dim: int | None, keepdim: bool, skip: bool) -> Any:
    if check_tensor(input, name).dtype is bool_:
        raise NotImplementedError("\"median_cpu\" not implemented for 'Bool'")
    if dim is None:
        flat = reshape(check_tensor(input, name), -1)
        if flat._type.shape[0] == 0:
            return input.constant(float("nan"), shape=())
        return _median(name, flat, 0, False, skip).values
    axis = axis_of(dim, input.ndim)
    if not input.ndim:
        return ValuesIndices(input.clone(), input.constant(0, dtype=int64))
    size = input._type.shape[axis]
    check_filled(name, input, (axis,), False)
    if not input.dtype.is_floating_point:
        return _ranked(input, (size - 1) // 2, axis, keepdim)
    missing = ops.isnan(input)
    count = ops.sum_(missing.to(int64), axes=(axis,))
    if skip:
        rank = ops.floor_divide(size - count - 1, 2)
        rank = ops.where(rank < 0, 0, rank)
    else:
        rank = ops.where(count > 0, size - count, (size - 1) // 2)
    return _ranked(input, rank, axis, keepdim)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The (lower) median: of all elements, or along an axis with its position. NaN wins."""
    return _median("median", input, dim, keepdim, False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The (lower) median of all that is not NaN: of all elements, or along an axis."""
    return _median("nanmedian", input, dim, keepdim, True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The commonest value along an axis (the smallest of them), and where it stands last."""
    axis = axis_of(dim, check_tensor(input, "mode").ndim)
    if not input.ndim:
        return ValuesIndices(input.clone(), input.constant(0, dtype=int64))
    check_filled("mode", input, (axis,), False)
    order = _order(input, axis, False)
    line = ops.gather(input, order, axis=axis)
    place = input.apply_op(ops.iota, (), {"shape": input._type.shape, "axis": axis})
    before = ops.gather(line, ops.where(place > 0, place - 1, 0), axis=axis)
    fresh = ops.where(line == before, 0, place)
    start = ops.gather(fresh, ops.cumargmax(fresh, axis=axis), axis=axis)
    length = place - start
    best = ops.argmax(length, axes=(axis,))
    at = ops.gather(order, best, axis=axis)
    values = ops.gather(input, at, axis=axis)
    return ValuesIndices(
        without_axes(values, input, (axis,), keepdim), without_axes(at, input, (axis,), keepdim)
    )


# ------------------------------------------------------------------- quantiles


def _quantile(name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool,
              interpolation: str, skip: bool) -> Tensor:  # fmt: skip
    if not check_tensor(input, name).dtype.is_floating_point:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    scalar = not isinstance(q, Tensor)
    points = input.constant(q, shape=(1,)) if scalar else q
    if scalar and not 0 <= q <= 1:
        raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
    if not scalar and (q.ndim > 1 or q.dtype is not input.dtype):
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor of the input's dtype")
    if not scalar:
        outside = (points >= 0).logical_and(points <= 1).logical_not().to(int64)
        checked = ops.require_range(
            outside, low=0, high=1, error="RuntimeError",
            message=f"{name}() q values must be in the range [0, 1]",
        )  # fmt: skip
        points = points + checked.to(points.dtype)
    ranks = reshape(points, -1)
    axis = 0 if dim is None else axis_of(dim, input.ndim)
    x = reshape(input, -1) if dim is None or not input.ndim else input
    size = x._type.shape[axis]
    if size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    line = sort(x, axis).values
    missing = ops.sum_(ops.isnan(x).to(int64), axes=(axis,))
    last: Any = size - 1
    if skip:
        last = ops.where(missing < size, size - 1 - missing, 0).to(x.dtype)
    column = tuple(-1 if i == axis else 1 for i in range(x.ndim))
    rank = reshape(ranks, column) * last
    shape = tuple(ranks._type.shape[0] if i == axis else s for i, s in enumerate(x._type.shape))
    rank = ops.broadcast_to(rank, shape=shape) if tuple(rank._type.shape) != shape else rank
    if not skip:
        rank = ops.where(missing > 0, float(last), rank)
    low, high = ops.floor(rank), ops.ceil(rank)
    if interpolation == "lower":
        out = _value(line, low, axis)
    elif interpolation == "higher":
        out = _value(line, high, axis)
    elif interpolation == "nearest":
        out = _value(line, ops.round_(rank), axis)
    else:
        a, b = _value(line, low, axis), _value(line, high, axis)
        weight: Any = 0.5 if interpolation == "midpoint" else rank - low
        out = a + (b - a) * weight
        out = ops.where(low == high, a, out)
    out = ops.where(ops.isnan(rank), float("nan"), out)
    return _placed(out, input, dim, axis, keepdim, scalar, not scalar and q.ndim == 0)


def _value(line: Tensor, rank: Tensor, axis: int) -> Tensor:
    at = ops.where(ops.isnan(rank), 0.0, rank).to(int64)
    return ops.gather(line, at, axis=axis)


def _placed(out: Tensor, input: Tensor, dim: int | None, axis: int, keepdim: bool, scalar: bool,
            single: bool) -> Tensor:  # fmt: skip
    """The quantiles first, then the axes of the input."""
    moved = out.movedim(axis, 0)
    kept = list(input._type.shape)
    if dim is None:
        rest: tuple[Any, ...] = (1,) * input.ndim if keepdim else ()
    elif keepdim:
        rest = tuple(1 if i == axis else s for i, s in enumerate(kept))
    else:
        rest = tuple(s for i, s in enumerate(kept) if i != axis)
    lead = () if scalar or single else (moved._type.shape[0],)
    return reshape(moved, (*lead, *rest))


def quantile(input: Tensor, q: Operand, dim: int | None = None, keepdim: bool = False, *,
             interpolation: str = "linear") -> Tensor:  # fmt: skip
    """The q-th quantiles of all elements or along an axis; a NaN makes them NaN."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(input: Tensor, q: Operand, dim: int | None = None, keepdim: bool = False, *,
                interpolation: str = "linear") -> Tensor:  # fmt: skip
    """The q-th quantiles of all that is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile",
    "sort", "topk",
]  # fmt: skip
METHODS = __all__
