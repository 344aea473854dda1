"""Windows of signal processing, areas under sampled curves, and other sequences of numbers."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import DType, float64
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.maths import cos
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import axis_of, check_tensor, clone
from tinytorch.tracer.tensor import Tensor


def _points(length: int, periodic: bool, name: str) -> tuple[Tensor, int]:
    """0, 1, ... as float64, and the number that a whole period is."""
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    return arange(length).to(float64), max(length if periodic else length - 1, 1)


def _raised_cosine(
    length: int, periodic: bool, weights: tuple[float, ...], dtype: DType | None, name: str
) -> Tensor:
    at, period = _points(length, periodic, name)
    total: Any = weights[0]
    for k, w in enumerate(weights[1:], start=1):
        total = total + cos(at * (2 * math.pi * k / period)) * ((-1) ** k * w)
    if length == 1:
        total = at + 1
    return total.to(dtype or mode.default_dtype)


def hann_window(window_length: int, periodic: bool = True, *, dtype: DType | None = None) -> Tensor:
    """``(1 - cos(2 pi n / N)) / 2``; N is the length, less one unless ``periodic``."""
    return _raised_cosine(window_length, periodic, (0.5, 0.5), dtype, "hann_window")


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54,
                   beta: float = 0.46, *, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """``alpha - beta cos(2 pi n / N)``."""
    return _raised_cosine(window_length, periodic, (alpha, beta), dtype, "hamming_window")


def blackman_window(window_length: int, periodic: bool = True, *,
                    dtype: DType | None = None) -> Tensor:  # fmt: skip
    """``0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)``."""
    return _raised_cosine(window_length, periodic, (0.42, 0.5, 0.08), dtype, "blackman_window")


def bartlett_window(window_length: int, periodic: bool = True, *,
                    dtype: DType | None = None) -> Tensor:  # fmt: skip
    """A triangle: ``1 - |2 n / N - 1|``."""
    at, period = _points(window_length, periodic, "bartlett_window")
    out = 1 - ops.abs_(at * (2 / period) - 1) if window_length != 1 else at + 1
    return out.to(dtype or mode.default_dtype)


def _areas(
    name: str, y: Tensor, x: Tensor | None, dx: float | None, dim: int
) -> tuple[Tensor, int]:
    """Areas of the trapezoids between neighbours along an axis."""
    axis = axis_of(dim, check_tensor(y, name).ndim)
    size = y.shape[axis]
    if size < 1:
        return y, axis
    mean = (y.narrow(axis, 1, size - 1) + y.narrow(axis, 0, size - 1)) / 2
    if x is None:
        return mean * (1 if dx is None else dx), axis
    if x.ndim == 1:
        x = x.reshape(*(-1 if i == axis else 1 for i in range(y.ndim)))
    across = axis - y.ndim
    if x.shape[across] != size:
        raise RuntimeError(f"{name}(): There must be one `x` value for each sample point")
    return mean * (x.narrow(across, 1, size - 1) - x.narrow(across, 0, size - 1)), axis


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
              ) -> Tensor:  # fmt: skip
    """The area under samples ``y`` at ``x``, or ``dx`` apart, by the trapezoidal rule."""
    areas, axis = _areas("trapezoid", y, x, dx, dim)
    return areas.sum(axis)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None,
                         dim: int = -1) -> Tensor:  # fmt: skip
    """Running sums of what ``trapezoid`` adds up: one element less than ``y`` has."""
    areas, axis = _areas("cumulative_trapezoid", y, x, dx, dim)
    return areas.cumsum(axis)


def fill(input: Tensor, value: Any) -> Tensor:
    """One number in another tensor's shape and dtype, with gradients to a tensor ``value``."""
    return clone(check_tensor(input, "fill").detach()).fill_(value)


def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    return check_tensor(input, "detach").detach()


def real(input: Tensor) -> Tensor:
    """The real part: the tensor itself."""
    return check_tensor(input, "real")


def conj(input: Tensor) -> Tensor:
    """The complex conjugate: the tensor itself."""
    return check_tensor(input, "conj")


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return check_tensor(input, "is_signed").dtype.name not in ("uint8", "bool")


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal; ``wrap`` begins anew after that of a tall matrix."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    sizes = tuple(self.shape)
    if self.ndim > 2 and len(set(sizes)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(math.prod(sizes[i + 1 :]) for i in range(self.ndim))
    end = math.prod(sizes) if wrap or self.ndim > 2 else min(sizes) * step
    place = arange(math.prod(sizes)).reshape(*sizes)
    chosen = (place % step == 0) & (place < end)
    return self.assign(where(chosen, fill_value, clone(self)).to(self.dtype))


__all__ = [
    "bartlett_window", "blackman_window", "conj", "cumulative_trapezoid", "detach", "fill",
    "hamming_window", "hann_window", "is_signed", "real", "trapezoid", "trapz",
]  # fmt: skip
METHODS = ["conj", "fill_diagonal_", "is_signed"]
