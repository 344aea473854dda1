"""What a call's graph inputs are: the arrays behind arguments, captured tensors and numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.ir.graph import Node, evaluate
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.tensor import Tensor


class CallValues:
    """Reads the inputs of one replay; ``floats`` and ``integers`` are its run-time numbers."""

    def __init__(self, traced: Traced, floats: array[float], integers: array[int]) -> None:
        self.traced = traced
        self.floats = floats
        self.integers = integers

    def of(self, leaves: Sequence[Any]) -> Iterator[tuple[Node, Tensor | None, Any]]:
        """Yield each input of the graph with its tensor (None for a number) and its array."""
        trace = self.traced.trace
        captured = {n: (i, t) for i, (n, t) in enumerate(trace.captures)}
        numbers = {n: i for i, (n, _) in enumerate(trace.numbers)}
        for node in self.traced.graph.inputs:
            if node in numbers:
                cells: Any = self.floats if node.type.dtype.kind == "f" else self.integers
                yield node, None, np.asarray(cells[numbers[node]], node.type.dtype.numpy)
                continue
            number, tensor = captured[node]
            if number in self.traced.argument_of:
                tensor = leaves[self.traced.argument_of[number]]
            elif number in self.traced.gradient_of:
                grad = self.traced.gradient_of[number]._grad
                assert grad is not None
                tensor = grad
            yield node, tensor, tensor.array

    def first_error(self, leaves: Sequence[Any]) -> tuple[Exception, str] | None:
        """Return what eager would raise for these inputs, with the user's line; None if nothing.

        A compiled check says only that it failed. As nothing was written before it, the values are
        still there to be checked once more, by the ops' numpy rules.
        """
        graph = self.traced.graph
        known = {node: values for node, _, values in self.of(leaves)}
        for node in graph:
            if node.op.effect:
                try:
                    evaluate(graph, known, [node])
                except Exception as error:  # whichever class the op's rule raises
                    return error, graph.origin_of(node)
        return None
