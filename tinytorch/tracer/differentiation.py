"""Derivatives inside a trace: ``backward``, ``autograd.grad`` and what they leave in ``.grad``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.passes.graph.autodiff import vjp
from tinytorch.tracer.backward import accumulate
from tinytorch.tracer.mode import user_origin
from tinytorch.tracer.tape import saves_nothing
from tinytorch.tracer.tensor import TRACED, Tensor
from tinytorch.tracer.views import root_of

_SECOND = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Specify retain_graph=True if you need to backward through the "
    "graph a second time."
)
_VIEWS = (ops.permute, ops.slice_, ops.flip, ops.strided)
"""Ops that a view is made of: what they show is overwritten with what it shows."""


def _written_at(graph: Graph, node: Node) -> str:
    origin = graph.origin_of(node)
    return f", computed at {origin}" if origin else ""


def with_history_of(graph: Graph, value: Node, origin: Node, refusal: str = "") -> Node:
    """A value whose gradient flows unchanged to another one of its type.

    With a ``refusal`` its derivative is an error with this text.
    """
    backward = Graph("unchanged")
    backward.add_input(value.type, "result")
    backward.outputs = [backward.add_input(value.type, "cotangent")]
    linked = graph.add_distinct(
        ops.custom, [value, origin], results=1, primals=1, backward=backward.freeze(), wrt=(0,),
        refusal=refusal,
    )  # fmt: skip
    return graph.add(ops.get, [linked], index=0)


class Differentiation:
    """The part of a trace that knows about leaves, gradients and what a backward pass used up."""

    captures: list[tuple[Node, Tensor]]
    _values: dict[Any, Node]

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.grads_read: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.freed: set[Node] = set()
        """Roots of backward passes that freed."""
        self._spent: set[Node] = set()
        self._overwritten: set[Node] = set()
        self._handed_over: set[Node] = set()
        """Values that an op computed to be written somewhere: they have a second, idle holder."""
        self._leaves: dict[int, tuple[Tensor, list[Node]]] = {}
        self._retained: dict[int, Tensor] = {}

    def node_of(self, x: Any) -> Node:
        """The node that holds a tensor's current value."""
        raise NotImplementedError

    def tensor(self, node: Node) -> Tensor:
        """Return a fresh traced tensor with a node as its value."""
        raise NotImplementedError

    def _note_leaf(self, x: Tensor, node: Node) -> None:
        root = x if x._requires else root_of(x)
        if root._requires or (root._array is not None and root.requires_grad):
            self._leaves.setdefault(id(root), (root, []))
            nodes = self._leaves[id(root)][1]
            base = node if root is x else self.node_of(root)
            if base not in nodes:
                nodes.append(base)

    def get_grad(self, x: Tensor) -> Tensor | None:
        """``x.grad`` as this trace sees it."""
        if id(x) in self.grads:
            return self.grads[id(x)][1]
        if x._array is None:
            return x._grad
        self.grads_read[id(x)] = (x, x._grad)
        return x._grad

    def set_grad(self, x: Tensor, value: Tensor | None) -> None:
        """Assign ``x.grad`` for this trace; it becomes real when the call ends."""
        if x._array is None:
            x._grad = value
        else:
            self.grads[id(x)] = (x, value)

    def backward(
        self, roots: Sequence[Tensor], seeds: Sequence[Tensor], retain: bool, create_graph: bool,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:  # fmt: skip
        """Differentiate inside the graph and accumulate into the leaves' grads.

        With ``inputs`` only they receive gradients.
        """
        for x in roots:
            self._note_leaf(x, self.node_of(x))
        kept = list(self._retained.values())
        groups = list(self._leaves.values())
        if inputs is not None:
            kept = [x for x in kept if all(x is not t for t in inputs)]
            groups = [(t, [self.node_of(t)]) for t in inputs]
        groups += [(x, [self.node_of(x)]) for x in kept]
        nodes = [n for _, group in groups for n in group]
        found = iter(self._vjp(roots, seeds, nodes, retain))
        for leaf, group in groups:
            total: Node | None = None
            for g in [next(found) for _ in group]:
                if g is not None:
                    total = g if total is None else self.graph.add(ops.add, [total, g])
            if total is not None:
                if leaf._array is not None and leaf.tape is not None:
                    raise TraceError(
                        f"{user_origin()}: backward would flow into a tensor computed outside the "
                        "compiled function; call backward outside, or pass it detached"
                    )
                self._refuse_hooks(leaf)
                accumulate(leaf, self._cotangent(total, create_graph), create_graph)

    def gradients(
        self, roots: Sequence[Tensor], seeds: Sequence[Tensor], targets: Sequence[Tensor],
        retain: bool, create_graph: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """``autograd.grad`` inside the graph."""
        nodes = [self.node_of(t) for t in targets]
        for t in targets:
            self._refuse_hooks(t)
        found = self._vjp(roots, seeds, nodes, retain)
        return [None if g is None else self._cotangent(g, create_graph) for g in found]

    def reaches_other(self, x: Tensor, own: Sequence[Tensor]) -> bool:
        """Whether a gradient of a value would flow on to something beside some leaves."""
        ours = {self.node_of(t) for t in own}
        sources = set(self._inward())
        sources.update(n for _, nodes in self._leaves.values() for n in nodes)
        sources -= {n for n in ours if n.op is ops.detach}
        stack, seen = [self.node_of(x)], set()
        while stack:
            node = stack.pop()
            if node in sources:
                return True
            if node not in seen and node.op is not ops.detach:
                seen.add(node)
                stack.extend(node.inputs)
        return False

    def _inward(self) -> list[Node]:
        """Inputs through which gradients flow in from outside."""
        return [node for node, tensor in self.captures if tensor.requires_grad]

    @staticmethod
    def _refuse_hooks(x: Tensor) -> None:
        if getattr(x, "_hooks", None):
            raise TraceError(
                f"{user_origin()}: a hook is registered on a tensor of {x._type}, and backward "
                "inside a compiled function calls no hooks; remove it, or call backward outside"
            )

    def retain_grad(self, x: Tensor) -> None:
        """Let later backward passes keep the gradient of a tensor that is no leaf."""
        if x.is_leaf:
            return
        if x._array is not None:
            raise TraceError(
                f"{user_origin()}: retain_grad() inside a compiled function on a tensor computed "
                "outside; call it outside"
            )
        self._retained[id(x)] = x

    def retains_grad(self, x: Tensor) -> bool:
        """Whether ``retain_grad`` was called on a tensor."""
        return id(x) in self._retained

    def detach_in_place(self, x: Tensor) -> None:
        """Make a tensor of this trace a leaf without a gradient; refuse one from outside."""
        if x._array is not None:
            if x.requires_grad:
                raise TraceError(
                    f"{user_origin()}: detach_() inside a compiled function on a tensor from "
                    "outside; use detach()"
                )
            return
        self._values[id(x._storage)] = self.graph.add(ops.detach, [self.node_of(x)], label=0)
        x._tape, x._requires = None, False

    def note_overwritten(self, node: Node) -> None:
        """Note that a value was written over in place: no later backward may need it."""
        users = sum(1 for value in self._values.values() if value is node)
        constant = node.op.family == "source" and node.op is not ops.input_
        if users == 1 + (node in self._handed_over) and not constant:
            self._overwritten.add(node)

    def _vjp(
        self, roots: Sequence[Tensor], seeds: Sequence[Tensor], wrt: list[Node], retain: bool
    ) -> list[Node | None]:
        nodes = [self.node_of(x) for x in roots]
        visited: list[Node] = []

        def visit(node: Node, g: Any) -> tuple[Any, None]:
            visited.append(node)
            if node in self._spent:
                raise RuntimeError(_SECOND)
            return g, None

        if not self.freed.isdisjoint(nodes):
            raise RuntimeError(_SECOND)
        self.graph.origin = user_origin("backward")
        before = set(self.graph) if self._overwritten else set()
        found = vjp(self.graph, nodes, [self.node_of(g) for g in seeds], wrt, visit)
        if self._overwritten:
            self._check_intact([g for g in found if g is not None], before)
        if not retain:
            self.freed.update(nodes)
            self._spent.update(
                n for n in visited if n.op is not ops.detach and not saves_nothing(n.op)
            )
        return found

    def _check_intact(self, found: Sequence[Node], before: set[Node]) -> None:
        """Raise RuntimeError if new nodes read a value that was written over in place."""
        stack, seen = list(found), set(found)
        while stack:
            node = stack.pop()
            if node in before:
                continue
            for source in node.inputs:
                value = source
                while value in before and value.op in _VIEWS and value not in self._overwritten:
                    value = value.inputs[0]
                if value in self._overwritten:
                    raise RuntimeError(
                        "one of the variables needed for gradient computation has been modified by "
                        f"an inplace operation: a tensor of {source.type}, read by {node.op.name}"
                        f"{_written_at(self.graph, source)}; clone() it before it is written to"
                    )
                if source not in seen:
                    seen.add(source)
                    stack.append(source)

    def _cotangent(self, node: Node, create_graph: bool) -> Tensor:
        if create_graph:
            out = self.tensor(node)
            out._tape = TRACED
            return out
        return self.tensor(self.graph.add(ops.detach, [node], label=0))
