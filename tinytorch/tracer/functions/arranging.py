"""Copies with elements in other places: rolled, turned, triangles, diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import DType, bool_, int64
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import full
from tinytorch.tracer.functions.joining import run_positions
from tinytorch.tracer.functions.rounding import clamp
from tinytorch.tracer.functions.viewing import diagonal, movedim, sliced
from tinytorch.tracer.kinds import Wholes
from tinytorch.tracer.shapes import (
    axis_of,
    cat,
    check_tensor,
    clone,
    flip,
    reshape,
    stack,
    transpose,
    unsqueeze,
)  # fmt: skip
from tinytorch.tracer.tensor import Tensor


def positions(like: Tensor, shape: Sequence[Any], axis: int) -> Tensor:
    """Each element's own index along an axis."""
    out: Tensor = like.apply_op(ops.iota, (), {"shape": tuple(shape), "axis": axis})
    return out


def fliplr(input: Tensor) -> Tensor:
    """Reversed along axis 1."""
    if check_tensor(input, "fliplr").ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Reversed along axis 0."""
    if check_tensor(input, "flipud").ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Moved along axes, around the end; without axes, along all elements in order."""
    steps = list(shifts) if isinstance(shifts, tuple | list) else [shifts]
    if not steps:
        raise RuntimeError("`shifts` required")
    axes = [] if dims is None else (list(dims) if isinstance(dims, tuple | list) else [dims])
    if not axes and len(steps) == 1:
        return reshape(roll(reshape(input, -1), steps[0], 0), tuple(input.shape))
    if len(steps) != len(axes):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}"
        )
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {axes[0]} but tensor has no dimensions")
    out = input
    for step, dim in zip(steps, axes, strict=True):
        axis = axis_of(dim, input.ndim)
        size = out.shape[axis] if out.ndim else 1
        at = -step % size if size != 0 else 0
        if at != 0:
            out = cat([sliced(out, axis, at, size), sliced(out, axis, 0, at)], axis)
    return clone(out) if out is input else out


def rot90(input: Tensor, k: int = 1, dims: Wholes = (0, 1)) -> Tensor:
    """Turned by ``k`` quarter turns, from the first towards the second of two axes."""
    if len(dims) != 2:
        raise RuntimeError(
            f"expected total rotation dims == 2, but got dims = {len(dims)}"
        )
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = axis_of(dims[0], input.ndim), axis_of(dims[1], input.ndim)
    if a == b:
        raise RuntimeError("expected rotation dims to be different, but got dim0 = "
                           f"{dims[0]} and dim1 = {dims[1]}")  # fmt: skip
    turns = k % 4
    if turns == 1:
        return clone(transpose(flip(input, (b,)), a, b))
    if turns == 2:
        return flip(input, (a, b))
    if turns == 3:
        return clone(transpose(flip(input, (a,)), a, b))
    return clone(input)


# ------------------------------------------------------------------- triangles


def _triangle(input: Tensor, offset: int, lower: bool) -> Tensor:
    if check_tensor(input, "tril" if lower else "triu").ndim < 2:
        raise RuntimeError("input tensor must have at least 2 dimensions")
    shape = input._type.shape
    row = positions(input, shape, input.ndim - 2)
    col = positions(input, shape, input.ndim - 1)
    keep = col - row <= offset if lower else col - row >= offset
    return ops.where(keep, input, input.constant(0))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Elements on and below a diagonal, zeros elsewhere."""
    return _triangle(input, diagonal, True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Elements on and above a diagonal, zeros elsewhere."""
    return _triangle(input, diagonal, False)


def _triangle_indices(
    row: int, col: int, offset: int, dtype: DType | None, device: Any, lower: bool
) -> Tensor:
    check_device(device)
    if row < 0 or col < 0:
        name, size = ("row", row) if row < 0 else ("col", col)
        raise RuntimeError(f"{name} must be non-negative, got{size}")
    seed = full((), 0, dtype=int64)
    first = positions(seed, (row,), 0) + offset  # of each row: its place on the diagonal
    if lower:
        counts = clamp(first + 1, 0, col)
        total = sum(_inside(i + offset + 1, col) for i in range(row))
        first = first * 0
    else:
        first = clamp(first, 0, col)
        counts = col - first
        total = sum(col - _inside(i + offset, col) for i in range(row))
    ends = ops.cumsum(counts, axis=0, reverse=False)
    rows = run_positions(ends, total)
    cols = positions(seed, (total,), 0) + ops.take(first - ends + counts, rows, axis=0)
    return stack([rows, cols], 0).to(dtype or int64)


def _inside(value: int, high: int) -> int:
    return min(max(value, 0), high)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None,
                 device: Any = None) -> Tensor:  # fmt: skip
    """Rows and columns of the lower triangle of a matrix, in row-major order, as (2, n)."""
    return _triangle_indices(row, col, offset, dtype, device, True)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None,
                 device: Any = None) -> Tensor:  # fmt: skip
    """Rows and columns of the upper triangle of a matrix, in row-major order, as (2, n)."""
    return _triangle_indices(row, col, offset, dtype, device, False)


# ------------------------------------------------------------------- diagonals


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on a diagonal, zeros elsewhere."""
    check_tensor(input, "diag_embed")
    a, b = axis_of(dim1, input.ndim + 1), axis_of(dim2, input.ndim + 1)
    if a == b or not input.ndim:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n, rest = input.ndim, input._type.shape[:-1]
    low, high = max(-offset, 0), max(offset, 0)
    line = ops.pad(input, low=(0,) * (n - 1) + (low,), high=(0,) * (n - 1) + (high,))
    size = line.shape[-1]
    shape = (*rest, size, size)
    there = positions(input, shape, n) - positions(input, shape, n - 1) == offset
    matrix = ops.where(there, unsqueeze(line, -1), input.constant(0, shape=()))
    return movedim(matrix, (-2, -1), (a, b))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if check_tensor(input, "diag").ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(
            f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D"
        )
    return clone(_diagonal(input, diagonal))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal."""
    return diag_embed(reshape(input, -1), offset)


_diagonal = diagonal


def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""
    if check_tensor(input, "trace").ndim != 2:
        raise RuntimeError("trace: expected a matrix, but got tensor with dim " f"{input.ndim}")
    if input.dtype is bool_:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    line = diagonal(input)
    line = line if line.dtype.is_floating_point else line.to(int64)
    return ops.reshape(ops.sum_(line, axes=(0,)), shape=())


__all__ = [
    "diag", "diag_embed", "diagflat", "fliplr", "flipud", "roll", "rot90", "trace", "tril",
    "tril_indices", "triu", "triu_indices",
]  # fmt: skip
METHODS = [
    "diag", "diag_embed", "diagflat", "fliplr", "flipud", "roll", "rot90", "trace", "tril", "triu",
]  # fmt: skip
IN_PLACE = ["tril", "triu"]
