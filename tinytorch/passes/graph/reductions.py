"""Split reductions over axes that do not lie together into ones that do."""

from __future__ import annotations

from tinytorch.ir.graph import Graph, Node
from tinytorch.passes.graph.rebuild import rebuild


def split_reductions(graph: Graph) -> Graph:
    """Reduce trailing axes first, the rest after: each part is then a row or a column reduction."""

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op.name not in ("sum", "max", "min"):
            return None
        shape = operands[0].type.shape
        axes = [a for a in node.attrs["axes"] if shape[a] != 1]
        if not axes:
            return None
        kept = [i for i, s in enumerate(shape) if s != 1 and i not in axes]
        trailing = [a for a in axes if not kept or a > kept[-1]]
        rest = [a for a in axes if a not in trailing]
        if not trailing or not rest:
            return None
        first = target.add(node.op, operands, axes=tuple(trailing))
        return target.add(node.op, [first], axes=tuple(rest))

    return rebuild(graph, replace)
