"""Images sampled at the points of a grid, and grids made of affine maps.

A grid holds points (x, y) (or (x, y, z)), last axis of the image first, from -1 to 1 across it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from tinytorch.nn.functional.resampling import cubic_weights
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange, zeros_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.product import matmul
from tinytorch.tracer.functions.windows import taken
from tinytorch.tracer.shapes import check_tensor, stack
from tinytorch.tracer.tensor import Tensor


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid (N, H, W, 2) that maps ``theta`` (N, 2, 3) make of a ``size`` (N, C, H, W).

    Volumes: theta (N, 3, 4), size (N, C, D, H, W), grid (N, D, H, W, 3). ``align_corners`` says
    that -1 and 1 are the centres of the outermost pixels, not their outer edges.
    """
    check_tensor(theta, "affine_grid")
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3) or theta.ndim != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of affine matrices of shape Nx2x3 for size 4 or Nx3x4 for size 5. "
            f"Got {tuple(theta.shape)} for size {tuple(size)}"
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    axes = []
    for position, count in enumerate(size[2:]):
        steps = arange(count, dtype=theta.dtype)
        if align_corners:
            line = steps * (2 / (count - 1)) - 1 if count > 1 else steps
        else:
            line = (steps * 2 + 1) / count - 1
        shape = [1] * n
        shape[position] = count
        axes.append(line.reshape(*shape).expand(*size[2:]))
    ones = zeros_like(axes[0]) + 1
    points = stack([*reversed(axes), ones], -1).reshape(1, -1, n + 1)
    grid = matmul(points.expand(size[0], -1, -1), theta.transpose(1, 2))
    return grid.reshape(size[0], *size[2:], n)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Values of images (N, C, H, W) at the points of a grid (N, H', W', 2): (N, C, H', W').

    Volumes have one axis more. ``mode``: "bilinear" (of volumes: trilinear), "nearest" or "bicubic"
    (images alone). Points outside see "zeros", the "border", or the image's "reflection".
    ``align_corners`` as in ``affine_grid``. Raises ValueError for unknown modes, RuntimeError for
    shapes and dtypes that do not fit.
    """
    _check(input, grid, mode, padding_mode)
    n = input.ndim - 2
    sizes = tuple(input.shape[2:])
    places = []
    for axis in range(n):  # of the image; the grid has them in reverse
        x, size = grid[..., n - 1 - axis], sizes[axis]
        places.append((x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2)

    def padded(x: Tensor, axis: int) -> Tensor:
        return _padded(x, sizes[axis], padding_mode, bool(align_corners))

    if mode == "bicubic":
        return _bicubic(input, places, padded)
    places = [padded(x, axis) for axis, x in enumerate(places)]
    if mode == "nearest":
        return _values(input, [elementwise.round(x.detach()) for x in places]).movedim(-1, 1)
    lows = [elementwise.floor(x.detach()) for x in places]
    out: Any = 0
    for corner in itertools.product((0, 1), repeat=n):
        weight: Any = 1
        for x, low, high in zip(places, lows, corner, strict=True):
            weight = weight * (x - low if high else low + 1 - x)
        at = [low + high for low, high in zip(lows, corner, strict=True)]
        out = out + _values(input, at) * weight.unsqueeze(-1)
    return out.movedim(-1, 1)


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    check_tensor(input, "grid_sample")
    check_tensor(grid, "grid_sample", "grid")
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0] or grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid of batch size {input.shape[0]} with {n} numbers a "
            f"point, but got input with sizes {list(input.shape)} and grid with sizes "
            f"{list(grid.shape)}"
        )
    if any(size == 0 for size in input.shape[2:]):
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {list(input.shape)}"
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype.name} and grid has {grid.dtype.name}"
        )


def _padded(x: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """Positions along an axis after padding."""
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            x = x * 0
        else:
            off = elementwise.abs(x - low)
            rest = elementwise.fmod(off, span)
            even = elementwise.fmod(elementwise.floor(off.detach() / span), 2) == 0
            x = where(even, rest + low, span - rest + low)
    if padding_mode != "zeros":  # limits that are met pass no gradient on
        x = where(x > 0, where(x < size - 1, x, float(size - 1)), 0.0)
    return x


def _values(input: Tensor, at: list[Tensor]) -> Tensor:
    """Pixels (..., C) at whole positions, zeros outside and where there is no number."""
    batch, channels = input.shape[:2]
    flat: Any = arange(batch).reshape(-1, *(1,) * (at[0].ndim - 1))
    inside: Any = None
    for x, size in zip(at, input.shape[2:], strict=True):
        here = (x >= 0) & (x <= size - 1)
        inside = here if inside is None else inside & here
        flat = flat * size + where(here, x, 0.0).to(types.int64)
    rows = input.movedim(1, -1).reshape(batch * math.prod(input.shape[2:]), channels)
    return where(inside.unsqueeze(-1), taken(rows, 0, flat), 0.0)


def _bicubic(
    input: Tensor, places: list[Tensor], padded: Callable[[Tensor, int], Tensor]
) -> Tensor:
    """Sixteen pixels around each point, by the weights of cubic convolution (Keys, 1981)."""
    lows = [elementwise.floor(x.detach()) for x in places]
    weights = [cubic_weights(x - low) for x, low in zip(places, lows, strict=True)]
    out: Any = 0
    for i, j in itertools.product(range(4), repeat=2):
        at = [padded(lows[0] + (i - 1), 0), padded(lows[1] + (j - 1), 1)]
        weight = weights[0][i] * weights[1][j]
        out = out + _values(input, [elementwise.round(x) for x in at]) * weight.unsqueeze(-1)
    return out.movedim(-1, 1)


__all__ = ["affine_grid", "grid_sample"]
