"""Images in other sizes: interpolation along one axis after another, and pixels moved to channels.

Positions and weights along an axis are computed from the index of the result, in float32 for
float32 images as PyTorch does, so that both pick the same pixels.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.nn.functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)  # fmt: skip
from tinytorch.nn.functional.sizes import whole
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.windows import taken
from tinytorch.tracer.kinds import Whole
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_MODES = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,),
    "bilinear": (2,), "bicubic": (2,), "trilinear": (3,),
}  # fmt: skip
_CORNERED = ("linear", "bilinear", "bicubic", "trilinear")
_CUBIC = -0.75


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Resize the axes after (N, C) to ``size``, or by ``scale_factor``.

    ``mode``: ``"nearest"``, ``"nearest-exact"``, ``"area"`` (1 to 3 axes), ``"linear"`` (1),
    ``"bilinear"``, ``"bicubic"`` (2) or ``"trilinear"`` (3). ``align_corners`` maps the centres of
    the outermost pixels on each other; the other modes have none. ``recompute_scale_factor``
    takes the scale from the sizes instead of using ``scale_factor`` itself. Raises ValueError and
    NotImplementedError where arguments do not fit together, NotImplementedError for ``antialias``.
    """
    check_tensor(input, "interpolate")
    if mode not in _CORNERED and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate: unknown mode {mode!r}; known are {list(_MODES)}")
    n = input.ndim - 2
    sizes, scales = _target(input, n, size, scale_factor, recompute_scale_factor)
    if antialias:
        raise NotImplementedError(
            "interpolate: antialias=True is not supported; shrink with mode='area' instead"
        )
    if mode not in _MODES or n not in _MODES[mode]:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | "
            f"area | nearest-exact (got {mode})"
        )
    if min(input.shape[2:]) < 1 or min(sizes) < 1:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input "
            f"{tuple(input.shape[2:])} and output {sizes}"
        )
    if mode == "area":
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1]
        return pool(input, sizes)
    if not input.dtype.is_floating_point and (mode in _CORNERED or input.dtype is not types.uint8):
        raise NotImplementedError(f'"interpolate" ({mode}) not implemented for {input.dtype.name}')
    out = input.to(types.float32) if input.dtype.bits < 32 and mode in _CORNERED else input
    for axis, (wanted, scale) in enumerate(zip(sizes, scales, strict=True)):
        out = _RESAMPLE[mode](out, axis + 2, wanted, scale, bool(align_corners))
    return out.to(input.dtype)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The old name of ``interpolate``; warns so."""
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def _target(
    input: Tensor, n: int, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], list[float | None]]:
    """Sizes of the result, and the scales to use where they do not follow from the sizes."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    given = size if size is not None else scale_factor
    if given is None:
        raise ValueError("either size or scale_factor should be defined")
    listed = tuple(given) if isinstance(given, list | tuple) else (given,) * n
    if len(listed) != n:
        word = "output" if size is not None else "scale_factor"
        raise ValueError(
            f"Input and {word} must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(input.shape[2:])} and {word} of {given}. Please "
            "provide input tensor in (N, C, d1, d2, ...,dK) format."
        )
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(whole(s, "interpolate", "size") for s in listed), [None] * n
    factors = [float(s) for s in listed]
    sizes = tuple(math.floor(s * f) for s, f in zip(input.shape[2:], factors, strict=True))
    return sizes, [None if recompute else f for f in factors]


# -------------------------------------------------------------- along one axis


def _ratio(size: int, wanted: int, scale: float | None, dtype: Any) -> float:
    """Input pixels an output pixel, as the dtype computes it."""
    kind = np.float64 if dtype is types.float64 else np.float32
    if scale is not None and scale > 0:
        return float(kind(1.0 / scale))
    return float(kind(size) / kind(wanted))


def _source(
    x: Tensor, axis: int, wanted: int, scale: float | None, corners: bool
) -> Tensor:
    """Where each output pixel's centre lies in the input."""
    size, index = x.shape[axis], arange(wanted).to(x.dtype)
    if not corners:
        return (index + 0.5) * _ratio(size, wanted, scale, x.dtype) - 0.5
    return index * (_ratio(size - 1, wanted - 1, None, x.dtype) if wanted > 1 else 0.0)


def _limited(index: Tensor, size: int) -> Tensor:
    return where(index < 0, 0, where(index >= size, size - 1, index))


def _nearest(x: Tensor, axis: int, wanted: int, scale: float | None, corners: bool) -> Tensor:
    size = x.shape[axis]
    if wanted == size and scale is None:
        return x
    index = arange(wanted)
    if wanted == 2 * size:
        return taken(x, axis, elementwise.floor_divide(index, 2))
    at = index.to(types.float32) * _ratio(size, wanted, scale, types.float32)
    return taken(x, axis, _limited(elementwise.floor(at).to(types.int64), size))


def _nearest_exact(
    x: Tensor, axis: int, wanted: int, scale: float | None, corners: bool
) -> Tensor:
    ratio = _ratio(x.shape[axis], wanted, scale, types.float32)
    at = elementwise.floor((arange(wanted).to(types.float32) + 0.5) * ratio)
    return taken(x, axis, _limited(at.to(types.int64), x.shape[axis]))


def _weighted(x: Tensor, axis: int, weight: Tensor) -> Tensor:
    return x * weight.reshape(-1, *(1,) * (x.ndim - 1 - axis))


def _linear(x: Tensor, axis: int, wanted: int, scale: float | None, corners: bool) -> Tensor:
    size = x.shape[axis]
    if size == wanted and scale is None:
        return x
    at = _source(x, axis, wanted, scale, corners)
    at = where(at < 0, 0.0, at)
    low = _limited(elementwise.floor(at).to(types.int64), size)
    part = at - low.to(at.dtype)
    part = where(part > 1, 1.0, part)
    first = taken(x, axis, low)
    second = taken(x, axis, _limited(low + 1, size))
    return _weighted(first, axis, 1.0 - part) + _weighted(second, axis, part)


def _cubic(x: Tensor, axis: int, wanted: int, scale: float | None, corners: bool) -> Tensor:
    """Four pixels weighted by the cubic kernel of Keys, 1981, with a = -0.75."""
    size = x.shape[axis]
    at = _source(x, axis, wanted, scale, corners)
    low = elementwise.floor(at)
    part, base = at - low, low.to(types.int64)
    total: Any = 0
    for offset, weight in enumerate(cubic_weights(part), start=-1):
        total = total + _weighted(taken(x, axis, _limited(base + offset, size)), axis, weight)
    return total


def cubic_weights(part: Tensor) -> list[Tensor]:
    """Weights of the four neighbours of a place, ``part`` beyond the second: Keys, 1981."""
    weights = []
    for offset in range(-1, 3):
        distance = elementwise.abs(part - offset)
        near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance * distance + 1
        far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
        weights.append(near if offset in (0, 1) else far)
    return weights


_RESAMPLE: dict[str, Callable[[Tensor, int, int, float | None, bool], Tensor]] = {
    "nearest": _nearest, "nearest-exact": _nearest_exact, "linear": _linear, "bilinear": _linear,
    "trilinear": _linear, "bicubic": _cubic,
}  # fmt: skip

# ------------------------------------------------------- channels and pixels


def pixel_shuffle(input: Tensor, upscale_factor: Whole) -> Tensor:
    """Channels to pixels: (..., C * r * r, H, W) to (..., C, H * r, W * r).

    Raises RuntimeError where the shape does not fit. Source: Shi et al., 2016.
    """
    r = _factor(input, "pixel_shuffle", upscale_factor, "upscale_factor")
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    split = input.reshape(math.prod(batch), c // (r * r), r, r, h, w).permute(0, 1, 4, 2, 5, 3)
    return split.reshape(*batch, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: Whole) -> Tensor:
    """Pixels to channels: (..., C, H * r, W * r) to (..., C * r * r, H, W)."""
    r = _factor(input, "pixel_unshuffle", downscale_factor, "downscale_factor")
    *batch, c, h, w = input.shape
    for name, axis, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({axis})={size} is not divisible by {r}"
            )
    split = input.reshape(math.prod(batch), c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)
    return split.reshape(*batch, c * r * r, h // r, w // r)


def _factor(input: Tensor, function: str, value: Any, argument: str) -> int:
    check_tensor(input, function)
    if input.ndim < 3:
        raise RuntimeError(
            f"{function} expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    r = whole(value, function, argument)
    if r < 1:
        raise RuntimeError(f"{function} expects a positive {argument}, but got {r}")
    return r


def channel_shuffle(input: Tensor, groups: Any) -> Tensor:
    """Channels of (N, C, ...) dealt out: from ``groups`` blocks to one of each block in turn."""
    check_tensor(input, "channel_shuffle")
    count = whole(groups, "channel_shuffle", "groups")
    if input.ndim < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    n, c = input.shape[:2]
    if count < 1 or c % count:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {count} groups."
        )
    split = input.reshape(n, count, c // count, *input.shape[2:])
    return split.transpose(1, 2).reshape(*input.shape)


__all__ = [
    "channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample",
]  # fmt: skip
