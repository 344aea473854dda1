"""Adaptive pools: windows chosen so that the result has a given size.

Window o of an axis of size L with O results covers floor(o * L / O) to ceil((o + 1) * L / O).
Where O divides L these are plain windows. Else the elements are looked up by a table of positions,
as wide as the widest window (one that begins as late in an element as the common divisors of L and
O allow), and what lies beyond a window's end counts for nothing.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.nn.functional.pooling import first_largest, lowest
from tinytorch.nn.functional.sizes import whole
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions.elementwise import floor_divide, logical_not, logical_or, where
from tinytorch.tracer.functions.windows import taken, windows
from tinytorch.tracer.refusals import allocating
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def _result_sizes(function: str, n: int, input: Tensor, output_size: Any) -> tuple[int, ...]:
    check_tensor(input, function)
    if output_size is None:
        raise TypeError(f"{function}(): argument 'output_size' must be int or tuple of ints")
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{function}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}"
        )
    if any(s == 0 for s in input.shape[-n:]):
        raise RuntimeError(
            f"{function}(): Expected input to have non-zero size for non-batch dimensions, but "
            f"input has sizes {list(input.shape)}"
        )
    wanted = output_size if isinstance(output_size, list | tuple) else (output_size,) * n
    if len(wanted) != n:
        raise RuntimeError(f"{function}: output_size must be {n}")
    found = tuple(
        size if s is None else whole(s, function, "output_size")
        for s, size in zip(wanted, input.shape[-n:], strict=True)
    )
    if any(s < 0 for s in found):
        raise RuntimeError(
            f"{function}: elements of output_size must be greater than or equal to 0 but received "
            f"{list(found)}"
        )
    with allocating((*input.shape[:-n], *found), input.dtype):
        return found


class _Windows:
    """The windows of a call: their elements, which of them exist, and where they are."""

    def __init__(self, input: Tensor, sizes: tuple[int, ...]) -> None:
        self.n = len(sizes)
        self.sizes = sizes
        self.inner = tuple(input.shape[-self.n :])
        self.even = all(s and size % s == 0 for s, size in zip(sizes, self.inner, strict=True))
        self.widths = tuple(
            -(-(size + s - math.gcd(size, s)) // s) if s else 1
            for s, size in zip(sizes, self.inner, strict=True)
        )

    def elements(self, input: Tensor) -> Tensor:
        """(..., *sizes, K): the insides of the windows as one axis."""
        lead, k = input.ndim - self.n, math.prod(self.widths)
        outer = input.shape[:lead]
        if self.even:
            dims = range(lead, input.ndim)
            seen = windows(input, dims, self.widths, self.widths, (1,) * self.n)
            return seen.reshape(*outer, *self.sizes, k)
        flat = input.reshape(*outer, math.prod(self.inner))
        return taken(flat, lead, self.positions().reshape(*self.sizes, k))

    def _table(self, axis: int, beyond: bool) -> Tensor:
        """Positions of the elements along one axis, or whether they lie beyond their window."""
        count, size = self.sizes[axis], self.inner[axis]
        window = arange(count).reshape(-1, 1)
        start = floor_divide(window * size, max(count, 1))
        stop = floor_divide((window + 1) * size + (count - 1), max(count, 1))
        at = start + arange(self.widths[axis])
        table = at >= stop if beyond else where(at >= stop, size - 1, at)
        shape = [1] * (2 * self.n)
        shape[axis], shape[self.n + axis] = table.shape
        return table.reshape(*shape)

    def positions(self) -> Tensor:
        """Row-major positions in the input, (*sizes, *widths)."""
        flat: Any = 0
        for axis, size in enumerate(self.inner):
            flat = flat * size + self._table(axis, beyond=False)
        return flat

    def missing(self) -> Tensor:
        """Which elements lie beyond their window, (*sizes, K)."""
        found = self._table(0, beyond=True)
        for axis in range(1, self.n):
            found = logical_or(found, self._table(axis, beyond=True))
        return found.expand(*self.sizes, *self.widths).reshape(*self.sizes, math.prod(self.widths))


def _average(n: int, input: Tensor, output_size: Any) -> Tensor:
    function = f"adaptive_avg_pool{n}d"
    sizes = _result_sizes(function, n, input, output_size)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')
    wide = input.to(types.float32) if input.dtype.bits < 32 else input
    found = _Windows(wide, sizes)
    inside = found.elements(wide)
    if found.even:
        return inside.mean(-1).to(input.dtype)
    missing = found.missing()
    count = logical_not(missing).to(wide.dtype).sum(-1)
    return (where(missing, 0.0, inside).sum(-1) / count).to(input.dtype)


def _largest(n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    sizes = _result_sizes(f"adaptive_max_pool{n}d", n, input, output_size)
    found = _Windows(input, sizes)
    inside = found.elements(input)
    if not found.even:
        # positions grow along a window, so the first of several lowest values is never missing
        inside = where(found.missing(), lowest(input), inside)
    values, position = first_largest(inside)
    if not return_indices:
        return values
    table = found.positions().reshape(*sizes, -1)
    chosen = arange(inside.shape[-1]) == position.unsqueeze(-1)
    return values, where(chosen, table, 0).sum(-1)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of (N, C, L) or (C, L) over ``output_size`` windows."""
    return _average(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of images (N, C, H, W) or (C, H, W) over a grid of windows.

    ``output_size`` is a number, or one an axis, None for the input's size. Raises RuntimeError
    where it or the input's shape does not fit.
    """
    return _average(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of (N, C, D, H, W) or (C, D, H, W) over a grid of windows."""
    return _average(3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest of (N, C, L) or (C, L) in ``output_size`` windows; see ``adaptive_max_pool2d``."""
    return _largest(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest of images (N, C, H, W) or (C, H, W) in a grid of windows.

    With ``return_indices`` also the positions in H * W, int64. Arguments and errors as in
    ``adaptive_avg_pool2d``.
    """
    return _largest(2, input, output_size, return_indices)


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]  # fmt: skip
