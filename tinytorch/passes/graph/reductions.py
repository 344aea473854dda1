"""Bring every reduction into a form that a kernel can run: over leading or over trailing axes."""

from __future__ import annotations

import math

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.passes.graph.overlap import added_windows
from tinytorch.passes.graph.rebuild import rebuild


def split_reductions(graph: Graph) -> Graph:
    """Return an equal graph that reduces leading or trailing axes only, axes of size 1 aside.

    Trailing axes are reduced first, the rest after. Axes in the middle are moved to the end: a
    view, so that the kernel reads with strides. Overlapping windows become a sum, too.
    """

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op is ops.unwindow:
            return added_windows(target, node, operands[0])
        if node.op.family != "reduction":
            return None
        return _reduced(target, node.op, operands[0], tuple(node.attrs["axes"]))

    return rebuild(graph, replace)


def _reduced(target: Graph, op: Op, x: Node, axes: tuple[int, ...]) -> Node:
    shape = x.type.shape
    wide = [a for a in axes if shape[a] != 1]
    kept = [i for i, s in enumerate(shape) if s != 1 and i not in wide]
    trailing = tuple(a for a in wide if not kept or a > kept[-1])
    rest = tuple(a for a in wide if a not in trailing)
    position = op in (ops.argmax, ops.argmin)
    if not rest or (not position and max(rest) < kept[0] and not trailing):
        return target.add(op, [x], axes=axes)
    if trailing and not position:
        return _reduced(target, op, target.add(op, [x], axes=trailing), rest)
    if not position and max(rest) < kept[0]:
        return target.add(op, [x], axes=rest)
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    moved = target.add(ops.permute, [x], order=order)
    rows = math.prod(shape[i] for i in kept)
    flat = target.add(ops.reshape, [moved], shape=(rows, x.type.size // rows))
    done = target.add(op, [flat], axes=(1,))
    reduced = tuple(1 if i in axes else s for i, s in enumerate(shape))
    return target.add(ops.reshape, [done], shape=reduced)
