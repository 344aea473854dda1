"""Pools: a reduction over windows, which are views of the (padded) input.

The largest of a window is chosen by its position, so that the gradient goes to the first of equal
ones alone, as in PyTorch. Elements that padding adds are never chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinytorch.nn.functional.sizes import per_axis
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import elementwise, extremes
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.padding import constant_pad_nd
from tinytorch.tracer.functions.windows import windows
from tinytorch.tracer.kinds import Scalar, Whole
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


@dataclass(frozen=True)
class _Pool:
    """Settings of a pool over the last axes, one number an axis, and the sizes they give."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    steps: tuple[int, ...]
    pads: tuple[int, ...]
    gaps: tuple[int, ...]
    counts: tuple[int, ...]

    def windows_of(self, input: Tensor, fill: Any) -> Tensor:
        """Windows (..., *counts, K) of a padded input, their insides as one axis."""
        n, lead = len(self.kernel), input.ndim - len(self.kernel)
        borders: list[int] = []
        for axis in reversed(range(n)):
            span = self.gaps[axis] * (self.kernel[axis] - 1) + 1
            needed = (self.counts[axis] - 1) * self.steps[axis] + span
            low = self.pads[axis]
            borders += [low, max(0, needed - self.sizes[axis] - low)]
        if any(borders):
            input = constant_pad_nd(input, borders, fill)
        seen = windows(input, range(lead, lead + n), self.kernel, self.steps, self.gaps)
        seen = seen[(..., *(slice(c) for c in self.counts), *(slice(None),) * n)]
        return seen.reshape(*seen.shape[: input.ndim], math.prod(self.kernel))

    def starts(self, axis: int) -> Tensor:
        """Where the windows of an axis start in the input; below 0 in the padding."""
        return arange(self.counts[axis]) * self.steps[axis] - self.pads[axis]

    def first_real(self) -> Tensor:
        """Position in each window of its first element that is no padding."""
        flat: Any = 0
        for axis, (size, gap) in enumerate(zip(self.kernel, self.gaps, strict=True)):
            start = self.starts(axis)
            missing = elementwise.floor_divide(gap - 1 - start, gap)
            flat = flat * size + self.along(where(start < 0, missing, 0), axis)
        return flat

    def flat_position(self, position: Tensor) -> Tensor:
        """Row-major position in the input of an element of each window."""
        flat: Any = 0
        rest = math.prod(self.kernel)
        for axis, size in enumerate(self.sizes):
            rest //= self.kernel[axis]
            offset = elementwise.floor_divide(position, rest)
            position = position - offset * rest
            at = self.along(self.starts(axis), axis) + offset * self.gaps[axis]
            flat = flat * size + at
        return flat

    def divisor(self, with_padding: bool) -> Any:
        """How many elements each window averages; a number if all windows are whole."""
        whole = True
        count: Any = 1
        for axis, size in enumerate(self.sizes):
            pad, span = self.pads[axis], self.kernel[axis]
            last = (self.counts[axis] - 1) * self.steps[axis] - pad + span
            low, high = (-pad, size + pad) if with_padding else (0, size)
            whole = whole and last <= high and low <= -pad
            start = self.starts(axis)
            stop = start + span
            start = where(start < low, low, start)
            stop = where(stop > high, high, stop)
            count = count * self.along(stop - start, axis)
        return math.prod(self.kernel) if whole else count

    def along(self, values: Tensor, axis: int) -> Tensor:
        """A vector over the windows of one axis, laid along it."""
        return values.reshape(-1, *(1,) * (len(self.kernel) - 1 - axis))


def _pool(
    function: str, n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any,
    dilation: Any, ceil_mode: bool,
) -> _Pool:  # fmt: skip
    check_tensor(input, function)
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{function}(): Expected {n + 1}D or {n + 2}D (batch mode) tensor for input, but got "
            f"input of shape {list(input.shape)}"
        )
    if any(s == 0 for s in input.shape[-n - 1 :]):
        raise RuntimeError(
            f"{function}(): Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim "
            f"batch size for input, but got: {list(input.shape)}"
        )
    kernel = per_axis(kernel_size, n, function, "kernel_size")
    no_stride = stride is None or (isinstance(stride, list | tuple) and not stride)
    steps = kernel if no_stride else per_axis(stride, n, function, "stride")
    pads = per_axis(padding, n, function, "padding")
    gaps = per_axis(dilation, n, function, "dilation")
    for word, values in (("kernel size", kernel), ("stride", steps), ("dilation", gaps)):
        if min(values) < 1:
            raise RuntimeError(f"{function}(): {word} should be greater than zero, got {values}")
    counts = []
    for size, k, s, p, d in zip(input.shape[-n:], kernel, steps, pads, gaps, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )
        room = size + 2 * p - d * (k - 1) - 1
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= size + p:
            count -= 1  # the last window has to start inside the input
        counts.append(count)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, input.shape[-n - 1 :]))}). Calculated output "
            f"size: ({'x'.join(map(str, (input.shape[-n - 1], *counts)))}). Output size is too "
            "small"
        )
    return _Pool(tuple(input.shape[-n:]), kernel, steps, pads, gaps, tuple(counts))


# ------------------------------------------------------------------------ max


def lowest(input: Tensor) -> Any:
    """What is never larger than an element."""
    if input.dtype.is_floating_point:
        return -math.inf
    return 0 if not input.dtype.signed else -(1 << (input.dtype.bits - 1))


def first_largest(inside: Tensor, instead: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The largest along the last axis, whose gradient goes to the first of them; its position.

    ``instead`` is the position where nothing is larger than the lowest value, which may also stand
    in the place of elements that do not exist.
    """
    fixed = inside.detach()
    position = fixed.argmax(-1)
    if instead is not None:
        position = where(extremes.amax(fixed, -1) == lowest(inside), instead, position)
    if not inside.dtype.is_floating_point:
        return extremes.amax(inside, -1), position
    chosen = arange(inside.shape[-1]) == position.unsqueeze(-1)
    return where(chosen, inside, 0.0).sum(-1), position


def _max_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    function = f"max_pool{n}d"
    pool = _pool(function, n, input, kernel_size, stride, padding, dilation, ceil_mode)
    inside = pool.windows_of(input, lowest(input))
    values, position = first_largest(inside, pool.first_real() if any(pool.pads) else None)
    return (values, pool.flat_position(position)) if return_indices else values


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Largest of each window of (N, C, L) or (C, L); arguments and errors as in ``max_pool2d``."""
    return _max_pool(
        1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Largest of each window of images (N, C, H, W) or (C, H, W); NaN is the largest.

    ``stride`` None is the kernel size; ``ceil_mode`` lets the last window hang over the end. With
    ``return_indices`` also the positions in H * W, int64. Raises RuntimeError for settings that
    leave no window or pad more than half of one.
    """
    return _max_pool(
        2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Largest of each window of (N, C, D, H, W) or (C, D, H, W); see ``max_pool2d``."""
    return _max_pool(
        3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


# -------------------------------------------------------------------- average


def _avg_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: Any,
) -> Tensor:  # fmt: skip
    function = f"avg_pool{n}d"
    pool = _pool(function, n, input, kernel_size, stride, padding, 1, ceil_mode)
    if not input.dtype.is_floating_point and input.dtype is not types.int64:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')
    if divisor is not None and divisor == 0:
        raise RuntimeError("divisor must be not zero")
    wide = input.to(types.float32) if input.dtype.bits < 32 else input
    total = pool.windows_of(wide, 0).sum(-1)
    if divisor is None:
        divisor = pool.divisor(count_include_pad)
    if isinstance(divisor, Tensor):
        divisor = divisor.to(total.dtype)
    if input.dtype is types.int64:
        return elementwise.div(total, divisor, rounding_mode="trunc")
    return (total / divisor).to(input.dtype)


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """Mean of each window of (N, C, L) or (C, L); arguments and errors as in ``avg_pool2d``."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Whole = None,
) -> Tensor:  # fmt: skip
    """Mean of each window of images (N, C, H, W) or (C, H, W).

    ``count_include_pad`` counts the zeros of the padding; ``divisor_override`` replaces the count.
    Raises RuntimeError for settings that leave no window or pad more than half of one.
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Whole = None,
) -> Tensor:  # fmt: skip
    """Mean of each window of (N, C, D, H, W) or (C, D, H, W); see ``avg_pool2d``."""
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    input: Tensor, norm_type: Scalar, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` over each window of (N, C, L) or (C, L)."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: Scalar, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` over each window of images (N, C, H, W) or (C, H, W).

    As in PyTorch the sum is scaled up to a whole window where it hangs over the end, and signs are
    taken away before the root: sign(s) * relu(|s|).
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    n: int, input: Tensor, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    if norm_type in (math.inf, -math.inf):
        sign = 1.0 if norm_type > 0 else -1.0
        sizes = sign * elementwise.abs(input)
        return sign * _max_pool(n, sizes, kernel_size, stride, 0, 1, ceil_mode, False)
    mean = _avg_pool(n, input**norm_type, kernel_size, stride, 0, ceil_mode, True, None)
    scaled = elementwise.sign(mean) * elementwise.relu(elementwise.abs(mean))
    whole = math.prod(per_axis(kernel_size, n, f"lp_pool{n}d", "kernel_size"))
    return (scaled * whole) ** (1.0 / norm_type)


__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "max_pool1d",
    "max_pool2d", "max_pool3d",
]  # fmt: skip
