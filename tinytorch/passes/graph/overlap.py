"""Overlapping windows added up, as pads, views and one sum that kernels can run.

Along one axis, with O windows of K elements, step s and gap d, element p of the result is the sum
of g[o, k] over all o * s + k * d = p. No scatter is needed:

- With s > 1 and d = 1 the inside of a window is cut into A = ceil(K / s) blocks of s elements.
  Block a of window o lies over block o + a of the result, whole blocks on whole blocks: what is
  left is the case s = 1, over blocks. Windows that do not overlap have A = 1: a reshape.
- With s > 1 and d > 1 zeros are put between the windows, which again leaves s = 1.
- With s = 1 element p is the sum of g[p - k * d, k]. With zeros around, the pairs (k, p - k * d)
  lie at a fixed distance in memory that has k outermost: they are a window themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy


@dataclass
class _Axis:
    """One axis on the way: ``count`` windows of ``blocks`` blocks of ``width``, ``gap`` apart."""

    axis: int
    inside: int  # the axis of the windows' elements
    count: int
    blocks: int
    width: int
    gap: int

    @property
    def reach(self) -> int:
        """Distance between the first and the last block of a window."""
        return self.gap * (self.blocks - 1)


def added_windows(graph: Graph, node: Node, operand: Node) -> Node:
    """Nodes for an ``unwindow`` on an operand, added to a graph; returns the result's."""
    g = Proxy(graph, operand)
    shape = tuple(node.attrs["shape"])
    axes: list[_Axis] = []
    for position, (axis, step, gap) in enumerate(
        zip(node.attrs["axes"], node.attrs["steps"], node.attrs["gaps"], strict=True)
    ):
        inside = len(shape) + position
        size = g.aval.shape[inside]
        if step > 1 and (gap > 1 and size > 1):
            g, step = _spread(g, axis, step), 1
        blocks = -(-size // step) if gap == 1 or size == 1 else size
        width = step if size == 1 or gap == 1 else 1
        axes.append(_Axis(axis, inside, g.aval.shape[axis], blocks, width, gap))
    g = _framed(g, axes)
    g = _summed(_blocked(g, axes, len(shape)), axes, len(shape))
    return _fitted(g, axes, shape).node


def _spread(g: Proxy, axis: int, step: int) -> Proxy:
    """Put ``step - 1`` zeros between the elements of an axis."""
    shape = list(g.aval.shape)
    shape[axis] = (shape[axis] - 1) * step + 1
    steps = tuple(step if i == axis else 1 for i in range(len(shape)))
    zeros = g.constant(0, shape=tuple(shape))
    return ops.update_slice(zeros, g, starts=(0,) * len(shape), steps=steps)


def _framed(g: Proxy, axes: list[_Axis]) -> Proxy:
    """Put zeros around the windows, and fill up the last block of each."""
    low, high = [0] * len(g.aval.shape), [0] * len(g.aval.shape)
    for item in axes:
        low[item.axis] = high[item.axis] = item.reach
        high[item.inside] = item.blocks * item.width - g.aval.shape[item.inside]
    if not any(low) and not any(high):
        return g
    return ops.pad(g, low=tuple(low), high=tuple(high))


def _blocked(g: Proxy, axes: list[_Axis], ndim: int) -> Proxy:
    """Move the blocks beside the windows: each axis becomes (blocks, windows), then (width)."""
    shape = list(g.aval.shape[:ndim])
    where: dict[int, tuple[int, ...]] = {i: (i,) for i in range(ndim)}
    for item in axes:
        at = len(shape)
        shape += [item.blocks, item.width]
        where[item.axis] = (at, item.axis, at + 1)
    order = tuple(i for axis in range(ndim) for i in where[axis])
    g = ops.permute(ops.reshape(g, shape=tuple(shape)), order=order)
    merged: list[int] = []
    by_axis = {item.axis: item for item in axes}
    for axis in range(ndim):
        found = by_axis.get(axis)
        merged += [shape[axis]] if found is None else [found.blocks * shape[axis], found.width]
    return ops.reshape(g, shape=tuple(merged))


def _summed(g: Proxy, axes: list[_Axis], ndim: int) -> Proxy:
    """Sum over the blocks that lie on one another."""
    places, at = {}, 0
    inside = {item.axis for item in axes}
    for axis in range(ndim):
        places[axis] = at
        at += 2 if axis in inside else 1
    shape = g.aval.shape
    starts, stops = [0] * len(shape), list(shape)
    found: list[tuple[int, int, int]] = []
    for item in axes:
        if item.blocks == 1:
            continue
        place, framed = places[item.axis], item.count + 2 * item.reach
        gap = framed - item.gap
        starts[place] = item.reach
        stops[place] = item.reach + gap * (item.blocks - 1) + item.count + item.reach
        found.append((place, item.blocks, gap))
    if not found:
        return g
    g = ops.slice_(g, starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(shape))
    windows = ops.window(
        g, axes=tuple(f[0] for f in found), sizes=tuple(f[1] for f in found),
        steps=(1,) * len(found), gaps=tuple(f[2] for f in found),
    )  # fmt: skip
    total = ops.sum_(windows, axes=tuple(range(len(shape), len(shape) + len(found))))
    return ops.reshape(total, shape=tuple(total.aval.shape[: len(shape)]))


def _fitted(g: Proxy, axes: list[_Axis], shape: tuple[int, ...]) -> Proxy:
    """Merge blocks and their insides, then cut off or fill up to the shape."""
    merged = list(shape)
    for item in axes:
        merged[item.axis] = (item.count + item.reach) * item.width
    g = ops.reshape(g, shape=tuple(merged))
    if any(m > s for m, s in zip(merged, shape, strict=True)):
        kept = tuple(min(m, s) for m, s in zip(merged, shape, strict=True))
        g = ops.slice_(g, starts=(0,) * len(shape), stops=kept, steps=(1,) * len(shape))
    if any(m < s for m, s in zip(merged, shape, strict=True)):
        high = tuple(max(0, s - m) for m, s in zip(merged, shape, strict=True))
        g = ops.pad(g, low=(0,) * len(shape), high=high)
    return g
