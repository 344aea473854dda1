"""Searching: places in sorted sequences, members of sets, distinct values and their counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, float64, int32, int64, promote
from tinytorch.tracer.functions.covers import is_float
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.kinds import Operand
from tinytorch.tracer.refusals import allocating
from tinytorch.tracer.shapes import axis_of, check_tensor, reshape
from tinytorch.tracer.tensor import Tensor

_REMEDY = "how many there are depends on the data; call it outside the compiled function"


def searchsorted(
    sorted_sequence: Tensor, input: Operand, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where values belong in sorted rows: the last axis is searched, the others are equal.

    By halving: as many gathers as the size has binary digits, in one kernel.
    """
    check_tensor(sorted_sequence, "searchsorted")
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    upper = right or side == "right"
    rows = sorted_sequence
    if rows.ndim == 0:
        raise RuntimeError("torch.searchsorted(): input should have at least one dimension")
    if sorter is not None:
        rows = ops.gather(rows, sorter, axis=rows.ndim - 1)
    scalar = not isinstance(input, Tensor)
    values = input
    if scalar:  # a number that the dtype of the sequence may not hold
        kind = rows.dtype if is_float(rows) or not is_float(input) else float64
        values = rows.constant(input, shape=(), dtype=kind)
    flat = rows.ndim == 1
    if not flat and tuple(rows._type.shape[:-1]) != tuple(values._type.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(rows.shape)} and input value tensor {list(values.shape)}"
        )
    if values.dtype is not rows.dtype:
        common = promote(values.dtype, rows.dtype)
        values, rows = values.to(common), rows.to(common)
    size = int(rows._type.shape[-1])
    low = values.constant(0, shape=tuple(values._type.shape), dtype=int64)
    high = low + size
    for _ in range(size.bit_length()):
        middle = ops.floor_divide(low + high, 2)
        at = ops.where(middle < size, middle, size - 1)
        found = ops.take(rows, at, axis=0) if flat else ops.gather(rows, at, axis=rows.ndim - 1)
        beyond = found > values if upper else found >= values
        before = beyond.logical_not()  # a NaN on either side is not beyond: NaN is above all
        ahead = before.logical_and(low < high)
        high = ops.where(ahead, high, middle)
        low = ops.where(ahead, middle + 1, low)
    return low.to(int32) if out_int32 else low


def bucketize(input: Operand, boundaries: Tensor, *, out_int32: bool = False,
              right: bool = False) -> Tensor:  # fmt: skip
    """Which bucket each value falls into, between sorted boundaries."""
    if check_tensor(boundaries, "bucketize").ndim != 1:
        raise RuntimeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


_FEW = 32


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False,
         invert: bool = False) -> Tensor:  # fmt: skip
    """Whether each element is among the test elements."""
    like = elements if isinstance(elements, Tensor) else test_elements
    check_tensor(like, "isin")
    x = elements if isinstance(elements, Tensor) else like.constant(elements, shape=())
    tests = test_elements
    if not isinstance(tests, Tensor):
        tests = like.constant(tests, shape=())
    tests = reshape(tests, -1)
    size = int(tests._type.shape[0])
    if size == 0:
        found = x.constant(False, shape=tuple(x._type.shape), dtype=bool_)
    elif size <= _FEW:
        hits = reshape(x, (*x._type.shape, 1)) == tests
        found = reshape(ops.max_(hits, axes=(x.ndim,)), tuple(x._type.shape))
    else:
        line = ops.gather(tests, ops.argsort(tests, axis=0, descending=False), axis=0)
        at = searchsorted(line, x.to(line.dtype))
        found = ops.take(line, ops.where(at < size, at, size - 1), axis=0) == x
    return found.logical_not() if invert else found


# ------------------------------------------------------------- distinct values


def _wrapped(array: np.ndarray) -> Tensor:
    return Tensor.wrap(np.array(array, order="C"))


def _packed(values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool) -> Any:
    found = [_wrapped(values)]
    if with_inverse:
        found.append(_wrapped(np.asarray(inverse, np.int64)))
    if with_counts:
        found.append(_wrapped(np.asarray(counts, np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False,
           return_counts: bool = False, dim: int | None = None) -> Any:  # fmt: skip
    """Distinct values in order (or slices along an axis). Runs eagerly only."""
    values = known(check_tensor(input, "unique"), "the distinct values", _REMEDY)
    axis = None if dim is None else axis_of(dim, input.ndim)
    distinct, inverse, counts = np.unique(
        values, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    shape = values.shape if axis is None else (-1,)
    return _packed(distinct, inverse.reshape(shape), counts, return_inverse, return_counts)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False,
                       dim: int | None = None) -> Any:  # fmt: skip
    """Values (or slices along an axis) without repeats of a neighbour. Runs eagerly only."""
    values = known(check_tensor(input, "unique_consecutive"), "the distinct values", _REMEDY)
    axis = None if dim is None else axis_of(dim, input.ndim)
    rows = values.reshape(-1, 1) if axis is None else np.moveaxis(values, axis, 0)
    flat = rows.reshape(len(rows), int(np.prod(rows.shape[1:])))
    new = np.ones(len(rows), bool)
    new[1:] = (flat[1:] != flat[:-1]).any(1)
    kept = rows[new]
    distinct = kept.reshape(-1) if axis is None else np.moveaxis(kept, 0, axis)
    inverse = np.cumsum(new) - 1
    counts = np.diff(np.append(np.flatnonzero(new), len(rows)))
    shape = values.shape if axis is None else (-1,)
    return _packed(distinct, inverse.reshape(shape), counts, return_inverse, return_counts)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each value from 0 on occurs (or the sums of weights). Runs eagerly only."""
    if check_tensor(input, "bincount").dtype.kind != "i":
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{input.dtype.name}'")
    if input.ndim != 1:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    values = known(input, "the size of bincount's result", _REMEDY)
    if values.size and values.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is None:
        most = max(minlength, int(values.max(initial=-1)) + 1)
        with allocating((most,), int64):
            return _wrapped(np.bincount(values, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    out = np.bincount(values, weights.detach().array, minlength)
    kept = weights.dtype if weights.dtype.bits == 32 and weights.dtype.kind == "f" else None
    return _wrapped(out if kept is None else out.astype(kept.numpy))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of equal bins from ``min`` to ``max`` (0, 0: the data's)."""
    if not check_tensor(input, "histc").dtype.is_floating_point:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{input.dtype.name}'")
    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    if max < min:
        raise RuntimeError("max must be larger than min")
    x = reshape(input.detach(), -1)
    zeros = x.constant(0, shape=(bins,))
    if x._type.shape[0] == 0:
        return zeros
    low: Any = min
    high: Any = max
    if min == max:
        low, high = ops.min_(x, axes=(0,)), ops.max_(x, axes=(0,))
        flat = low == high
        low, high = ops.where(flat, low - 1, low), ops.where(flat, high + 1, high)
    inside = (x >= low).logical_and(x <= high)
    place = ops.floor((x - low) * bins / (high - low))
    place = ops.where(inside, ops.where(place >= bins, bins - 1.0, place), 0.0).to(int64)
    counts = ops.scatter_add(inside.to(int64), place, axis=0, size=bins)
    return counts.to(input.dtype)


__all__ = [
    "bincount", "bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive",
]  # fmt: skip
METHODS = ["bincount", "histc", "unique", "unique_consecutive"]
