"""Arguments that stand for one number an axis: an int for all axes, or a sequence."""

from __future__ import annotations

from typing import Any


def whole(value: Any, function: str, argument: str) -> int:
    """Read one int; raise TypeError for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"{function}(): argument '{argument}' must be int or tuple of ints, not "
            f"{type(value).__name__}"
        )
    return int(value.__index__())


def per_axis(value: Any, count: int, function: str, argument: str) -> tuple[int, ...]:
    """Read an int, or a sequence of 1 or ``count`` ints, as ``count`` ints.

    Raises TypeError for other types, RuntimeError for other lengths.
    """
    if not isinstance(value, list | tuple):
        return (whole(value, function, argument),) * count
    found = tuple(whole(v, function, argument) for v in value)
    if len(found) == 1:
        return found * count
    if len(found) != count:
        raise RuntimeError(
            f"expected {argument} to be a single integer value or a list of {count} values to "
            f"match the convolution dimensions, but got {argument}={list(found)}"
            if function.startswith("conv")
            else f"{function}: {argument} must either be a single int, or a tuple of {count} ints"
        )
    return found
