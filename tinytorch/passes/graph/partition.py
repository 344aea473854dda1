"""Partition: a graph and its backward pass as graphs that run at different times.

A VJP reads values of the forward pass. Those that are not cheap to compute again (``Residuals``)
become further results of the forward graph, and inputs of the backward one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinytorch.ir.graph import Graph, Node, needed
from tinytorch.passes.graph.autodiff import differentiable, vjp
from tinytorch.passes.graph.rebuild import copy_nodes
from tinytorch.passes.graph.residuals import Residuals


@dataclass(frozen=True)
class Backward:
    """One VJP of a partitioned graph.

    ``graph`` takes those inputs of the forward graph that ``inputs`` lists, the residuals that
    ``residuals`` lists, and a cotangent for each output it was made for; it gives cotangents of the
    forward graph's inputs ``wrt``.
    """

    graph: Graph
    inputs: tuple[int, ...]
    residuals: tuple[int, ...]
    wrt: tuple[int, ...]


class Partition:
    """A graph, differentiated for its inputs ``wrt`` as often as it is asked to be.

    ``residuals`` are the values that all backward passes so far read, in an order that only grows.
    """

    def __init__(self, graph: Graph, wrt: Sequence[int]) -> None:
        self.graph = graph
        self.wrt = tuple(wrt)
        self.residuals: list[Node] = []
        self._backwards: dict[tuple[int, ...], Backward] = {}
        self._joint: Graph | None = None
        self._known: dict[Node, Node] = {}

    def backward(self, given: tuple[int, ...]) -> Backward:
        """The VJP for cotangents of the outputs ``given``."""
        if given not in self._backwards:
            self._backwards[given] = self._differentiated(given)
        return self._backwards[given]

    def _start(self) -> Graph:
        """A copy of the graph to which derivatives are added."""
        if self._joint is None:
            self._joint = Graph(f"{self.graph.name}_joint")
            self._joint.default_dtype = self.graph.default_dtype
            for n in self.graph.inputs:
                self._known[n] = self._joint.add_input(n.type, self.graph.names.get(n, ""))
            live = self.graph.live()
            copy_nodes(self._joint, self.graph, self._known, (n for n in self.graph if n in live))
        return self._joint

    def _differentiated(self, given: tuple[int, ...]) -> Backward:
        joint, source = self._start(), self.graph
        known = self._known
        inputs, outputs = [known[n] for n in source.inputs], [known[n] for n in source.outputs]
        forward = frozenset(known.values())
        seeds = [joint.add_input(outputs[i].type, f"cotangent_{i}") for i in given]
        wrt = [i for i in self.wrt if differentiable(inputs[i].type)]
        found = vjp(joint, [outputs[i] for i in given], seeds, [inputs[i] for i in wrt])
        flowing = {i: n for i, n in zip(wrt, found, strict=True) if n is not None}
        kept = Residuals(joint, forward, seeds, (), flowing.values()).saved
        self.residuals += [n for n in kept if n not in self.residuals]
        order = needed(flowing.values(), {*inputs, *kept, *seeds})
        read = {n for node in order for n in node.inputs} | set(flowing.values())
        taken = [i for i, n in enumerate(inputs) if n in read and n not in kept]
        new = Graph(f"{source.name}_backward")
        new.default_dtype = source.default_dtype
        inner: dict[Node, Node] = {}
        for n in (*(inputs[i] for i in taken), *kept, *seeds):
            inner[n] = new.add_input(n.type, joint.names.get(n, "kept"))
        copy_nodes(new, joint, inner, order)
        new.outputs = [inner[n] for n in flowing.values()]
        places = tuple(self.residuals.index(n) for n in kept)
        return Backward(new.freeze(), tuple(taken), places, tuple(flowing))

    def forward(self) -> tuple[Graph, dict[Node, Node]]:
        """The graph with the residuals behind its outputs, and what became of its nodes."""
        source = self.graph
        self._start()
        roots = [self._known[n] for n in source.roots]
        new, inner = self._part(source.name, [*roots, *self.residuals])
        node_of = {n: inner[k] for n, k in self._known.items() if k in inner}
        new.outputs = [node_of[n] for n in source.outputs]
        new.outputs += [inner[n] for n in self.residuals]
        new.updates = {node_of[s]: node_of[v] for s, v in source.updates.items()}
        return new.freeze(), node_of

    def recomputed(self, places: Sequence[int]) -> Graph:
        """A graph of the same inputs that gives some residuals alone."""
        wanted = [self.residuals[i] for i in places]
        new, inner = self._part(f"{self.graph.name}_again", wanted)
        new.outputs = [inner[n] for n in wanted]
        return new.freeze()

    def _part(self, name: str, wanted: Iterable[Node]) -> tuple[Graph, dict[Node, Node]]:
        joint = self._start()
        new = Graph(name)
        new.default_dtype = joint.default_dtype
        inner = {
            self._known[n]: new.add_input(n.type, self.graph.names.get(n, ""))
            for n in self.graph.inputs
        }
        copy_nodes(new, joint, inner, needed(wanted, inner))
        return new, inner


__all__ = ["Backward", "Partition"]
