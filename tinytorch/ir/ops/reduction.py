"""Reductions. ``axes`` are sorted; a reduced axis stays, with size 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, check_axes, fail, linear, opaque
from tinytorch.ir.ops.movement import broadcast_to
from tinytorch.ir.ops.selection import cast
from tinytorch.ir.types import TensorType, count, float32, int64


def _reduced(name: str) -> Any:
    def infer(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
        (x,) = types
        check_axes(name, attrs["axes"], x)
        if name != "sum" and any(x.shape[a] == 0 for a in attrs["axes"]):
            raise fail(name, "cannot reduce an axis of size 0: it has no identity", x)
        axes = set(attrs["axes"])
        return TensorType(x.dtype, tuple(1 if i in axes else s for i, s in enumerate(x.shape)))

    return infer


def _sum_eager(x: np.ndarray, axes: Any) -> np.ndarray:
    # numpy adds float32 one by one along outer axes; float64 inside keeps the reference a
    # reference (float32 sum(axis=0) of a million rows is off by 1e-5 otherwise).
    wide = np.float64 if x.dtype in (np.float32, np.float16) else x.dtype
    with np.errstate(all="ignore"):  # inf and nan are results here
        return x.sum(axis=tuple(axes), dtype=wide, keepdims=True).astype(x.dtype)


sum_ = linear(
    "sum", "reduction", "Sum over axes.",
    infer=_reduced("sum"), eager=_sum_eager,
    transpose=lambda g, x, axes: (broadcast_to(g, shape=x.aval.shape),), accumulates=True,
)  # fmt: skip


def _share(y: Handle, x: Handle, axes: Any) -> Handle:
    """The weight of each element in the result: shared equally by those that tie."""
    hit = cast(x == broadcast_to(y, shape=x.aval.shape), dtype=x.aval.dtype)
    return hit / broadcast_to(sum_(hit, axes=axes), shape=x.aval.shape)


def _extreme(name: str, doc: str, eager: Any) -> Op:
    def vjp(g: Handle, y: Handle, x: Handle, axes: Any) -> tuple[Handle]:
        return (broadcast_to(g, shape=x.aval.shape) * _share(y, x, axes),)

    def jvp(ts: tuple[Handle], y: Handle, x: Handle, axes: Any) -> Handle:
        return sum_(ts[0] * _share(y, x, axes), axes=axes)

    return opaque(
        name, "reduction", doc, infer=_reduced(name),
        eager=lambda x, axes: eager(x, axis=tuple(axes), keepdims=True), vjp=vjp, jvp=jvp,
    )  # fmt: skip


max_ = _extreme("max", "Largest over axes; NaN wins; ties share the cotangent.", np.max)
min_ = _extreme("min", "Smallest over axes; NaN wins; ties share the cotangent.", np.min)


def _position(name: str, doc: str, eager: Any) -> Op:
    def infer(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
        (x,) = types
        check_axes(name, attrs["axes"], x)
        if count(x.shape[a] for a in attrs["axes"]) == 0:
            raise fail(name, "cannot reduce an axis of size 0", x)
        axes = set(attrs["axes"])
        return TensorType(int64, tuple(1 if i in axes else s for i, s in enumerate(x.shape)))

    def run(x: np.ndarray, axes: Any) -> np.ndarray:
        kept = [i for i in range(x.ndim) if i not in set(axes)]
        reduced = count(x.shape[i] for i in axes)
        moved = np.transpose(x, [*kept, *axes]).reshape(*[x.shape[i] for i in kept], reduced)
        shape = [1 if i in set(axes) else s for i, s in enumerate(x.shape)]
        return np.asarray(eager(moved, axis=-1), np.int64).reshape(shape)

    return opaque(name, "reduction", doc, infer=infer, eager=run, result=int64)


argmax = _position("argmax", "Row-major position of the first largest over axes.", np.argmax)
argmin = _position("argmin", "Row-major position of the first smallest over axes.", np.argmin)

__all__ = ["argmax", "argmin", "float32", "max_", "min_", "sum_"]
