"""Copy nodes from one graph into another: what every graph pass is built on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinytorch.ir.graph import Graph, Node

Replace = Callable[[Graph, Node, list[Node]], "Node | None"]


def copy_nodes(
    target: Graph, source: Graph, known: dict[Node, Node], nodes: Iterable[Node],
    replace: Replace | None = None,
) -> dict[Node, Node]:
    """Copy nodes, in order, into ``target``; ``known`` maps old to new and is extended.

    ``replace(target, node, operands)`` may return the node to use instead of a plain copy.
    """
    for node in nodes:
        if node in known:
            continue
        operands = [known[n] for n in node.inputs]
        new = replace(target, node, operands) if replace is not None else None
        if new is None:
            new = target.add(node.op, operands, **node.attrs)
        known[node] = new
        origins = source.origins.get(node)
        if origins and new not in target.origins:
            target.origins[new] = origins
    return known


def rebuild(graph: Graph, replace: Replace | None = None) -> Graph:
    """Return a frozen copy of the live part of a graph, each node offered to ``replace``."""
    new = Graph(graph.name)
    new.default_dtype = graph.default_dtype
    live = graph.live()
    known = {n: new.add_input(n.type, graph.names.get(n, "")) for n in graph.inputs}
    copy_nodes(new, graph, known, (n for n in graph if n in live), replace)
    new.outputs = [known[n] for n in graph.outputs]
    new.updates = {known[s]: known[v] for s, v in graph.updates.items()}
    return new.freeze()


def inline(target: Graph, sub: Graph, operands: Sequence[Node]) -> list[Node]:
    """Copy a sub-graph's live nodes into ``target`` on given operands; return its outputs."""
    known: dict[Node, Node] = dict(zip(sub.inputs, operands, strict=True))
    live = sub.live()
    copy_nodes(target, sub, known, (n for n in sub if n in live))
    return [known[n] for n in sub.outputs]


CONTROL = frozenset({"cond", "scan", "while"})
"""Ops that run their sub-graphs under control of values, so that they cannot be expanded."""


def with_inner(graph: Graph, transform: Callable[[Graph], Graph]) -> Graph:
    """Return the graph with the sub-graphs of control flow transformed."""
    if not any(n.op.name in CONTROL for n in graph):
        return graph

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op.name not in CONTROL:
            return None
        attrs = {k: transform(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
        return target.add(node.op, operands, **attrs)

    return rebuild(graph, replace)


def deep(transform: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """A pass on graphs that works on the sub-graphs of control flow first."""

    def run(graph: Graph) -> Graph:
        return transform(with_inner(graph, run))

    return run


def expand_calls(graph: Graph) -> Graph:
    """Return the graph with every ``call`` replaced by the nodes of its sub-graph.

    A ``custom`` op gives way to its results: its derivative has been taken before.
    """
    if not any(n.op.name in ("call", "custom") for n in graph):
        return graph
    items: dict[Any, list[Node]] = {}

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op.name == "call":
            outputs = inline(target, expand_calls(node.attrs["graph"]), operands)
            items[node] = outputs
            return outputs[0] if outputs else None
        if node.op.name == "custom":
            items[node] = operands[: node.attrs["results"]]
            return operands[0]
        if node.op.name == "get" and node.inputs[0] in items:
            return items[node.inputs[0]][node.attrs["index"]]
        return None

    return rebuild(graph, replace)
