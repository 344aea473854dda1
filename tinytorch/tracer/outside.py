"""Outside gradients: a compiled call as one entry of the eager tape.

The entry is a ``call`` of the traced graph. Its backward is the graph's VJP, compiled like any
other graph; it computes the forward values that it needs again instead of keeping them.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.tape import Saved, TapeNode


class OutsideGradient:
    """Records the calls of one replay on the tape."""

    def __init__(self, traced: Traced, floats: array[float], integers: array[int]) -> None:
        self.traced = traced
        self.floats = floats
        self.integers = integers
        self.graph = forward_graph(traced.graph)

    def before(self, leaves: list[Any]) -> list[tuple[Any, Saved]]:
        """Values of the inputs as the call sees them; states about to change are copied."""
        found: list[tuple[Any, Saved]] = []
        trace = self.traced.trace
        captured = {n: (i, t) for i, (n, t) in enumerate(trace.captures)}
        numbers = {n: i for i, (n, _) in enumerate(trace.numbers)}
        for node in self.traced.graph.inputs:
            if node in numbers:
                cells: Any = self.floats if node.type.dtype.kind == "f" else self.integers
                value = np.asarray(cells[numbers[node]], node.type.dtype.numpy)
                found.append((None, Saved(value, None, node.type, None)))
                continue
            number, tensor = captured[node]
            if number in self.traced.argument_of:
                tensor = leaves[self.traced.argument_of[number]]
            changing = node in self.traced.graph.updates
            held = tensor.array.copy() if changing else tensor.array
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
    return forward
