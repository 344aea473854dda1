"""``x[i]`` and ``x[i] = v``: ints, slices, None, ``...``, index tensors and masks, in any mixture.

An index is read in two steps. Ints, slices, None and ``...`` make a view. What is left are index
tensors, each at an axis of that view: they broadcast, and choose elements of their axes together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, broadcast_shapes, int32, int64, uint8
from tinytorch.tracer.factories import tensor
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import expand, permute, reshape, size_of
from tinytorch.tracer.tensor import Tensor

_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), None and long, byte or bool tensors are valid "
    "indices (got {})"
)
_MASK = (
    "the size of the result depends on the data; use tinytorch.where(mask, x, other), or index "
    "outside the compiled function"
)


def _is_int(item: Any) -> bool:
    return type(item) is Number or (
        hasattr(item, "__index__") and not isinstance(item, bool | np.bool_ | Tensor | np.ndarray)
    )


def _prepared(item: Any) -> Any:
    """Lists, ranges, arrays and bools as tensors; eager integer scalars as ints."""
    if isinstance(item, bool | np.bool_):
        return tensor(bool(item))
    if isinstance(item, list | tuple | range):
        item = tensor(list(item)) if len(item) else tensor([], dtype=int64)
    elif isinstance(item, np.ndarray):
        item = tensor(item)
    if not isinstance(item, Tensor):
        return item
    if item.dtype is uint8:
        item = item.to(bool_)
    if item.dtype not in (int64, int32, bool_):
        raise IndexError(
            "tensors used as indices must be long, int, byte or bool tensors, got "
            f"{item.dtype.name}"
        )
    concrete = mode.trace is None and item._array is not None
    if item.ndim == 0 and item.dtype is not bool_ and concrete:
        return int(item.array)
    return item


def _is_spread(index: Any) -> bool:
    """Whether a list stands for a tuple: it is short, and holds more than numbers."""
    return isinstance(index, list) and len(index) < 32 and any(
        i is None or i is Ellipsis or isinstance(i, list | tuple | slice | Tensor) for i in index
    )


def _as_items(index: Any, ndim: int) -> list[Any]:
    """Expand an index into items that cover every axis (and None for new ones)."""
    given = list(index) if isinstance(index, tuple) or _is_spread(index) else [index]
    items = [i if i is None or i is Ellipsis or isinstance(i, slice) else _prepared(i)
             for i in given]  # fmt: skip
    used = 0
    for item in items:
        if isinstance(item, Tensor) and item.dtype is bool_:
            used += item.ndim
        elif item is not None and item is not Ellipsis:
            used += 1
    if used > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    if sum(1 for i in items if i is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    fill = [slice(None)] * (ndim - used)
    for position, item in enumerate(items):
        if item is Ellipsis:
            return items[:position] + fill + items[position + 1 :]
    return items + fill


def _position(item: Any, size: Any, axis: int) -> Any:
    at = size_of(item)
    if not -size <= at < size:
        raise IndexError(f"index {at} is out of bounds for dimension {axis} with size {size}")
    return at + size if at < 0 else at


def _bounds(item: slice, size: Any) -> tuple[Any, Any, int]:
    """Start, stop and step of a slice inside an axis."""
    start, stop, step = (
        v if v is None else size_of(v) for v in (item.start, item.stop, item.step)
    )
    step = 1 if step is None else step
    if step < 1:
        raise ValueError("step must be greater than zero")

    def inside(value: Any, default: Any) -> Any:
        if value is None:
            return default
        if value < 0:
            value = value + size
            return 0 if value < 0 else value
        return size if value > size else value

    start, stop = inside(start, 0), inside(stop, size)
    return start, stop if start < stop else start, step


class _View:
    """Collects the axes of a basic view, and which index tensors stand where."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.axis = 0
        self.bounds: list[tuple[Any, Any, int]] = []
        self.shape: list[Any] = []
        self.strides: list[Any] = []
        self.tensors: list[tuple[int, Tensor]] = []

    def add(self, item: Any) -> None:
        """Read one item of an index."""
        if item is None:
            self._new_axis()
            return
        if isinstance(item, Tensor):
            self.tensors.append((len(self.shape), item))
            if item.ndim == 0 and item.dtype is bool_:
                self._new_axis()
                return
            for _ in range(item.ndim if item.dtype is bool_ else 1):
                self._slice((0, self.x._type.shape[self.axis], 1))
            return
        size = self.x._type.shape[self.axis]
        if isinstance(item, slice):
            self._slice(_bounds(item, size))
        elif _is_int(item):
            start = _position(item, size, self.axis)
            self.bounds.append((start, start + 1, 1))
            self.axis += 1
        else:
            raise IndexError(_KINDS.format(type(item).__name__))

    def _new_axis(self) -> None:
        self.shape.append(1)
        self.strides.append(None)

    def _slice(self, bounds: tuple[Any, Any, int]) -> None:
        start, stop, step = bounds
        self.bounds.append(bounds)
        self.shape.append(stop - start if step == 1 else -(-(stop - start) // step))
        self.strides.append(self.x._strides[self.axis] * step)
        self.axis += 1

    def made(self) -> Tensor:
        """The view."""
        out, shape, strides = self.x, self.shape, self.strides
        starts, stops, steps = (tuple(b[i] for b in self.bounds) for i in range(3))
        whole = all(
            a == 0 and b == n and c == 1
            for (a, b, c), n in zip(self.bounds, out._type.shape, strict=True)
        )
        if not whole:
            attrs = {"starts": starts, "stops": stops, "steps": steps}
            sliced = tuple(s * c for s, c in zip(out._strides, steps, strict=True))
            out = out.view_as_op(ops.slice_, attrs, sliced)
        for at in range(len(strides) - 1, -1, -1):
            if strides[at] is None:  # a new axis steps over what follows, as in PyTorch
                strides[at] = shape[at + 1] * strides[at + 1] if at + 1 < len(shape) else 1
        if tuple(shape) != tuple(out._type.shape):
            out = out.view_as_op(ops.reshape, {"shape": tuple(shape)}, tuple(strides))
        return out


def basic_view(x: Tensor, index: Any) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """Apply ints, slices, None and ``...`` as a view; return tensor indices left, by axis."""
    view = _View(x)
    for item in _as_items(index, x.ndim):
        view.add(item)
    return view.made(), view.tensors


# --------------------------------------------------------------- index tensors


@dataclass
class Selection:
    """Index tensors that choose from some axes of a tensor together.

    ``order`` puts those axes first; ``flat`` are checked positions in them, merged; ``shape`` is
    what the index tensors broadcast to; ``place``, where in the result it stands.
    """

    order: tuple[int, ...]
    count: int
    flat: Tensor
    shape: tuple[Any, ...]
    place: int


def check_mask(x: Tensor, axis: int, mask: Tensor) -> None:
    """Raise IndexError unless a mask at an axis has the shape of the axes it covers."""
    for i, n in enumerate(mask._type.shape):
        if n != x._type.shape[axis + i]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape "
                f"of the indexed tensor {list(x.shape)} at index {axis + i}"
            )


def without_masks(x: Tensor, tensors: list[tuple[int, Tensor]]) -> list[tuple[int, Tensor]]:
    """Each mask as index tensors: the positions where it holds. Runs eagerly only."""
    found: list[tuple[int, Tensor]] = []
    for axis, index in tensors:
        if index.dtype is not bool_:
            found.append((axis, index))
            continue
        values = known(index, "an index", _MASK)
        if index.ndim == 0:
            at = np.zeros(int(values), np.int64)
            found.append((axis, Tensor.wrap(at)))
            continue
        check_mask(x, axis, index)
        for i, line in enumerate(np.nonzero(values)):
            found.append((axis + i, Tensor.wrap(np.ascontiguousarray(line, np.int64))))
    return found


def selection(x: Tensor, tensors: list[tuple[int, Tensor]]) -> Selection:
    """Check index tensors and merge what they choose; raise IndexError if they do not broadcast."""
    try:
        shape = broadcast_shapes(*(t._type.shape for _, t in tensors))
    except RuntimeError:
        shapes = ", ".join(str(list(t.shape)) for _, t in tensors)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    flat: Any = None
    for axis, index in tensors:
        size = x._type.shape[axis]
        message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
        checked = in_range(index, size, "IndexError", message, True)
        flat = checked if flat is None else flat * size + checked
    axes = [axis for axis, _ in tensors]
    visible = [axis for axis, t in tensors if t.ndim] or axes
    adjacent = visible == list(range(visible[0], visible[0] + len(visible)))
    rest = [i for i in range(x.ndim) if i not in axes]
    place = sum(1 for i in rest if i < visible[0]) if adjacent else 0
    if tuple(flat._type.shape) != tuple(shape):
        flat = expand(flat, *shape)
    return Selection((*axes, *rest), len(axes), flat, tuple(shape), place)


def merged(x: Tensor, chosen: Selection) -> Tensor:
    """The indexed axes first, as one."""
    moved = x if chosen.order == tuple(range(x.ndim)) else permute(x, *chosen.order)
    if chosen.count == 1:
        return moved
    size: Any = 1
    for n in moved._type.shape[: chosen.count]:
        size = size * n
    return reshape(moved, (size, *moved._type.shape[chosen.count :]))


def _read(x: Tensor, tensors: list[tuple[int, Tensor]]) -> Tensor:
    chosen = selection(x, without_masks(x, tensors))
    if chosen.count == 1 and chosen.place == chosen.order[0]:
        return ops.take(x, chosen.flat, axis=chosen.place)
    out = ops.take(merged(x, chosen), chosen.flat, axis=0)
    width = len(chosen.shape)
    if chosen.place == 0 or width == 0:
        return out
    order = [*range(width, width + chosen.place), *range(width),
             *range(width + chosen.place, out.ndim)]  # fmt: skip
    return permute(out, *order).contiguous()


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``: a view for ints and slices, a copy for index tensors."""
    out, tensors = basic_view(x, index)
    if tensors:
        return _read(out, tensors)
    return out if out is not x else x.view_as_op(
        ops.reshape, {"shape": x._type.shape}, x._strides
    )


__all__ = [
    "Selection", "basic_view", "check_mask", "getitem", "merged", "selection", "without_masks",
]  # fmt: skip
