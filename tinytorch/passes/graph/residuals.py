"""Residuals: what a backward pass keeps of the forward one, and what it computes again.

A value of the forward pass is computed again if that is cheap: elementwise arithmetic, views, and
random bits from their counters, of values that are there anyway (slices of xs, constants) or kept.
Anything else is kept: products, reductions, costly functions, results of inner control flow. What
a checkpoint computes again waits for a cotangent, and so belongs to the backward pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tinytorch.ir import ops
from tinytorch.ir.extent import typical
from tinytorch.ir.graph import Graph, Node, dependents
from tinytorch.ir.types import TensorType

_COSTLY = 4
"""Scalar cost above which a function is kept rather than computed again."""


class Residuals:
    """The values to keep: ``saved``, in the order of the graph.

    ``original`` are the nodes of the forward pass; further nodes that do not depend on
    ``seeds`` (cotangents) were added by derivative rules and cost the same in either pass.
    ``steady`` ones are the same at each step of a loop, and computed once, ahead of it.
    """

    def __init__(
        self, joint: Graph, original: Collection[Node], seeds: Iterable[Node],
        carry: Sequence[Node], found: Iterable[Node], steady: Collection[Node] = (),
    ) -> None:  # fmt: skip
        self.original = original
        self.carry = frozenset(carry)
        self.steady = steady
        self._backward = dependents(joint, seeds)
        self._plans: dict[Node, frozenset[Node]] = {}
        keep: set[Node] = set()
        for node in self._frontier(found):
            keep |= self._plan(node)
        order = {n: i for i, n in enumerate(joint)}
        self.saved = sorted(keep, key=order.__getitem__)

    def _frontier(self, found: Iterable[Node]) -> list[Node]:
        """Values of the forward pass that the backward one reads."""
        result: dict[Node, None] = {}
        stack, seen = list(found), set()
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self._backward:
                stack.extend(node.inputs)
            else:
                result[node] = None
        return list(result)

    def _plan(self, goal: Node) -> frozenset[Node]:
        """What must be kept so that a value can be had; no recursion."""
        stack = [(goal, False)]
        while stack:
            node, ready = stack.pop()
            if node in self._plans:
                continue
            if node in self.steady:
                self._plans[node] = frozenset()
            elif self._is_kept(node) or not node.inputs:
                held = node in self.carry or self._is_kept(node)
                self._plans[node] = frozenset((node,) if held else ())
            elif ready:
                parts = frozenset[Node]().union(*(self._plans[n] for n in node.inputs))
                self._plans[node] = parts if _bytes(parts) <= _bytes([node]) else (
                    frozenset((node,)) if isinstance(node.type, TensorType) else parts
                )  # fmt: skip
            else:
                stack.append((node, True))
                stack.extend((n, False) for n in node.inputs)
        return self._plans[goal]

    def _is_kept(self, node: Node) -> bool:
        if not isinstance(node.type, TensorType):
            return False
        if node.op is ops.get:  # of the forward loop, or of one that control merges with it
            return True
        if node not in self.original:
            return False
        if node.op.effect:
            return True
        if node.op.family == "elementwise":
            return node.op.costly > _COSTLY
        return node.op.family not in ("movement", "source", "random")


def _bytes(nodes: Iterable[Node]) -> int:
    return int(sum(typical(n.type.nbytes) for n in nodes if isinstance(n.type, TensorType)))
