"""Run a graph with each op's numpy rule: the reference semantics of every later stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir.graph import Graph, evaluate


def interpret(graph: Graph, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return ``(outputs, new values of graph.updates in order)`` for given input arrays.

    Raises the exception of the op that fails (IndexError, ZeroDivisionError ...).
    """
    known = dict(zip(graph.inputs, values, strict=True))
    evaluate(graph, known, graph.roots)
    return [known[n] for n in graph.outputs], [known[n] for n in graph.updates.values()]
