"""Sliding windows: what convolutions and pools read, and the sum that undoes the overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, check_axes, fail, linear
from tinytorch.ir.types import TensorType


def window_count(size: int, window: int, step: int, gap: int) -> int:
    """Number of windows along an axis; 0 or less if not even one fits."""
    return (size - gap * (window - 1) - 1) // step + 1


def _window_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    axes, sizes = tuple(attrs["axes"]), tuple(attrs["sizes"])
    check_axes("window", axes, x)
    shape = list(x.shape)
    for axis, size, step, gap in zip(axes, sizes, attrs["steps"], attrs["gaps"], strict=True):
        if min(size, step, gap) < 1:
            raise fail("window", f"size {size}, step {step} and gap {gap} must be positive", x)
        found = window_count(x.shape[axis], size, step, gap)
        if found < 1:
            raise fail("window", f"{size} elements, {gap} apart, do not fit axis {axis}", x)
        shape[axis] = found
    return TensorType(x.dtype, (*shape, *sizes))


def _window_eager(x: np.ndarray, axes: Any, sizes: Any, steps: Any, gaps: Any) -> np.ndarray:
    spans = tuple(gap * (size - 1) + 1 for size, gap in zip(sizes, gaps, strict=True))
    found = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(axes))
    chosen = [slice(None)] * found.ndim
    for position, (axis, step, gap) in enumerate(zip(axes, steps, gaps, strict=True)):
        chosen[axis] = slice(None, None, step)
        chosen[x.ndim + position] = slice(None, None, gap)
    return found[tuple(chosen)]


window: Op = linear(
    "window", "movement",
    "Windows that slide along axes: element (..., o, ..., k, ...) is element o * step + k * gap "
    "of the axis. An axis becomes the number of windows; their insides are new last axes.",
    infer=_window_type, eager=_window_eager,
    transpose=lambda g, x, axes, sizes, steps, gaps: (
        unwindow(g, axes=axes, steps=steps, gaps=gaps, shape=x.aval.shape),),
)  # fmt: skip


def _unwindow_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (g,) = types
    axes, shape = tuple(attrs["axes"]), tuple(attrs["shape"])
    sizes = g.shape[len(shape) :]
    if len(sizes) != len(axes):
        raise fail("unwindow", f"axes {list(axes)} need as many window axes at the end", g)
    like = TensorType(g.dtype, shape)
    rest = {"axes": axes, "sizes": sizes, "steps": attrs["steps"], "gaps": attrs["gaps"]}
    if _window_type((like,), rest).shape != g.shape:
        raise fail("unwindow", f"these are not the windows of {like}", g)
    return like


def _unwindow_eager(g: np.ndarray, axes: Any, steps: Any, gaps: Any, shape: Any) -> np.ndarray:
    wide = np.float64 if g.dtype in (np.float32, np.float16) else g.dtype
    out = np.zeros(shape, wide)
    for offsets in np.ndindex(*g.shape[len(shape) :]):
        place = [slice(None)] * len(shape)
        for axis, offset, step, gap in zip(axes, offsets, steps, gaps, strict=True):
            start = offset * gap
            place[axis] = slice(start, start + (g.shape[axis] - 1) * step + 1, step)
        out[tuple(place)] += g[(..., *offsets)]
    return out.astype(g.dtype)


def _windows_again(
    g: Handle, x: Handle, axes: Any, steps: Any, gaps: Any, shape: Any
) -> tuple[Handle]:
    sizes = tuple(x.aval.shape[len(shape) :])
    return (window(g, axes=axes, sizes=sizes, steps=steps, gaps=gaps),)


unwindow: Op = linear(
    "unwindow", "movement",
    "Transpose of window: each element of each window added into zeros of ``shape`` where it "
    "came from.",
    infer=_unwindow_type, eager=_unwindow_eager, transpose=_windows_again, accumulates=True,
)  # fmt: skip
