"""Strided views: every index into the operand is an affine function of the result's indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, fail, linear
from tinytorch.ir.ops.indexing import put_add, scatter_max, take
from tinytorch.ir.ops.movement import reshape
from tinytorch.ir.ops.selection import where
from tinytorch.ir.ops.source import iota
from tinytorch.ir.types import TensorType


def _type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    shape, offsets, steps = (tuple(attrs[k]) for k in ("shape", "offsets", "steps"))
    if len(offsets) != x.ndim or len(steps) != x.ndim:
        raise fail("strided", f"one offset and one row of steps for each of {x.ndim} axes", x)
    if 0 not in shape:
        for size, low, row in zip(x.shape, offsets, steps, strict=True):
            high = low
            for step, n in zip(row, shape, strict=True):
                last = step * (n - 1)
                low, high = (low + last, high) if step < 0 else (low, high + last)
            if low < 0 or high >= size:
                raise fail("strided", f"indices {low} to {high} do not fit size {size}", x)
    return TensorType(x.dtype, shape)


def _eager(x: np.ndarray, shape: Any, offsets: Any, steps: Any) -> np.ndarray:
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    start = x[tuple(slice(o, None) for o in offsets)]
    strides = [
        sum(row[j] * s for row, s in zip(steps, x.strides, strict=True)) for j in range(len(shape))
    ]
    writeable = x.flags.writeable and not overlaps(x.shape, {"shape": shape, "steps": steps})
    return np.lib.stride_tricks.as_strided(start, shape, strides, writeable=writeable)


def positions(handle: Handle, size: Any, attrs: Attrs) -> Handle:
    """Row-major positions of all elements in an operand of shape ``size``, flattened."""
    shape = tuple(attrs["shape"])
    total: Any = 0
    step: Any = 1
    factors: list[Any] = [0] * len(shape)
    for n, offset, row in reversed(list(zip(size, attrs["offsets"], attrs["steps"], strict=True))):
        total = total + offset * step
        factors = [f + step * r for f, r in zip(factors, row, strict=True)]
        step = step * n
    flat = handle.constant(total, shape=shape, dtype=iota.result)
    for axis, factor in enumerate(factors):
        if factor != 0:
            line = handle.apply_op(iota, (), {"shape": shape, "axis": axis})
            flat = flat + line * factor
    return reshape(flat, shape=(_count(shape),))


def _count(shape: Any) -> Any:
    total: Any = 1
    for size in shape:
        total = total * size
    return total


def _transpose(g: Handle, x: Handle, shape: Any, offsets: Any, steps: Any) -> tuple[Handle]:
    attrs = {"shape": shape, "offsets": offsets, "steps": steps}
    size = x.aval.shape
    flat = positions(g, size, attrs)
    line = put_add(reshape(g, shape=(_count(shape),)), flat, axis=0, size=_count(size))
    return (reshape(line, shape=size),)


strided: Op = linear(
    "strided", "movement",
    "Index a of the operand is offsets[a] + the sum over axes j of steps[a][j] * index j.",
    infer=_type, eager=_eager, transpose=_transpose,
)  # fmt: skip


def overlaps(size: Any, attrs: Attrs) -> bool:
    """Whether a strided view shows an element twice."""
    shape = tuple(int(s) for s in attrs["shape"])
    if 0 in shape:
        return False
    widths = [math.prod(int(n) for n in size[i + 1 :]) for i in range(len(size))]
    reach = 0
    for step, n in sorted(
        (abs(sum(w * row[j] for w, row in zip(widths, attrs["steps"], strict=True))), shape[j])
        for j in range(len(shape)) if shape[j] > 1
    ):
        if step <= reach:
            break
        reach += step * (n - 1)
    else:
        return False  # every axis steps over all that those before it reach
    line = np.zeros((), np.int64)
    for n, row in zip(size, attrs["steps"], strict=True):
        line = line * int(n)
        for axis, step in enumerate(row):
            at = np.arange(shape[axis]) * step
            line = line + at.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    line = np.broadcast_to(line, shape)
    return np.unique(line).size != line.size


def update_strided(base: Handle, new: Handle, attrs: Attrs) -> Handle:
    """``base`` with what a strided view of it shows replaced by ``new``."""
    size = base.aval.shape
    total, count = _count(size), _count(attrs["shape"])
    flat = positions(base, size, attrs)
    order = base.apply_op(iota, (), {"shape": (count,), "axis": 0})
    writer = scatter_max(order, flat, axis=0, size=total)
    chosen = take(reshape(new, shape=(count,)), where(writer < 0, 0, writer), axis=0)
    line = where(writer >= 0, chosen, reshape(base, shape=(total,)))
    return reshape(line, shape=size)


__all__ = ["overlaps", "positions", "strided", "update_strided"]
