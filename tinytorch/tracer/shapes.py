"""Arguments and shapes: reading axes and sizes, and views and copies in other shapes."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from tinytorch.errors import IntegerRangeError, NotATensorError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.types import DType, promote
from tinytorch.tracer.kinds import Axes, Scalar, Wholes
from tinytorch.tracer.number import Number, as_size
from tinytorch.tracer.reinterpreting import reinterpreted
from tinytorch.tracer.storage import view_strides
from tinytorch.tracer.tensor import Tensor

# ------------------------------------------------------------------- arguments


def check_tensor(x: Any, function: str, argument: str = "input") -> Tensor:
    """Return x, or raise TypeError as PyTorch does."""
    if not isinstance(x, Tensor):
        raise NotATensorError(
            f"{function}(): argument '{argument}' must be Tensor, not {type(x).__name__}"
        )
    return x


def axis_of(dim: Axes, ndim: int) -> int:
    """Normalise an axis; raise IndexError with PyTorch's wording."""
    if not hasattr(dim, "__index__") or isinstance(dim, Tensor | bool):
        raise TypeError(f"dim must be an int, not {type(dim).__name__}")
    dim = int(dim.__index__())
    span = max(ndim, 1)
    if not -span <= dim < span:
        if not -(1 << 63) <= dim < 1 << 63:
            raise IntegerRangeError(f"Overflow when unpacking long: {dim} does not fit in int64")
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], "
            f"but got {dim})"
        )
    return dim % span


def axes_of(dim: Axes, ndim: int) -> tuple[int, ...]:
    """Normalise ``None``, one axis or several to sorted unique axes."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, tuple | list):
        dim = (dim,)
    for d in dim:  # kinds first: a wrong one is refused before a wrong number
        if isinstance(d, bool) or not hasattr(d, "__index__"):
            raise TypeError(f"dim must be ints, but found element of type {type(d).__name__}")
    axes = [axis_of(d, ndim) for d in dim] if dim else list(range(ndim))
    if len(set(axes)) != len(axes):
        raise RuntimeError("dim appears multiple times in the list of dims")
    return tuple(sorted(axes)) if ndim else ()


def sizes_of(shape: Sequence[Any], function: str) -> tuple[int, ...]:
    """Read ``f(2, 3)`` or ``f((2, 3))`` as a shape of ints."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = shape[0]
    for size in shape:
        if type(size) is not Number and (not hasattr(size, "__index__") or isinstance(size, bool)):
            raise TypeError(
                f"{function}(): argument 'size' must be tuple of ints, but found element of type "
                f"{type(size).__name__}"
            )
    return tuple(size_of(s) for s in shape)


def size_of(value: Scalar) -> Any:
    """An int, or an Extent where it is a symbolic size; raises TypeError for a fraction."""
    size = as_size(value) if type(value) is Number else value
    if isinstance(size, Extent):
        return size
    found = int(value.__index__())
    if not -(1 << 63) <= found < 1 << 63:
        raise IntegerRangeError(f"Overflow when unpacking long: {found} does not fit in int64")
    return found


# ---------------------------------------------------------------------- shapes


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; a view where strides allow, else a copy."""
    wanted = fill_size(input, sizes_of(shape, "reshape"))
    strides = view_strides(input._type.shape, input._strides, wanted)
    if strides is None:
        return ops.reshape(input, shape=wanted)
    return input.view_as_op(ops.reshape, {"shape": wanted}, strides)


def view(input: Tensor, *shape: Any, dtype: DType | None = None) -> Tensor:
    """The same memory in another shape; raises RuntimeError where only a copy could do it.

    Given a dtype instead, the same bits read as its numbers.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], DType)):
        return reinterpreted(input, dtype or shape[0])
    wanted = fill_size(input, sizes_of(shape, "view"))
    strides = view_strides(input._type.shape, input._strides, wanted)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return input.view_as_op(ops.reshape, {"shape": wanted}, strides)


def fill_size(input: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Replace a single -1 by the size that fits; raise RuntimeError if none does."""
    total = input._type.size
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if builtins.any(s < -1 for s in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    rest = math.prod(s for s in shape if s != -1)
    if (-1 in shape and (rest == 0 or total % rest)) or (-1 not in shape and rest != total):
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {total}")
    return tuple(total // rest if s == -1 else s for s in shape)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with axes in another order."""
    wanted = sizes_of(dims, "permute")
    order = tuple(axis_of(d, input.ndim) for d in wanted) if len(wanted) == input.ndim else ()
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(wanted)}"
        )
    return input.view_as_op(ops.permute, {"order": order}, tuple(input._strides[i] for i in order))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two axes swapped."""
    order = list(range(input.ndim))
    a, b = axis_of(dim0, input.ndim), axis_of(dim1, input.ndim)
    if order:
        order[a], order[b] = order[b], order[a]
    return permute(input, *order)


def expand(input: Tensor, *shape: Any) -> Tensor:
    """A view in which axes of size 1 repeat; -1 keeps a size.

    One in which nothing repeats can be written to, as any other view.
    """
    wanted = sizes_of(shape, "expand")
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({input.ndim})"
        )
    old: tuple[Any, ...] = input._type.shape
    full = tuple(old[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(wanted))
    for i, size in enumerate(full):
        if size < 0 or (i >= lead and old[i - lead] not in (1, size)):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size "
                f"({old[i - lead] if i >= lead else 'none'}) at non-singleton dimension {i}. "
                f"Target sizes: {list(wanted)}. Tensor sizes: {list(old)}"
            )
    strides = tuple(
        0 if i < lead or (old[i - lead] == 1 and s != 1) else input._strides[i - lead]
        for i, s in enumerate(full)
    )
    repeats = full[lead:] != old or any(size != 1 for size in full[:lead])
    op = ops.broadcast_to if repeats else ops.reshape
    return input.view_as_op(op, {"shape": full}, strides)


def broadcast_to(input: Tensor, shape: Wholes) -> Tensor:
    """``expand`` with the shape as one argument."""
    return expand(input, *shape)


def squeeze(input: Tensor, dim: Axes = None) -> Tensor:
    """A view without axes of size 1."""
    chosen = axes_of(dim, input.ndim)
    return view(
        input, tuple(s for i, s in enumerate(input.shape) if not (i in chosen and s == 1))
    )


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new axis of size 1."""
    axis = axis_of(dim, input.ndim + 1)
    shape, strides = list(input.shape), list(input._strides)
    strides.insert(axis, shape[axis] * strides[axis] if axis < len(shape) else 1)
    shape.insert(axis, 1)
    return input.view_as_op(ops.reshape, {"shape": tuple(shape)}, tuple(strides))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes from ``start_dim`` to ``end_dim`` merged into one."""
    if input.ndim == 0:
        return reshape(input, 1)
    a, b = axis_of(start_dim, input.ndim), axis_of(end_dim, input.ndim)
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = input.shape
    return reshape(input, (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own memory, in row-major order, through which gradients flow."""
    return ops.reshape(input, shape=input._type.shape)


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy that does."""
    if input.is_contiguous():
        return input
    return ops.reshape(input, shape=input._type.shape)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after another along an axis; dtypes promote. Vectors of no elements drop out."""
    if not isinstance(tensors, tuple | list):
        raise TypeError(
            f"cat(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    kept = [t for t in tensors if check_tensor(t, "cat").ndim != 1 or t._type.shape[0] != 0]
    like = kept[0] if kept else tensors[0]
    axis = axis_of(dim, like.ndim)
    for position, t in enumerate(kept):
        if t.ndim == 0:
            raise RuntimeError(
                f"zero-dimensional tensor (at position {position}) cannot be concatenated"
            )
        if t.ndim != like.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {like.ndim} and {t.ndim}"
            )
        for i, (a, b) in enumerate(zip(like._type.shape, t._type.shape, strict=True)):
            if i != axis and a != b:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {a} "
                    f"but got size {b} for tensor number {position} in the list."
                )
    dtype = tensors[0].dtype
    for t in tensors[1:]:
        dtype = promote(dtype, t.dtype)
    return ops.cat(*(t.to(dtype) for t in kept or tensors[:1]), axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for t in tensors:
        if t.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(t.shape)}"
            )
    return cat([unsqueeze(t, dim) for t in tensors], axis_of(dim, tensors[0].ndim + 1))


def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy reversed along axes."""
    chosen = sizes_of(dims, "flip")
    return ops.flip(input, axes=axes_of(chosen, input.ndim) if chosen else ())


__all__ = [
    "broadcast_to", "cat", "clone", "flatten", "flip", "permute", "reshape", "squeeze", "stack",
    "transpose", "unsqueeze",
]  # fmt: skip
