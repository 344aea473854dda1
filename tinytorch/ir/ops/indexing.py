"""Indexing by integer tensors. Indices are in range: ``require_range`` guards them upstream."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, fail, linear, opaque
from tinytorch.ir.ops.elementwise import maximum
from tinytorch.ir.ops.selection import cast
from tinytorch.ir.ops.selection import where as select
from tinytorch.ir.types import DType, TensorType, from_numpy_dtype, int64


def _take_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    x, index = types
    axis = attrs["axis"]
    if index.dtype is not int64:
        raise fail("take", "the index must be int64", x, index)
    if not 0 <= axis < x.ndim:
        raise fail("take", f"axis {axis} does not fit rank {x.ndim}", x, index)
    return TensorType(x.dtype, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


take = linear(
    "take", "indexing", "Slices of the first operand along an axis, chosen by an index tensor.",
    infer=_take_type, eager=lambda x, index, axis: np.take(x, index, axis),
    transpose=lambda g, x, index, axis: (
        put_add(g, index, axis=axis, size=x.aval.shape[axis]), None), moves=True,
)  # fmt: skip


def _put_add_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    x, index = types
    axis, n = attrs["axis"], index.ndim
    if index.dtype is not int64 or x.shape[axis : axis + n] != index.shape:
        raise fail("put_add", "the index must be int64 and match the operand's axes", x, index)
    return TensorType(x.dtype, (*x.shape[:axis], attrs["size"], *x.shape[axis + n :]))


def _put_add_eager(x: np.ndarray, index: np.ndarray, axis: int, size: int) -> np.ndarray:
    n = index.ndim
    out = np.zeros((size, *x.shape[:axis], *x.shape[axis + n :]), x.dtype)
    moved = np.moveaxis(x, range(axis, axis + n), range(n))
    np.add.at(out, index, moved)
    return np.moveaxis(out, 0, axis)


put_add: Op = linear(
    "put_add", "indexing", "Transpose of take: slices added into zeros at an index.",
    infer=_put_add_type, eager=_put_add_eager, accumulates=True,
    transpose=lambda g, x, index, axis, size: (take(g, index, axis=axis), None),
)  # fmt: skip


def _gather_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    x, index = types
    axis = attrs["axis"]
    fits = x.ndim == index.ndim and all(
        i == axis or n == m for i, (n, m) in enumerate(zip(index.shape, x.shape))
    )
    if index.dtype is not int64 or not fits:
        raise fail("gather", f"the index must be int64 and match but for axis {axis}", x, index)
    return TensorType(x.dtype, index.shape)


gather = linear(
    "gather", "indexing", "Elements along an axis, chosen by an index of the result's shape.",
    infer=_gather_type,
    eager=lambda x, index, axis: np.take_along_axis(x, index, axis), moves=True,
    transpose=lambda g, x, index, axis: (
        scatter_add(g, index, axis=axis, size=x.aval.shape[axis]), None),
)  # fmt: skip


def _scatter_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    x, index = types
    if index.dtype is not int64 or x.shape != index.shape:
        raise fail("scatter_add", "the index must be int64 and of the operand's shape", x, index)
    axis = attrs["axis"]
    return TensorType(x.dtype, (*x.shape[:axis], attrs["size"], *x.shape[axis + 1 :]))


def _scatter_eager(x: np.ndarray, index: np.ndarray, axis: int, size: int) -> np.ndarray:
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    out = np.zeros(shape, x.dtype)
    where: list[Any] = list(np.indices(x.shape, sparse=True))
    where[axis] = index
    np.add.at(out, tuple(where), x)
    return out


scatter_add: Op = linear(
    "scatter_add", "indexing", "Transpose of gather: elements added into zeros at an index.",
    infer=_scatter_type, eager=_scatter_eager, accumulates=True,
    transpose=lambda g, x, index, axis, size: (gather(g, index, axis=axis), None),
)  # fmt: skip

# ------------------------------------------------------- extremes and products


def identity(name: str, dtype: DType) -> float | int | bool:
    """What a scatter leaves where nothing falls: the value that combines with any to that one."""
    if name == "scatter_prod":
        return {"f": 1.0, "i": 1, "b": True}[dtype.kind]
    largest = name == "scatter_min"
    if dtype.kind == "f":
        return math.inf if largest else -math.inf
    if dtype.kind == "b":
        return largest
    return int(getattr(np.iinfo(dtype.numpy), "max" if largest else "min"))


def _combining(name: str, doc: str, ufunc: np.ufunc, **rules: Any) -> Op:
    def infer(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
        return _scatter_type(types, attrs)

    def eager(x: np.ndarray, index: np.ndarray, axis: int, size: int) -> np.ndarray:
        shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
        out = np.full(shape, identity(name, from_numpy_dtype(x.dtype)), x.dtype)
        where: list[Any] = list(np.indices(x.shape, sparse=True))
        where[axis] = index
        with np.errstate(all="ignore"):
            ufunc.at(out, tuple(where), x)
        return out

    return opaque(name, "indexing", doc, infer=infer, eager=eager, **rules)


def _hits(y: Handle, x: Handle, index: Handle, axis: int, size: int) -> tuple[Handle, Handle]:
    """1 where an element is its cell's extreme; and how many such there are, by cell."""
    hit = cast(x == gather(y, index, axis=axis), dtype=x.aval.dtype)
    return hit, scatter_add(hit, index, axis=axis, size=size)


def _extreme_vjp(
    g: Handle, y: Handle, x: Handle, index: Handle, axis: int, size: int
) -> tuple[Handle, None]:
    hit, ties = _hits(y, x, index, axis, size)
    return gather(g / maximum(ties, 1), index, axis=axis) * hit, None


def _extreme_jvp(
    ts: tuple[Handle, Any], y: Handle, x: Handle, index: Handle, axis: int, size: int
) -> Handle:
    hit, ties = _hits(y, x, index, axis, size)
    return scatter_add(ts[0] * hit, index, axis=axis, size=size) / maximum(ties, 1)


def _others(x: Handle, index: Handle, axis: int, size: int) -> Handle:
    """The product of all other elements that fall into an element's cell."""
    zero = x == 0
    zeros = scatter_add(cast(zero, dtype=x.aval.dtype), index, axis=axis, size=size)
    whole = scatter_prod(select(zero, 1.0, x), index, axis=axis, size=size)
    count, rest = gather(zeros, index, axis=axis), gather(whole, index, axis=axis)
    return select(zero, select(count == 1, rest, 0.0), select(count == 0, rest / x, 0.0))


scatter_prod: Op = _combining(
    "scatter_prod", "Products of the elements that fall into each cell; 1 where none does.",
    np.multiply,
    vjp=lambda g, y, x, index, axis, size: (
        gather(g, index, axis=axis) * _others(x, index, axis, size), None),
    jvp=lambda ts, y, x, index, axis, size: scatter_add(
        ts[0] * _others(x, index, axis, size), index, axis=axis, size=size),
)  # fmt: skip
scatter_max = _combining(
    "scatter_max", "Largest of the elements that fall into each cell; NaN wins; the least value "
    "of the dtype where none does. Ties share the cotangent.",
    np.maximum, vjp=_extreme_vjp, jvp=_extreme_jvp,
)  # fmt: skip
scatter_min = _combining(
    "scatter_min", "Smallest of the elements that fall into each cell; NaN wins; the largest "
    "value of the dtype where none does. Ties share the cotangent.",
    np.minimum, vjp=_extreme_vjp, jvp=_extreme_jvp,
)  # fmt: skip

__all__ = [
    "Handle", "gather", "identity", "put_add", "scatter_add", "scatter_max", "scatter_min",
    "scatter_prod", "take",
]  # fmt: skip
