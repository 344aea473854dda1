"""Sums over the steps of a loop: what a carry that is only added to adds up, as a linear term."""

from __future__ import annotations

from collections.abc import Container, Mapping

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, needed
from tinytorch.passes.graph.rebuild import copy_nodes

_UNARY = frozenset({"neg", "permute", "reshape", "broadcast_to", "slice", "flip", "pad", "sum"})


class Sum:
    """A carry ``start`` that becomes ``total``: itself plus a term linear in ``leaves``.

    As the term is linear, the sum of its values at all steps is its value at the sums of its
    leaves.
    """

    def __init__(
        self, body: Graph, total: Node, start: Node, varying: Container[Node]
    ) -> None:
        self.body = body
        self.start = start
        self.total = total
        self.varying = varying
        self.inner = self._linear_nodes()
        inside = {*self.inner, start}
        read = [n for node in self.inner for n in self._flowing(node)]
        self.leaves = list(dict.fromkeys(n for n in read if n not in inside))

    def _flowing(self, node: Node) -> list[Node]:
        """The operands that a node is linear in, all others being the same at each step."""
        name = node.op.name
        if name in ("add", "sub"):
            return list(node.inputs)
        if name in _UNARY:
            return [node.inputs[0]]
        if name not in ("mul", "div"):
            return []
        varying = [n for n in node.inputs if n in self.varying]
        if len(varying) != 1 or (name == "div" and varying[0] is not node.inputs[0]):
            return []
        return varying

    def _linear_nodes(self) -> list[Node]:
        """What the total is made of its leaves with, each after its operands; no recursion."""
        order: list[Node] = []
        seen: set[Node] = set()
        stack = [(self.total, False)]
        while stack:
            node, ready = stack.pop()
            flowing = self._flowing(node)
            if ready:
                order.append(node)
            elif node not in seen and flowing:
                seen.add(node)
                stack.append((node, True))
                stack.extend((n, False) for n in flowing)
        return order

    def onto(
        self, graph: Graph, start: Node, leaves: Mapping[Node, Node], outer: Mapping[Node, Node]
    ) -> Node:
        """Add the term to ``start``, in another graph, with other values for some leaves.

        Leaves without one count as zero. ``outer`` has what the same at each step is made of.
        """
        known: dict[Node, Node | None] = {**leaves, self.start: start}
        same = dict(outer)
        for node in self.inner:
            flowing = self._flowing(node)
            parts = [known.get(n) for n in flowing]
            present = [n for n in parts if n is not None]
            if node.op in (ops.add, ops.sub) and len(present) < len(parts):
                turned = node.op is ops.sub and parts[0] is None and present
                known[node] = graph.add(ops.neg, present) if turned else next(iter(present), None)
            elif present:
                operands = []
                for n in node.inputs:
                    value = known.get(n) if n in flowing else None
                    if value is None:
                        copy_nodes(graph, self.body, same, needed([n], same))
                        value = same[n]
                    operands.append(value)
                known[node] = graph.add(node.op, operands, **node.attrs)
            else:
                known[node] = None
        total = known[self.total]
        assert total is not None
        return total
