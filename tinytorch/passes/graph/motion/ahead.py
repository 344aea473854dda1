"""Ahead of a loop: values that are the same at each step, and products with such values."""

from __future__ import annotations

from tinytorch.ir.graph import Graph, Node, needed
from tinytorch.passes.graph.motion.loop import PLAIN, Loop, all_steps, copied_step, is_plain
from tinytorch.passes.graph.rebuild import copy_nodes, inline


class Ahead:
    """Takes out what depends on no carry."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.same = [n for n in loop.nodes if self._is_same(n) and self._is_read(n)]
        self.products = [
            n for n in loop.nodes
            if n in loop.varying and n not in loop.bound and loop.by_constant(n)
            and is_plain(needed([n], loop.body.inputs))
        ]  # fmt: skip

    def _is_same(self, node: Node) -> bool:
        """Whether a value is the same at each step, and more than a view or a number."""
        plain = node.op.family in PLAIN - {"movement", "source"} and not node.op.effect
        return plain and node not in self.loop.varying

    def _is_read(self, node: Node) -> bool:
        """Whether something that stays in the loop reads it."""
        users = self.loop.users[node]
        return node in self.loop.body.outputs or any(not self._is_same(u) for u in users)

    def run(self, target: Graph) -> Loop | None:
        """The loop with what was computed ahead of it, in ``target``, as further operands."""
        loop = self.loop
        if not self.same and not self.products:
            return None
        known = dict(zip(loop.body.inputs, loop.operands, strict=True))
        copy_nodes(target, loop.body, known, needed(self.same, known))
        moved = self._products(target) if self.products else []
        body = Graph(loop.body.name)
        body.default_dtype = loop.body.default_dtype
        inner: dict[Node, Node] = {}
        operands: list[Node] = []
        for nodes, values in (
            (loop.carry, [known[n] for n in loop.carry]), (loop.xs, [known[n] for n in loop.xs]),
            (self.products, moved), (loop.constants, [known[n] for n in loop.constants]),
            (self.same, [known[n] for n in self.same]),
        ):  # fmt: skip
            for node, value in zip(nodes, values, strict=True):
                inner[node] = body.add_input(node.type, loop.body.names.get(node, "ahead"))
                operands.append(value)
        roots = [*loop.body.outputs, *loop.body.effects]
        copy_nodes(body, loop.body, inner, needed(roots, inner))
        body.outputs = [inner[n] for n in loop.body.outputs]
        slices = loop.attrs["slices"] + len(self.products)
        return Loop({**loop.attrs, "body": body.freeze(), "slices": slices}, operands)

    def _products(self, target: Graph) -> list[Node]:
        loop = self.loop
        step = Graph(f"{loop.body.name}_ahead")
        step.default_dtype = loop.body.default_dtype
        known = {n: step.add_input(n.type, loop.body.names.get(n, "")) for n in loop.body.inputs}
        copied_step(step, loop, known, self.products)
        step.outputs = [known[n] for n in self.products]
        moving = [known[n] for n in loop.xs]
        return inline(target, all_steps(step.freeze(), moving, loop), loop.operands)
