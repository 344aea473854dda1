"""Convolutions of the course: anchored at the left, as large as the input, zeros beyond its end."""

from __future__ import annotations

from typing import Any

from tinytorch.compat.minitorch.tensor_functions import Function
from tinytorch.nn import functional as F


def _one_axis(x: Any, w: Any, reverse: bool = False) -> Any:
    """Correlation along the last axis of (batch, in, width) with (out, in, kernel)."""
    k = int(w.shape[-1]) - 1
    if reverse:
        return F.conv1d(F.pad(x, (k, 0)), w.flip(-1))
    return F.conv1d(F.pad(x, (0, k)), w)


def _two_axes(x: Any, w: Any, reverse: bool = False) -> Any:
    """Correlation along the last axes of (batch, in, h, w) with (out, in, kh, kw)."""
    kh, kw = (int(s) - 1 for s in w.shape[-2:])
    if reverse:
        return F.conv2d(F.pad(x, (kw, 0, kh, 0)), w.flip((-2, -1)))
    return F.conv2d(F.pad(x, (0, kw, 0, kh)), w)


class Conv1dFun(Function):
    """1-d convolution: input (batch, in, width), weight (out, in, kernel)."""

    @classmethod
    def apply(cls, input: Any, weight: Any, reverse: bool = False) -> Any:
        """Apply; ``reverse`` anchors the kernel at the right and runs it backwards."""
        assert input.shape[1] == weight.shape[1]
        return input.map_values(lambda x, w: _one_axis(x, w, reverse), weight)


class Conv2dFun(Function):
    """2-d convolution: input (batch, in, h, w), weight (out, in, kh, kw)."""

    @classmethod
    def apply(cls, input: Any, weight: Any, reverse: bool = False) -> Any:
        """Apply; ``reverse`` anchors the kernel at the right and bottom and runs it backwards."""
        assert input.shape[1] == weight.shape[1]
        return input.map_values(lambda x, w: _two_axes(x, w, reverse), weight)


conv1d = Conv1dFun.apply
conv2d = Conv2dFun.apply
