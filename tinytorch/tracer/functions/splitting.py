"""Parts of a tensor, one after another along an axis: views, all of them."""

from __future__ import annotations

import operator
from typing import Any

from tinytorch.tracer.functions.viewing import sliced
from tinytorch.tracer.kinds import Axes, Wholes
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import axis_of, check_tensor
from tinytorch.tracer.tensor import Tensor


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of given sizes."""
    if isinstance(split_size_or_sections, tuple | list):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    if check_tensor(tensor, "split").ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    size = operator.index(split_size_or_sections)
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    axis = axis_of(dim, tensor.ndim)
    extent = int(tensor.shape[axis])
    if size == 0 and extent:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}"
        )
    starts = range(0, extent, size) if extent else range(1)
    return tuple(sliced(tensor, axis, i, min(i + size, extent)) for i in starts)


def split_with_sizes(
    input: Tensor, split_sizes: Wholes, dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of given sizes, which add up to the axis."""
    if check_tensor(input, "split").ndim == 0:
        raise RuntimeError("split_with_sizes expects at least a 1-dimensional tensor")
    axis = axis_of(dim, input.ndim)
    sizes = [operator.index(s) for s in split_sizes]
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={sizes}"
        )
    if sum(sizes) != input.shape[axis]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[axis]} (input "
            f"tensor's size at dimension {axis}), but got split_sizes={sizes}"
        )
    parts, start = [], 0
    for size in sizes:
        parts.append(sliced(input, axis, start, start + size))
        start += size
    return tuple(parts)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of one size (the last may be smaller)."""
    if check_tensor(input, "chunk").ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = int(input.shape[axis_of(dim, input.ndim)])
    size = -(-extent // chunks)
    if size == 0:
        return split_with_sizes(input, [0] * chunks, dim)
    return split(input, size, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Nearly equal parts, or parts that begin at given positions."""
    if check_tensor(input, "tensor_split").ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = axis_of(dim, input.ndim)
    extent = int(input.shape[axis])
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if type(indices_or_sections) is Number or hasattr(indices_or_sections, "__index__"):
        sections = operator.index(indices_or_sections)
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        small, extra = divmod(extent, sections)
        return split_with_sizes(input, [small + (i < extra) for i in range(sections)], axis)
    bounds = [slice(0, operator.index(i)).indices(extent)[1] for i in indices_or_sections]
    edges = [0, *bounds, extent]
    return tuple(
        sliced(input, axis, a, max(a, b)) for a, b in zip(edges[:-1], edges[1:], strict=True)
    )


def _split_along(name: str, least: int, axis: int) -> Any:
    def function(input: Tensor, indices_or_sections: Axes) -> tuple[Tensor, ...]:
        if check_tensor(input, name).ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension"
                f"{'s' if least > 1 else ''}, but got a tensor with {input.ndim} dimensions!"
            )
        at = 0 if input.ndim == 1 else axis
        whole = hasattr(indices_or_sections, "__index__")
        if whole and (
            indices_or_sections <= 0 or int(input.shape[at]) % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {at}, but the size of the "
                f"dimension {input.shape[at]} is not divisible by the split_size "
                f"{indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, at)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``tensor_split`` along axis {axis}; equal parts must fit."
    return function


hsplit = _split_along("hsplit", 1, 1)
vsplit = _split_along("vsplit", 2, 0)
dsplit = _split_along("dsplit", 3, 2)

__all__ = [
    "chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "vsplit",
]  # fmt: skip
METHODS = __all__
