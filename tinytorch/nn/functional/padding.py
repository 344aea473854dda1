"""Padding by a number, by mirror images, by the edge, or by the other end."""

from __future__ import annotations

from tinytorch.nn.functional.sizes import whole
from tinytorch.tracer.functions.padding import constant_pad_nd
from tinytorch.tracer.kinds import Scalar, Wholes
from tinytorch.tracer.shapes import cat, check_tensor, expand, flip
from tinytorch.tracer.tensor import Tensor

_MODES = ("reflect", "replicate", "circular")


def pad(
    input: Tensor, pad: Wholes, mode: str = "constant", value: Scalar = None
) -> Tensor:
    """Pad the last axes by ``pad``: pairs (before, after), the last axis first.

    ``mode`` is ``"constant"`` (by ``value``, 0 if None; any number of axes), ``"reflect"``
    (mirrored, the edge not repeated), ``"replicate"`` (the edge repeated) or ``"circular"`` (the
    other end); the latter three pad all axes after the first one or two. Negative amounts cut
    off. Raises RuntimeError, NotImplementedError for other modes and shapes, for amounts that an
    axis is too short for.
    """
    check_tensor(input, "pad")
    if not isinstance(pad, list | tuple):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, not {type(pad).__name__}")
    amounts = [whole(p, "pad", "pad") for p in pad]
    if mode == "constant":
        return constant_pad_nd(input, amounts, 0 if value is None else value)
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    axes = len(amounts) // 2
    if len(amounts) not in (2, 4, 6) or input.ndim not in (axes + 1, axes + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"{len(amounts)} amounts for an input of shape {list(input.shape)}"
        )
    out = input
    for pair in range(axes):
        out = _extended(out, out.ndim - 1 - pair, amounts[2 * pair], amounts[2 * pair + 1], mode)
    return out


def _part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return x[(*(slice(None),) * axis, slice(start, stop))]


def _extended(x: Tensor, axis: int, low: int, high: int, mode: str) -> Tensor:
    """One axis padded; what negative amounts cut off goes first, as in PyTorch."""
    before, after = max(low, 0), max(high, 0)
    if low < 0 or high < 0:
        x = constant_pad_nd(x, [0, 0] * (x.ndim - 1 - axis) + [min(low, 0), min(high, 0)])
    _check_room(x, axis, before, after, mode)
    size, shape = x.shape[axis], x.shape
    if mode == "reflect":
        head = flip(_part(x, axis, 1, before + 1), axis)
        tail = flip(_part(x, axis, size - 1 - after, size - 1), axis)
    elif mode == "circular":
        head, tail = _part(x, axis, size - before, size), _part(x, axis, 0, after)
    else:
        head = expand(_part(x, axis, 0, 1), *shape[:axis], before, *shape[axis + 1 :])
        tail = expand(_part(x, axis, size - 1, size), *shape[:axis], after, *shape[axis + 1 :])
    parts = [*([head] if before else []), x, *([tail] if after else [])]
    return cat(parts, axis) if len(parts) > 1 else x


def _check_room(x: Tensor, axis: int, before: int, after: int, mode: str) -> None:
    size = x.shape[axis]
    if mode == "reflect" and max(before, after) >= size:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but "
            f"got: padding ({before}, {after}) at dimension {axis} of input {list(x.shape)}"
        )
    if mode == "circular" and max(before, after) > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if mode == "replicate" and size == 0:
        raise RuntimeError(
            f"Expected a non-empty dimension {axis} to replicate, got input {list(x.shape)}"
        )


__all__ = ["pad"]
