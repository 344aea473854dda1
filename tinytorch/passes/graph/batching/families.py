"""The batching rules of ops that compute: one a family, one an op where members differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Proxy
from tinytorch.ir.op import Op
from tinytorch.passes.graph.batching.core import FAMILIES, RULES, Batch, Value, rule

# ------------------------------------------------------------------- families


def _elementwise(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [b.lead(x) for x in xs], **attrs)


def _along_axes(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """Ops that name the axes they work along as ``axes``."""
    moved = {**attrs, "axes": tuple(a + 1 for a in attrs["axes"])}
    return b.apply(op, [b.lead(x) for x in xs], **moved)


def _along_axis(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """Ops that work along one ``axis`` on operands of one rank."""
    return b.apply(op, [b.lead(x) for x in xs], **{**attrs, "axis": attrs["axis"] + 1})


FAMILIES["elementwise"] = _elementwise
FAMILIES["reduction"] = _along_axes
FAMILIES["scan"] = _along_axis
FAMILIES["ordering"] = _along_axis

for _name in ("gather", "scatter_add", "scatter_max", "scatter_min", "scatter_prod", "cat"):
    RULES[_name] = _along_axis
for _name in ("flip", "window"):
    RULES[_name] = _along_axes
RULES["barrier"] = _elementwise

# ------------------------------------------------------------------- movement


@rule("reshape")
def _reshape(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], shape=(b.size, *attrs["shape"]))


@rule("broadcast_to")
def _broadcast_to(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, shape = xs[0].handle, tuple(attrs["shape"])
    sizes = x.aval.shape[1:]
    aligned = (b.size, *(1,) * (len(shape) - len(sizes)), *sizes)
    if aligned != x.aval.shape:
        x = b.apply(ops.reshape, [x], shape=aligned)
    return b.apply(op, [x], shape=(b.size, *shape))


@rule("permute")
def _permute(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], order=(0, *(i + 1 for i in attrs["order"])))


@rule("slice")
def _slice(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(
        op, [xs[0].handle], starts=(0, *attrs["starts"]), stops=(b.size, *attrs["stops"]),
        steps=(1, *attrs["steps"]),
    )  # fmt: skip


@rule("pad")
def _pad(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], low=(0, *attrs["low"]), high=(0, *attrs["high"]))


@rule("update_slice")
def _update_slice(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(
        op, [b.lead(x) for x in xs], starts=(0, *attrs["starts"]), steps=(1, *attrs["steps"])
    )


@rule("strided")
def _strided(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    shape = (b.size, *attrs["shape"])
    along = (1, *(0 for _ in attrs["shape"]))
    steps = (along, *((0, *row) for row in attrs["steps"]))
    return b.apply(op, [xs[0].handle], shape=shape, offsets=(0, *attrs["offsets"]), steps=steps)


@rule("unwindow")
def _unwindow(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    shape = (b.size, *attrs["shape"])
    return _along_axes(b, op, xs, {**attrs, "shape": shape})


# ---------------------------------------------------------------- contraction


@rule("matmul")
def _matmul(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """One product of all rows where the second matrix is shared; else a batch of products."""
    x, y = xs
    if not y.batched and y.handle.aval.ndim == 2:
        rows, inner = x.handle.aval.shape[1:]
        flat = b.apply(ops.reshape, [x.handle], shape=(b.size * rows, inner))
        columns = y.handle.aval.shape[1]
        product = b.apply(op, [flat, y.handle])
        return b.apply(ops.reshape, [product], shape=(b.size, rows, columns))
    return b.apply(op, [b.lead(x), b.lead(y)])


# ------------------------------------------------------------------- indexing


def _offset(b: Batch, index: Proxy, step: int) -> Proxy:
    """Positions in one long axis of all examples, ``step`` an example."""
    shape = index.aval.shape
    example = b.apply(ops.iota, [], shape=shape, axis=0)
    start = b.apply(ops.mul, [example, index.constant(step)])
    return b.apply(ops.add, [index, start])


@rule("take")
def _take(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, index = xs
    axis = attrs["axis"]
    if not index.batched:
        return b.apply(op, [x.handle, index.handle], axis=axis + 1)
    if not x.batched:
        return b.front(b.apply(op, [x.handle, index.handle], axis=axis), axis)
    # The examples' slices along the axis in one row, and each example's own part of it.
    values = b.front(b.front(x.handle, axis + 1), 1)  # example, axis, the others
    size, *others = values.aval.shape[1:]
    row = b.apply(ops.reshape, [values], shape=(b.size * size, *others))
    found = b.apply(op, [row, _offset(b, index.handle, size)], axis=0)
    return _placed(b, found, index.handle.aval.ndim - 1, axis)


def _placed(b: Batch, x: Proxy, count: int, axis: int) -> Proxy:
    """Axes 1 to ``count`` moved to stand at ``axis`` of an example."""
    ndim = x.aval.ndim
    moved, rest = list(range(1, count + 1)), list(range(count + 1, ndim))
    order = (0, *rest[:axis], *moved, *rest[axis:])
    return b.apply(ops.permute, [x], order=order) if order != tuple(range(ndim)) else x


@rule("put_add")
def _put_add(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, index = xs
    axis, size = attrs["axis"], attrs["size"]
    if not index.batched:
        return b.apply(op, [x.handle, index.handle], axis=axis + 1, size=size)
    values, count = b.lead(x), index.handle.aval.ndim - 1
    ndim = values.aval.ndim
    moved = list(range(axis + 1, axis + 1 + count))
    rest = [i for i in range(1, ndim) if i not in moved]
    values = b.apply(ops.permute, [values], order=(0, *moved, *rest))
    others = values.aval.shape[count + 1 :]
    row = b.apply(op, [values, _offset(b, index.handle, size)], axis=0, size=b.size * size)
    return _placed(b, b.apply(ops.reshape, [row], shape=(b.size, size, *others)), 1, axis)


# --------------------------------------------------------------------- random


@rule("random_bits")
def _random(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Value:
    """Draws of all examples: example e's counters follow those of e - 1 by ``draws``."""
    if b.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap"
        )
    (state,) = xs
    if state.batched:
        raise NotImplementedError("vmap: a random generator's state with a batch axis")
    if b.randomness == "same":
        return Value(b.apply(ops.random_bits, [state.handle], **attrs), False)
    shape = tuple(attrs["shape"])
    count = 1
    for n in shape:
        count *= n
    drawn = b.apply(
        ops.random_bits, [state.handle], shape=(b.size, b.draws), offset=attrs["offset"]
    )
    own = b.apply(ops.slice_, [drawn], starts=(0, 0), stops=(b.size, count), steps=(1, 1))
    return Value(b.apply(ops.reshape, [own], shape=(b.size, *shape)), True)
