"""Indexing by integer tensors. Indices are in range: ``require_range`` guards them upstream."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, fail, linear
from tinytorch.ir.types import TensorType, int64


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
        put_add(g, index, axis=axis, size=x.type.shape[axis]), None),
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
    infer=_put_add_type, eager=_put_add_eager,
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
    eager=lambda x, index, axis: np.take_along_axis(x, index, axis),
    transpose=lambda g, x, index, axis: (
        scatter_add(g, index, axis=axis, size=x.type.shape[axis]), None),
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
    infer=_scatter_type, eager=_scatter_eager,
    transpose=lambda g, x, index, axis, size: (gather(g, index, axis=axis), None),
)  # fmt: skip

__all__ = ["Handle", "gather", "put_add", "scatter_add", "take"]
