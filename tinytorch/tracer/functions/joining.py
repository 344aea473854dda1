"""Tensors put together, and repeated."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.tracer.factories import zeros
from tinytorch.tracer.functions.viewing import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_tensors,
)  # fmt: skip
from tinytorch.tracer.mode import mode
from tinytorch.tracer.refusals import concrete
from tinytorch.tracer.shapes import (
    axis_of,
    cat,
    check_tensor,
    clone,
    expand,
    reshape,
    sizes_of,
    stack,
    unsqueeze,
)
from tinytorch.tracer.tensor import Tensor

concat = concatenate = cat


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side: along axis 1, or 0 for vectors."""
    parts = atleast_1d(tuple(tensors))
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one below the other; vectors are rows."""
    return cat(atleast_2d(tuple(tensors)), 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one behind the other, along axis 2."""
    return cat(atleast_3d(tuple(tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side; vectors are columns."""
    return cat([x if x.ndim > 1 else reshape(x, -1, 1) for x in tensors], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal, zeros elsewhere."""
    parts = atleast_2d(tuple(tensors)) if tensors else (zeros(1, 0),)
    rows = []
    width = builtins.sum(x.shape[1] for x in parts)
    at = 0
    for position, x in enumerate(parts):
        if x.ndim != 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{position} has {x.ndim} dimensions"
            )
        n, m = x.shape
        before = x.constant(0, shape=(n, at))
        after = x.constant(0, shape=(n, width - at - m))
        rows.append(cat([before, x, after], 1))
        at = at + m
    return cat(rows, 0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid: one tensor of the grid's shape for each vector."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for x in given:
        if x.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: "
                f"{x.ndim}D tensor of shape {list(x.shape)}"
            )
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f"torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: {indexing}"
        )
    swap = indexing == "xy" and len(given) > 1
    order = [given[1], given[0], *given[2:]] if swap else list(given)
    shape = tuple(x._type.size for x in order)
    grids = [
        expand(reshape(x, *(-1 if i == j else 1 for j in range(len(order)))), *shape)
        for i, x in enumerate(order)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each vector, a row each."""
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return stack([reshape(g, -1) for g in grids], 1)


# --------------------------------------------------------------------- repeats


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor side by side with itself, so many times along each axis."""
    times = sizes_of(repeats, "repeat")
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(times)}")
    if not times:
        return clone(input)
    shape = (*(1,) * (len(times) - input.ndim), *input.shape)
    source = reshape(input, *(n for s in shape for n in (1, s)))
    spread = expand(source, *(n for pair in zip(times, shape, strict=True) for n in pair))
    return ops.reshape(spread, shape=tuple(n * s for n, s in zip(times, shape, strict=True)))


def tile(input: Tensor, *dims: Any) -> Tensor:
    """``repeat``, with ones in front where axes are missing."""
    times = sizes_of(dims, "tile")
    return repeat(input, *(1,) * (input.ndim - len(times)), *times)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element so many times in a row; ``repeats`` is an int, or a tensor of counts.

    Counts in a tensor decide the shape of the result: they are read eagerly only, but one count
    for all works compiled where ``output_size`` is given.
    """
    if repeats is None:
        return _run_lengths(input, output_size)
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = axis_of(dim, input.ndim)
    source = input if input.ndim else reshape(input, 1)
    if not isinstance(repeats, Tensor):
        if isinstance(repeats, tuple | list):
            counts = _counts(source, repeats)
            return repeat_interleave(source, counts, axis, output_size=output_size)
        if repeats < 0:
            raise RuntimeError("repeats can not be negative")
        lead, rest = source.shape[: axis + 1], source.shape[axis + 1 :]
        spread = expand(unsqueeze(source, axis + 1), *lead, repeats, *rest)
        joined = (*lead[:-1], lead[-1] * repeats, *rest)
        return ops.reshape(spread, shape=joined)
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    counts = reshape(repeats, -1)
    if counts.shape[0] == 1:
        counts = expand(counts, source.shape[axis])
    if counts.shape[0] != source.shape[axis]:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.shape[0]} and input.size({axis}) = {source.shape[axis]}"
        )
    return ops.take(source, _run_lengths(counts, output_size), axis=axis)


def _counts(like: Tensor, values: Sequence[int]) -> Tensor:
    parts = [like.constant(v, shape=(1,), dtype=ops.iota.result) for v in values]
    return ops.cat(*parts, axis=0)


def _run_lengths(counts: Tensor, output_size: int | None) -> Tensor:
    """Each position as often as its count says."""
    if check_tensor(counts, "repeat_interleave").dtype.kind != "i":
        raise RuntimeError("repeats has to be Long or Int tensor")
    if counts.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    counts = counts.to(ops.iota.result)
    ends = ops.cumsum(counts, axis=0, reverse=False)
    if mode.trace is None and counts._array is not None:
        if counts.array.size and counts.array.min() < 0:
            raise RuntimeError("repeats can not be negative")
        total = int(ends.array[-1]) if counts.array.size else 0
        if output_size is not None and output_size != total:
            raise RuntimeError(
                f"allocated size does not match required size: {output_size} and {total}"
            )
    elif output_size is None:
        raise concrete(
            counts, "the size of repeat_interleave's result",
            "pass an int for repeats, or output_size=, or call it outside",
        )  # fmt: skip
    else:
        total = output_size
        counts = ops.require_range(
            counts, low=0, high=1 << 62, error="RuntimeError", message="repeats can not be negative"
        )
        last = ops.slice_(ends, starts=(counts.shape[0] - 1,), stops=(counts.shape[0],), steps=(1,))
        last = ops.require_range(
            last, low=total, high=total + 1, error="RuntimeError",
            message=f"allocated size does not match required size: {total} and {{value}}",
        )  # fmt: skip
        ends = ops.cumsum(counts, axis=0, reverse=False) + (last - total)
    return run_positions(ends, total)


def run_positions(ends: Tensor, total: Any) -> Tensor:
    """For each of ``total`` positions the run it lies in, from where the runs end."""
    # How many runs have ended at a position: ends counted in their cells, then added up.
    ones = ends.constant(1, shape=ends._type.shape)
    marks = ops.scatter_add(ones, ends, axis=0, size=total + 1)
    upto = ops.slice_(marks, starts=(0,), stops=(total,), steps=(1,))
    return ops.cumsum(upto, axis=0, reverse=False)


__all__ = [
    "block_diag", "broadcast_tensors", "cartesian_prod", "column_stack", "concat", "concatenate",
    "dstack", "hstack", "meshgrid", "repeat_interleave", "row_stack", "tile", "vstack",
]  # fmt: skip
METHODS = ["repeat", "repeat_interleave", "tile"]
