"""Basic and integer indexing, as reads (``x[i]``) and writes (``x[i] = v``)."""

from __future__ import annotations

from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import bool_
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import reshape
from tinytorch.tracer.tensor import Tensor


def _as_items(index: Any, ndim: int) -> list[Any]:
    """Expand an index into one item an axis (plus None for new axes)."""
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(1 for i in items if i is not None and i is not Ellipsis)
    if used > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    if sum(1 for i in items if i is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    fill = [slice(None)] * (ndim - used)
    for position, item in enumerate(items):
        if item is Ellipsis:
            return items[:position] + fill + items[position + 1 :]
    return items + fill


def _position(item: Any, size: int, axis: int) -> int:
    at = int(item)
    if not -size <= at < size:
        raise IndexError(f"index {at} is out of bounds for dimension {axis} with size {size}")
    return at % size


def basic_view(x: Tensor, index: Any) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """Apply ints, slices, None and ``...`` as a view; return tensor indices left, by axis."""
    items = _as_items(index, x.ndim)
    starts, stops, steps, shape = [], [], [], []
    strides: list[Any] = []
    tensors: list[tuple[int, Tensor]] = []
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
            strides.append(None)
            continue
        size, stride = int(x.shape[axis]), x._strides[axis]
        start, stop, step = 0, size, 1
        if isinstance(item, Tensor):
            tensors.append((len(shape), item))
            shape.append(size)
            strides.append(stride)
        elif isinstance(item, slice):
            start, stop, step = slice(*(_number(v) for v in (item.start, item.stop, item.step))
                                      ).indices(size)  # fmt: skip
            if step < 1:
                raise ValueError("step must be greater than zero")
            stop = max(start, stop)
            shape.append(-(-(stop - start) // step))
            strides.append(stride * step)
        elif type(item) is Number or (hasattr(item, "__index__") and not isinstance(item, bool)):
            start = _position(item, size, axis)
            stop = start + 1
        else:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long, byte or bool "
                f"tensors are valid indices (got {type(item).__name__})"
            )
        starts.append(start)
        stops.append(stop)
        steps.append(step)
        axis += 1
    out = x
    whole = all(a == 0 and b == n and c == 1
                for a, b, c, n in zip(starts, stops, steps, x.shape, strict=True))  # fmt: skip
    if not whole:
        attrs = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
        sliced = tuple(s * c for s, c in zip(x._strides, steps, strict=True))
        out = x.view_as_op(ops.slice_, attrs, sliced)
    for at in range(len(strides) - 1, -1, -1):
        if strides[at] is None:  # a new axis steps over what follows, as in PyTorch
            strides[at] = shape[at + 1] * strides[at + 1] if at + 1 < len(shape) else 1
    if tuple(shape) != tuple(out.shape):
        out = out.view_as_op(ops.reshape, {"shape": tuple(shape)}, tuple(strides))
    return out, tensors


def _number(value: Any) -> Any:
    return value if value is None else int(value.__index__())


def _from_list(index: Any, x: Tensor) -> Any:
    """Turn lists inside an index into tensors."""
    if isinstance(index, list):
        return _literal(x, index)
    if isinstance(index, tuple):
        return tuple(_from_list(i, x) for i in index)
    return index


def _literal(x: Tensor, values: list[Any]) -> Tensor:
    if not values:
        return x.apply_op(ops.iota, (), {"shape": (0,), "axis": 0})
    parts = [x.constant(v, shape=(1,), dtype=ops.iota.result) for v in values]
    return ops.cat(*parts, axis=0) if len(parts) > 1 else parts[0]


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``: a view for ints and slices, a copy for one integer tensor."""
    out, tensors = basic_view(x, _from_list(index, x))
    if not tensors:
        whole = {"shape": x._type.shape}
        return out if out is not x else x.view_as_op(ops.reshape, whole, x._strides)
    if any(t.dtype is bool_ for _, t in tensors):
        raise IndexError(
            "indexing with a bool tensor gives a shape that depends on data; use "
            "tinytorch.where(mask, x, other)"
        )
    if len(tensors) > 1:
        raise NotImplementedError("indexing with more than one index tensor is not supported yet")
    axis, positions = tensors[0]
    size = int(out.shape[axis])
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    return ops.take(out, in_range(positions, size, "IndexError", message, True), axis=axis)


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value`` for ints, slices and one bool mask of x's shape."""
    if isinstance(index, Tensor) and index.dtype is bool_:
        if index.shape != x.shape:
            raise IndexError(
                f"the shape of the mask {list(index.shape)} does not match the shape of the "
                f"indexed tensor {list(x.shape)}"
            )
        fill = value if isinstance(value, Tensor) else x.constant(value, shape=())
        x.copy_(where(index, fill.to(x.dtype), x))
        return
    out, tensors = basic_view(x, index)
    if tensors:
        raise NotImplementedError("writing at an integer index tensor is not supported yet")
    out.copy_(value if isinstance(value, Tensor) else x.constant(value, shape=()))


__all__ = ["getitem", "no_grad", "reshape", "setitem"]
