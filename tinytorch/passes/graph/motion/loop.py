"""A scan, what in its body depends on what, and a part of the body at all steps at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.extent import typical
from tinytorch.ir.graph import Graph, Node, dependents, needed
from tinytorch.passes.graph.batching import batch
from tinytorch.passes.graph.rebuild import copy_nodes

MOST_ROWS = 128
"""A product of more rows than this is fast at each step; taking it out would only cost memory."""
_BYTES = 1 << 28
"""Memory for one value at all steps above which a loop is left as it is: it may be there for it."""
PLAIN = frozenset({"elementwise", "movement", "reduction", "contraction", "source"})


class Loop:
    """A scan: its attributes and operands, and what in its body depends on what."""

    def __init__(self, attrs: dict[str, Any], operands: Sequence[Node]) -> None:
        self.attrs = attrs
        self.operands = list(operands)
        self.body: Graph = attrs["body"]
        self.length = attrs["length"]
        self.carry, self.xs, self.constants = ops.scan_parts(self.body.inputs, attrs)
        self.varying = dependents(self.body, (*self.carry, *self.xs))
        self.bound = dependents(self.body, self.carry)
        live = self.body.live()
        self.nodes = [n for n in self.body if n in live]
        self.users: dict[Node, list[Node]] = {n: [] for n in self.body}
        for n in self.nodes:
            for source in dict.fromkeys(n.inputs):
                self.users[source].append(n)

    def by_constant(self, node: Node) -> bool:
        """Whether a node is a product of few rows with a matrix that is the same at each step."""
        if node.op is not ops.matmul or node.type.ndim != 2:
            return False
        steady = [n not in self.varying for n in node.inputs]
        if steady[0] == steady[1]:
            return False
        return typical(node.type.shape[int(steady[0])]) <= MOST_ROWS and self.small(node)

    def small(self, node: Node) -> bool:
        """Whether there is memory for a value at all steps."""
        return bool(typical(self.length) * typical(node.type.nbytes) <= _BYTES)


def is_plain(nodes: Iterable[Node]) -> bool:
    """Whether nodes can be computed for all steps at once: no checks, draws, control flow."""
    return all(n.op.family in PLAIN and not n.op.effect for n in nodes)


def all_steps(graph: Graph, moving: Sequence[Node], loop: Loop) -> Graph:
    """A graph of one step at all steps; inputs not in ``moving`` are the same at each."""
    flags = [n in moving for n in graph.inputs]
    return batch(graph, flags, loop.length, force=[True] * len(graph.outputs))[0]


def copied_step(new: Graph, loop: Loop, known: dict[Node, Node], wanted: Iterable[Node]) -> None:
    """Copy what is wanted of a body; products with a constant on the left get it on the right."""

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op is not ops.matmul or node.inputs[0] in loop.varying or node.type.ndim != 2:
            return None
        swapped = [turned(target, n) for n in reversed(operands)]
        return turned(target, target.add(ops.matmul, swapped))

    copy_nodes(new, loop.body, known, needed(wanted, known), replace)


def turned(graph: Graph, node: Node) -> Node:
    """A matrix transposed, twice being not at all."""
    if node.op is ops.permute and node.attrs["order"] == (1, 0):
        return node.inputs[0]
    return graph.add(ops.permute, [node], order=(1, 0))
