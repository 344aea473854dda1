"""``x[i] = v`` and ``index_put``: writes at any index. Of several to one place, the last stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, broadcast_shapes, int64
from tinytorch.tracer.factories import tensor
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.masking import ranks
from tinytorch.tracer.functions.scattering import with_rows
from tinytorch.tracer.indexing import basic_view, check_mask, merged, selection, without_masks
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import expand, permute, reshape
from tinytorch.tracer.tensor import Tensor


def _value_of(x: Tensor, value: Any, exact: bool) -> Tensor:
    """What is written, as a tensor; index tensors want values of the same dtype."""
    if isinstance(value, np.ndarray | np.generic):
        value = tensor(value)
    if not isinstance(value, Tensor):
        if type(value) is Number:
            return value.trace.number_as_tensor(value).to(x.dtype)
        if isinstance(value, list | tuple):
            raise TypeError(f"can't assign a {type(value).__name__} to a {x.dtype}")
        return x.constant(value, shape=())
    if exact and value.dtype is not x.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{x.dtype.name} for the destination and {value.dtype.name} for the source."
        )
    return value.to(x.dtype)


def _fitted(value: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """A value in the shape that is written to; leading axes of size 1 too many drop out."""
    extra = value.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in value._type.shape[:extra]):
        value = reshape(value, tuple(value._type.shape[extra:]))
    try:
        fits = broadcast_shapes(value._type.shape, shape) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}"
        )
    return expand(value, *shape)


def _with_mask(x: Tensor, axis: int, mask: Tensor, value: Tensor) -> Tensor | None:
    """``x`` with a value where one mask holds; None where positions are needed for that."""
    width = mask.ndim
    shape = x._type.shape
    after = shape[axis + width :]
    spread = expand(reshape(mask, (*mask._type.shape, *(1,) * len(after))), *shape)
    lead = value.ndim - len(after)
    if lead <= 0 or value._type.shape[lead - 1] == 1:
        ones = (1,) * width if lead > 0 else ()
        split = max(lead - 1, 0)
        old = value._type.shape
        kept = reshape(value, (*old[:split], *ones, *old[lead if lead > 0 else 0 :]))
        return where(spread, _fitted(kept, shape), x)
    if mode.trace is None:
        return None
    if axis or lead != 1:
        raise IndexError(
            "inside a compiled function a bool mask takes one value, or one for each element it "
            "chooses along the first axis; use tinytorch.where(mask, other, x)"
        )
    count = value._type.shape[0]
    message = (f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
               "indexing result of shape [{value}, ...]")  # fmt: skip
    line = reshape(mask, -1).to(int64)
    total = ops.require_range(
        ops.sum_(line, axes=(0,)), low=count, high=count + 1, error="RuntimeError", message=message
    )
    # The check is part of the positions, so that it runs before anything is written.
    at = reshape(ranks(mask) + (total - count), tuple(mask._type.shape))
    at = ops.where(mask, at, at.constant(0, shape=()))
    rows = ops.take(_fitted(value, (count, *after)), at, axis=0)
    return where(spread, rows, x)


def _written(x: Tensor, tensors: list[tuple[int, Tensor]], value: Tensor,
             accumulate: bool) -> Tensor:  # fmt: skip
    """``x`` with a value at index tensors."""
    if len(tensors) == 1 and tensors[0][1].dtype is bool_ and not accumulate:
        axis, mask = tensors[0]
        if mask.ndim:
            check_mask(x, axis, mask)
            masked = _with_mask(x, axis, mask, value)
            if masked is not None:
                return masked
    chosen = selection(x, without_masks(x, tensors))
    rows_first = merged(x, chosen)
    rest = rows_first._type.shape[1:]
    width, place = len(chosen.shape), chosen.place
    value = _fitted(value, (*rest[:place], *chosen.shape, *rest[place:]))
    rows = permute(value, *range(place, place + width), *range(place),
                   *range(place + width, value.ndim))  # fmt: skip
    count: Any = 1
    for n in chosen.shape:
        count = count * n
    rows = reshape(rows, (count, *rest))
    done = with_rows(rows_first, reshape(chosen.flat, (count,)), rows, accumulate)
    moved = reshape(done, tuple(x._type.shape[i] for i in chosen.order))
    return permute(moved, *ops.inverse(chosen.order))


def _direct(x: Tensor, tensors: list[tuple[int, Tensor]], value: Tensor) -> bool:
    """Write into memory at once, where nothing is recorded and no mask needs positions."""
    recorded = mode.grad and (x.requires_grad or value.requires_grad)
    if mode.trace is not None or recorded or not x.array.flags.writeable:
        return False
    chosen = selection(x, without_masks(x, tensors))
    places: list[Any] = [slice(None)] * x.ndim
    sizes = [x._type.shape[a] for a in chosen.order[: chosen.count]]
    parts = np.unravel_index(chosen.flat.array, sizes) if 0 not in sizes else ()
    if not parts and chosen.flat._type.size:
        return False
    for axis, part in zip(chosen.order, parts or [np.zeros(chosen.shape, np.int64)] * len(sizes)):
        places[axis] = part
    moved = x.array.transpose(chosen.order)
    rest = moved.shape[chosen.count :]
    place, width = chosen.place, len(chosen.shape)
    fitted = _fitted(value, (*rest[:place], *chosen.shape, *rest[place:])).array
    rows = np.moveaxis(fitted, range(place, place + width), range(width))
    moved[tuple(places[a] for a in chosen.order[: chosen.count])] = rows
    x._storage.version += 1
    return True


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``; of several writes to one place, the last stays."""
    out, tensors = basic_view(x, index)
    value = _value_of(out, value, bool(tensors))
    if not tensors:
        out.assign(_fitted(value, out._type.shape))
    elif not _direct(out, tensors, value):
        out.assign(_written(out.clone(), tensors, value, False))


def index_put(
    input: Tensor, indices: Any, values: Tensor, accumulate: bool = False
) -> Tensor:
    """``input`` with values written at (or added to) index tensors; None is a whole axis."""
    index = tuple(slice(None) if i is None else i for i in indices)
    out, tensors = basic_view(input, index)
    if not tensors:
        raise ValueError("tuple of 1 or more tensors expected for indices")
    return _written(out, tensors, _value_of(out, values, True), accumulate)


def index_put_(
    self: Tensor, indices: Any, values: Tensor, accumulate: bool = False
) -> Tensor:
    """In-place form of ``index_put``."""
    return self.assign(index_put(self.clone(), indices, values, accumulate))


__all__ = ["index_put"]
