"""Loop motion: what a scan need not compute step by step is computed for all steps at once.

Products of few rows are slow, and a step of a recurrent network has many that need not wait for the
one before. Ahead of the loop go values that are the same at each step, and products of slices of
xs with such values. Behind it go products that no later step reads, with what depends on them, and
the products that an accumulator adds up: ``sum_t a_t^T b_t`` is one product of the stacked factors,
which is how the gradient of a weight comes about. Factors of products that are moved behind the
loop become further results of it.
"""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.passes.graph.motion.ahead import Ahead
from tinytorch.passes.graph.motion.behind import Behind
from tinytorch.passes.graph.motion.loop import Loop
from tinytorch.passes.graph.rebuild import rebuild


def move_out_of_loops(graph: Graph) -> Graph:
    """Return an equal graph whose scans do less a step, or the graph itself."""
    items: dict[Node, dict[int, Node]] = {}
    changed: list[Node] = []

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op is ops.get and node.inputs[0] in items:
            return items[node.inputs[0]][node.attrs["index"]]
        if node.op is not ops.scan_:
            return None
        loop = Loop(dict(node.attrs), operands)
        ahead = Ahead(loop).run(target)
        results = Behind(ahead or loop).run(target)
        changed.extend([node] if results is not None or ahead is not None else [])
        if results is not None:
            items[node] = results
            return next(iter(results.values()))
        return target.add(ops.scan_, ahead.operands, **ahead.attrs) if ahead else None

    if not any(n.op is ops.scan_ for n in graph):
        return graph
    moved = rebuild(graph, replace)
    return moved if changed else graph


__all__ = ["move_out_of_loops"]
