"""Storage: the memory behind tensors, with a version counter that in-place writes raise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.extent import Extent
from tinytorch.tracer.mode import mode


class Storage:
    """Memory shared by a tensor and its views.

    ``owner`` is the numpy array that holds the memory, None inside a trace. ``version`` counts
    in-place writes. ``tape_version`` counts those that changed how the values were computed, so
    that views know when to derive their own history again. ``inference`` marks memory made in
    inference mode.
    """

    __slots__ = ("__weakref__", "inference", "owner", "tape_version", "version")

    def __init__(self, owner: np.ndarray | None) -> None:
        self.owner = owner
        self.inference = mode.inference
        self.version = 0
        self.tape_version = 0


class LentStorage(Storage):
    """Memory that numpy arrays or other libraries show too: other storages may be the same memory.

    Version counters stay apart, as PyTorch's do; compiled calls that write look at addresses.
    """

    __slots__ = ()


def contiguous_strides(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides: list[int] = []
    step: Any = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size if isinstance(size, Extent) else max(int(size), 1)
    return tuple(reversed(strides))


def is_contiguous(shape: tuple[Any, ...], strides: tuple[int, ...]) -> bool:
    """Whether strides are row-major, axes of size 1 aside; empty tensors are contiguous."""
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def view_strides(
    shape: tuple[Any, ...], strides: tuple[Any, ...], new: tuple[Any, ...]
) -> tuple[Any, ...] | None:
    """Strides under which memory can be seen in a new shape, or None if only a copy can.

    Runs of axes that lie densely in memory are matched against the new axes, as PyTorch's
    ``computeStride`` does.
    """
    if 0 in shape:
        return contiguous_strides(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result = [0] * len(new)
    axis = len(new) - 1
    while old:
        size, stride = old.pop()
        base = stride
        while old and old[-1][1] == base * size:
            size *= old.pop()[0]
        step = 1
        while axis >= 0 and step < size:
            result[axis] = base * step
            step *= new[axis]
            axis -= 1
        if step != size:
            return None
    while axis >= 0:
        result[axis] = 1
        axis -= 1
    return tuple(result)
