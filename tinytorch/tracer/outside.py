"""Outside gradients: a compiled call as one entry of the eager tape.

The entry is a ``call`` of the traced graph. Its backward is the graph's VJP, compiled like any
other graph; it computes the forward values that it needs again instead of keeping them.
"""

from __future__ import annotations

from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.tracer.callvalues import CallValues
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.tape import Saved, TapeNode


class OutsideGradient:
    """Records the calls of one replay on the tape."""

    def __init__(self, traced: Traced, values: CallValues) -> None:
        self.traced = traced
        self.values = values
        self.graph = forward_graph(traced.graph)

    def before(self, leaves: list[Any]) -> list[tuple[Any, Saved]]:
        """Values of the inputs as the call sees them; states about to change are copied."""
        found: list[tuple[Any, Saved]] = []
        for node, tensor, values in self.values.of(leaves):
            if tensor is None:
                found.append((None, Saved(values, None, node.type, None)))
                continue
            changing = node in self.traced.graph.updates
            held = values.copy() if changing else values
            storage = None if changing else tensor._storage
            leaf = tensor if tensor._requires and tensor.tape is None else None
            found.append((tensor.tape, Saved(held, storage, node.type, leaf)))
        return found

    def record(self, saved: list[tuple[Any, Saved]], arrays: tuple[Any, ...]) -> TapeNode:
        """Return the tape entry of a call that has run."""
        parents = tuple(parent for parent, _ in saved)
        values = tuple(s for _, s in saved)
        return TapeNode(ops.call, {"graph": self.graph}, parents, values, arrays)


def forward_graph(graph: Graph) -> Graph:
    """The graph without its updates: what outside gradients differentiate."""
    forward = Graph(f"{graph.name}_forward")
    forward.__dict__.update(graph.__dict__)
    forward.updates = {}
    forward._hash = None
    if graph.template is not None:
        forward.template = (forward_graph(graph.template[0]), graph.template[1])
    return forward
