"""Precision: what adds many halves up does so in float32."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.types import float32
from tinytorch.passes.graph.rebuild import rebuild

_VIEWS = ("reshape", "permute", "broadcast_to", "slice", "flip")


def widen_sums(graph: Graph) -> Graph:
    """Return an equal graph in which no op that accumulates takes or gives halves.

    Its operands are cast to float32 and its result back, as the numpy rules are run: a sum is
    rounded once. The casts go below views, so that a library still reads a factor in place.
    """
    if not any(n.op.accumulates and n.type.dtype.is_half for n in graph):
        return graph

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if not (node.op.accumulates and node.type.dtype.is_half):
            return None
        wide = [_wide(target, n) if n.type.dtype.is_half else n for n in operands]
        done = target.add(node.op, wide, **node.attrs)
        return target.add(ops.cast, [done], dtype=node.type.dtype)

    return rebuild(graph, replace)


def _wide(graph: Graph, node: Node) -> Node:
    """A node's value in float32."""
    views: list[Node] = []
    while node.op.name in _VIEWS:
        views.append(node)
        node = node.inputs[0]
    value = graph.add(ops.cast, [node], dtype=float32)
    for view in reversed(views):
        value = graph.add(view.op, [value], **view.attrs)
    return value
