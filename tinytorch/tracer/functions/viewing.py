"""Views: the same memory under other axes. A write through one is seen by all."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import broadcast_shapes
from tinytorch.tracer.kinds import Axes, Wholes
from tinytorch.tracer.shapes import (
    axis_of,
    check_tensor,
    expand,
    permute,
    reshape,
    sizes_of,
    transpose,
    unsqueeze,
    view,
)
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.views import base_of, root_of


def sliced(input: Tensor, axis: int, start: Any, stop: Any, step: int = 1) -> Tensor:
    """A view of ``start:stop:step`` along one axis; the bounds are in range."""
    shape = input._type.shape
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    attrs = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
    strides = tuple(s * c for s, c in zip(input._strides, steps, strict=True))
    return input.view_as_op(ops.slice_, attrs, strides)


def _dropped(input: Tensor, axis: int) -> Tensor:
    """A view without an axis of size 1."""
    shape, strides = list(input._type.shape), list(input._strides)
    del shape[axis], strides[axis]
    return input.view_as_op(ops.reshape, {"shape": tuple(shape)}, tuple(strides))


def _integer(value: Any, function: str, name: str) -> Any:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{function}(): argument '{name}' must be int, not {type(value).__name__}"
        ) from None


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` elements from ``start`` on along an axis."""
    check_tensor(input, "narrow")
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = axis_of(dim, input.ndim)
    size = input.shape[axis]
    start, length = _integer(start, "narrow", "start"), _integer(length, "narrow", "length")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start > size - length:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({size})."
        )
    return sliced(input, axis, start, start + length)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at one position of an axis, without that axis."""
    if check_tensor(input, "select").ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = axis_of(dim, input.ndim)
    size, at = input.shape[axis], _integer(index, "select", "index")
    if not -size <= at < size:
        raise IndexError(
            f"select(): index {at} out of range for tensor of size {list(input.shape)} at "
            f"dimension {axis}"
        )
    at = at + size if at < 0 else at
    return _dropped(sliced(input, axis, at, at + 1), axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without that axis."""
    if check_tensor(input, "unbind").ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    axis = axis_of(dim, input.ndim)
    return tuple(select(input, axis, i) for i in range(int(input.shape[axis])))


def movedim(input: Tensor, source: Axes, destination: Axes) -> Tensor:
    """Axes moved to other places; the others keep their order."""
    froms = [source] if not isinstance(source, tuple | list) else list(source)
    tos = [destination] if not isinstance(destination, tuple | list) else list(destination)
    if len(froms) != len(tos):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({froms} dims) should contain the same number of dims as destination ({tos} dims)"
        )
    froms = [axis_of(a, input.ndim) for a in froms]
    tos = [axis_of(a, input.ndim) for a in tos]
    for name, axes in (("source", froms), ("destination", tos)):
        if len(set(axes)) != len(axes):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({axes})")
    if input.ndim == 0:
        return permute(input)
    rest = iter([a for a in range(input.ndim) if a not in froms])
    placed = dict(zip(tos, froms, strict=True))
    return permute(input, *(placed[i] if i in placed else next(rest) for i in range(input.ndim)))


moveaxis = movedim


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose`` with numpy's name."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """``transpose`` under another name."""
    return transpose(input, dim0, dim1)


def t(input: Tensor) -> Tensor:
    """Transpose of a matrix; tensors with fewer axes stay as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input.ndim == 2 else permute(input, *range(input.ndim))


def adjoint(input: Tensor) -> Tensor:
    """The last two axes swapped."""
    return matrix_transpose(input, "adjoint()")


def matrix_transpose(input: Tensor, name: str = "mT") -> Tensor:
    """The last two axes swapped; raises RuntimeError for vectors."""
    if input.ndim == 1:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return transpose(input, -2, -1) if input.ndim else permute(input)


def ravel(input: Tensor) -> Tensor:
    """All elements along one axis; a view where strides allow."""
    return reshape(check_tensor(input, "ravel"), -1)


def unflatten(input: Tensor, dim: int, sizes: Sequence[Any]) -> Tensor:
    """One axis as several; one size may be -1."""
    axis = axis_of(dim, check_tensor(input, "unflatten").ndim)
    wanted = sizes_of((tuple(sizes),), "unflatten")
    if not wanted:
        raise RuntimeError("unflatten: sizes must be non-empty")
    size = input.shape[axis] if input.ndim else 1
    known = 1
    for s in wanted:
        known = known * (1 if s == -1 else s)
    if wanted.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in wanted and known and size % known == 0:
        wanted = tuple(size // known if s == -1 else s for s in wanted)
    elif known != size or -1 in wanted:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(wanted)} don't multiply up to the size of dim {axis} "
            f"({size}) in the input tensor"
        )
    return view(input, (*input.shape[:axis], *wanted, *input.shape[axis + 1 :]))


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``reshape`` to another tensor's shape."""
    return reshape(input, tuple(other.shape))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory in another tensor's shape."""
    return view(input, tuple(other.shape))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``expand`` to another tensor's shape."""
    return expand(input, *other.shape)


# ---------------------------------------------------------------- strided views


def _strided(
    input: Tensor, shape: Sequence[Any], offsets: Sequence[Any], steps: Sequence[Sequence[Any]]
) -> Tensor:
    attrs = {
        "shape": tuple(shape), "offsets": tuple(offsets), "steps": tuple(map(tuple, steps))
    }  # fmt: skip
    strides = tuple(
        sum(row[j] * s for row, s in zip(steps, input._strides, strict=True))
        for j in range(len(attrs["shape"]))
    )
    return input.view_as_op(ops.strided, attrs, strides)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as a new last axis; ``offset`` above 0 is above the main one."""
    check_tensor(input, "diagonal")
    a, b = axis_of(dim1, input.ndim), axis_of(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    low, right = max(-offset, 0), max(offset, 0)
    rows, cols = input.shape[a] - low, input.shape[b] - right
    length = max(rows if rows < cols else cols, 0)
    rest = [i for i in range(input.ndim) if i not in (a, b)]
    steps = [[int(i == r) for r in rest] + [int(i in (a, b))] for i in range(input.ndim)]
    offsets = [{a: low, b: right}.get(i, 0) if length != 0 else 0 for i in range(input.ndim)]
    return _strided(input, (*(input.shape[i] for i in rest), length), offsets, steps)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of ``size`` elements, ``step`` apart, along an axis; they are the new last axis."""
    axis = axis_of(dimension, check_tensor(input, "unfold").ndim)
    extent = input.shape[axis] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > extent:
        raise RuntimeError(
            f"maximum size for tensor at dimension {axis} is {extent} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    source = input if input.ndim else reshape(input, 1)
    count = (extent - size) // step + 1
    shape = [*source.shape, size]
    shape[axis] = count
    steps = [[int(i == j) for j in range(source.ndim)] + [0] for i in range(source.ndim)]
    steps[axis][axis], steps[axis][-1] = step, 1
    out = _strided(source, shape, [0] * source.ndim, steps)
    return out if input.ndim else reshape(out, size)


def storage_offset(input: Tensor) -> int:
    """Position of the first element in the memory it shares with its base."""
    root = base_of(input)
    if root is None:
        return 0
    order = np.arange(root._type.size, dtype=np.int64).reshape(root._type.shape)
    chain = [step for step in input._chain if step[0].family == "movement"]
    found = order
    for op, attrs in chain:
        found = op.eager(found, **attrs)
    return int(found.flat[0]) if found.size else 0


def as_strided(
    input: Tensor, size: Wholes, stride: Wholes, storage_offset: int | None = None
) -> Tensor:
    """The memory under ``input`` seen with given sizes and strides, in elements.

    Raises RuntimeError for strides that leave the memory, or for memory that is not in order.
    """
    shape, steps = sizes_of((tuple(size),), "as_strided"), tuple(int(s) for s in stride)
    if len(shape) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in steps):
        raise RuntimeError(f"as_strided: Negative strides are not supported: got {list(steps)}")
    root = root_of(input)
    offset = _offset_of(input) if storage_offset is None else int(storage_offset)
    if not root.is_contiguous():
        raise RuntimeError("as_strided needs memory in order; use contiguous() first")
    last = offset + sum(s * (n - 1) for s, n in zip(steps, shape, strict=True))
    if 0 not in shape and (offset < 0 or last >= root._type.size):
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset} are "
            f"out of bounds for storage of {root._type.size} elements"
        )
    return _strided(view(root, -1), shape, [offset], [steps])


_offset_of = storage_offset

# ----------------------------------------------------------------- broadcasting


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of all tensors in the shape they broadcast to."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    shape = broadcast_shapes(*(check_tensor(x, "broadcast_tensors")._type.shape for x in given))
    return tuple(expand(x, *shape) for x in given)


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    return tuple(function(x) for x in given)


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one axis."""
    return _each(lambda x: x if x.ndim else reshape(x, 1), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two axes, new ones first."""
    return _each(lambda x: x if x.ndim > 1 else unsqueeze(atleast_1d(x), 0), tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three axes; a matrix gets its new one last."""
    return _each(lambda x: x if x.ndim > 2 else unsqueeze(atleast_2d(x), -1), tensors)


__all__ = [
    "adjoint", "as_strided", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors",
    "diagonal", "movedim", "moveaxis", "narrow", "ravel", "select", "swapaxes", "swapdims", "t",
    "unbind", "unflatten",
]  # fmt: skip
METHODS = [
    "adjoint", "as_strided", "diagonal", "expand_as", "movedim", "moveaxis", "narrow", "ravel",
    "reshape_as", "select", "storage_offset", "swapaxes", "swapdims", "t", "unbind", "unflatten",
    "unfold", "view_as",
]  # fmt: skip
