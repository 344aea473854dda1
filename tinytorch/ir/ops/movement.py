"""Movement ops: the same elements at other indices. Each is an index map in a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, fail, linear
from tinytorch.ir.types import TensorType, count, format_shape

# --------------------------------------------------------------------- reshape


def _reshape_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    shape = tuple(attrs["shape"])
    if count(shape) != x.size:
        raise fail("reshape", f"{x.size} elements do not fit shape {format_shape(shape)}", x)
    return TensorType(x.dtype, shape)


reshape: Op = linear(
    "reshape", "movement", "The same elements, in row-major order, in another shape.",
    infer=_reshape_type, eager=lambda x, shape: x.reshape(shape),
    transpose=lambda g, x, shape: (reshape(g, shape=x.aval.shape),),
)  # fmt: skip

# ---------------------------------------------------------------- broadcast_to


def _broadcast_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    shape = tuple(attrs["shape"])
    lead = len(shape) - x.ndim
    if lead < 0 or any(s not in (1, t) for s, t in zip(x.shape, shape[lead:], strict=True)):
        raise fail("broadcast_to", f"cannot broadcast to shape {format_shape(shape)}", x)
    return TensorType(x.dtype, shape)


def _unbroadcast(g: Handle, x: Handle, shape: Any) -> tuple[Handle]:
    source = x.aval.shape
    lead = len(shape) - len(source)
    axes = tuple(
        i for i, size in enumerate(shape) if i < lead or (source[i - lead] == 1 and size != 1)
    )
    if axes:
        g = g.sum_axes(axes)
    return (reshape(g, shape=source) if g.aval.shape != source else g,)


broadcast_to = linear(
    "broadcast_to", "movement", "Repeats elements along new axes and axes of size 1.",
    infer=_broadcast_type, eager=lambda x, shape: np.broadcast_to(x, shape),
    transpose=_unbroadcast,
)  # fmt: skip

# --------------------------------------------------------------------- permute


def _permute_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    order = tuple(attrs["order"])
    if sorted(order) != list(range(x.ndim)):
        raise fail("permute", f"{list(order)} is not an order of {x.ndim} axes", x)
    return TensorType(x.dtype, tuple(x.shape[i] for i in order))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes ``order``."""
    return tuple(order.index(i) for i in range(len(order)))


permute: Op = linear(
    "permute", "movement", "Axes in another order.",
    infer=_permute_type, eager=lambda x, order: np.transpose(x, order),
    transpose=lambda g, x, order: (permute(g, order=inverse(order)),),
)  # fmt: skip

# ----------------------------------------------------------------- slice, pad


def sliced_size(start: int, stop: int, step: int) -> int:
    """Number of elements that ``start:stop:step`` selects, for a positive step."""
    return max(0, -(-(stop - start) // step))


def _slice_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    shape = []
    for size, start, stop, step in zip(
        x.shape, attrs["starts"], attrs["stops"], attrs["steps"], strict=True
    ):
        if not (0 <= start <= stop <= size) or step < 1:
            raise fail("slice", f"{start}:{stop}:{step} does not fit axis of size {size}", x)
        shape.append(sliced_size(start, stop, step))
    return TensorType(x.dtype, tuple(shape))


def _slices(starts: Any, stops: Any, steps: Any) -> tuple[slice, ...]:
    return tuple(slice(a, b, c) for a, b, c in zip(starts, stops, steps, strict=True))


def _unslice(g: Handle, x: Handle, starts: Any, stops: Any, steps: Any) -> tuple[Handle]:
    zeros = g.constant(0, shape=x.aval.shape)
    return (update_slice(zeros, g, starts=starts, steps=steps),)


slice_ = linear(
    "slice", "movement", "Elements start, start + step, ... below stop, along each axis.",
    infer=_slice_type,
    eager=lambda x, starts, stops, steps: x[_slices(starts, stops, steps)],
    transpose=_unslice,
)  # fmt: skip


def _pad_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    if any(p < 0 for p in (*attrs["low"], *attrs["high"])):
        raise fail("pad", "padding must not be negative", x)
    shape = [
        s + a + b for s, a, b in zip(x.shape, attrs["low"], attrs["high"], strict=True)
    ]
    return TensorType(x.dtype, tuple(shape))


def _unpad(g: Handle, x: Handle, low: Any, high: Any) -> tuple[Handle]:
    stops = tuple(a + s for a, s in zip(low, x.aval.shape, strict=True))
    return (slice_(g, starts=tuple(low), stops=stops, steps=(1,) * len(stops)),)


pad = linear(
    "pad", "movement", "Zeros added before and after along each axis.",
    infer=_pad_type,
    eager=lambda x, low, high: np.pad(x, list(zip(low, high, strict=True))),
    transpose=_unpad,
)  # fmt: skip


def _update_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    base, new = types
    if base.dtype is not new.dtype:
        raise fail("update_slice", "operands must have one dtype", base, new)
    for size, n, start, step in zip(
        base.shape, new.shape, attrs["starts"], attrs["steps"], strict=True
    ):
        if n and start + (n - 1) * step >= size:
            raise fail("update_slice", f"{n} elements from {start} by {step} do not fit", base, new)
    return TensorType(base.dtype, base.shape)


def _stops(starts: Any, steps: Any, shape: Any) -> tuple[int, ...]:
    return tuple(
        a if n == 0 else a + (n - 1) * c + 1 for a, c, n in zip(starts, steps, shape, strict=True)
    )


def _update_eager(base: np.ndarray, new: np.ndarray, starts: Any, steps: Any) -> np.ndarray:
    out = base.copy()
    out[_slices(starts, _stops(starts, steps, new.shape), steps)] = new
    return out


def _update_transpose(g: Handle, base: Handle, new: Handle, starts: Any, steps: Any) -> Any:
    zeros = g.constant(0, shape=new.aval.shape)
    stops = _stops(starts, steps, new.aval.shape)
    return (
        update_slice(g, zeros, starts=starts, steps=steps),
        slice_(g, starts=tuple(starts), stops=stops, steps=tuple(steps)),
    )


update_slice = linear(
    "update_slice", "movement", "The first operand with a strided block replaced by the second.",
    infer=_update_type, eager=_update_eager, transpose=_update_transpose, operands=2,
)  # fmt: skip

# ------------------------------------------------------------------------ flip


flip: Op = linear(
    "flip", "movement", "Reversed along axes.",
    infer=lambda types, attrs: types[0],
    eager=lambda x, axes: np.flip(x, tuple(axes)),
    transpose=lambda g, x, axes: (flip(g, axes=axes),),
)  # fmt: skip

# ------------------------------------------------------------------------- cat


def _cat_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    axis = attrs["axis"]
    first = types[0]
    for other in types[1:]:
        same = [a == b for i, (a, b) in enumerate(zip(first.shape, other.shape)) if i != axis]
        if other.ndim != first.ndim or not all(same) or other.dtype is not first.dtype:
            raise fail("cat", f"shapes must agree but for axis {axis}, dtypes all", *types)
    shape = list(first.shape)
    shape[axis] = sum(t.shape[axis] for t in types)
    return TensorType(first.dtype, tuple(shape))


def _uncat(g: Handle, *xs: Handle, axis: int) -> tuple[Handle, ...]:
    parts, start, shape = [], 0, g.aval.shape
    for x in xs:
        n = x.aval.shape[axis]
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        stops = tuple(start + n if i == axis else s for i, s in enumerate(shape))
        parts.append(slice_(g, starts=starts, stops=stops, steps=(1,) * len(shape)))
        start += n
    return tuple(parts)


cat = linear(
    "cat", "movement", "Operands one after another along an axis.",
    infer=_cat_type, eager=lambda *xs, axis: np.concatenate(xs, axis),
    transpose=_uncat, operands=None,
)  # fmt: skip

# --------------------------------------------------------------------- barrier

barrier: Op = linear(
    "barrier", "movement",
    "The value of the first operand, as one that no pass merges with it: what is computed from it "
    "is computed again, and not before the other operands are. ``label`` tells one barrier from "
    "another.",
    infer=lambda types, attrs: types[0],
    eager=lambda x, *after, label: x,
    transpose=lambda g, x, *after, label: (g, *[None] * len(after)),
)  # fmt: skip
