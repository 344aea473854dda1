"""Padding layers: a mode and a number of axes each."""

from __future__ import annotations

from typing import Any, ClassVar

from tinytorch.nn import functional as F
from tinytorch.nn.functional.sizes import per_axis
from tinytorch.nn.module import Module
from tinytorch.tracer.tensor import Tensor


class _Pad(Module):
    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = per_axis(padding, 2 * self.axes, type(self).__name__, "padding")

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the amounts."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes by the value."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return amounts and value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A number around the last axis."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A number around the last two axes."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A number around the last three axes."""

    axes = 3


class ZeroPad1d(_Pad):
    """Zeros around the last axis."""

    axes = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two axes."""

    axes = 2


class ZeroPad3d(_Pad):
    """Zeros around the last three axes."""

    axes = 3


class ReflectionPad1d(_Pad):
    """The last axis mirrored at its ends, the edge not repeated."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their ends, the edge not repeated."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes mirrored at their ends, the edge not repeated."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edge of the last axis repeated."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edges of the last two axes repeated."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The edges of the last three axes repeated."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The last axis continued by its other end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The last two axes continued by their other ends."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The last three axes continued by their other ends."""

    axes, mode = 3, "circular"


__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip
