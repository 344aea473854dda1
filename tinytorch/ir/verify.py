"""Check that a graph keeps its own rules; a failure names the node and prints its neighbourhood."""

from __future__ import annotations

import networkx as nx

from tinytorch.errors import TypeRuleError, VerifyError
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import TABLE
from tinytorch.ir.printer import format_graph

_STAGES: dict[str, frozenset[str]] = {
    "traced": frozenset(),
    "optimized": frozenset({"call", "custom", "tuple", "detach"}),
}
"""Ops that must be gone at a stage."""


def verify(graph: Graph, stage: str = "traced") -> Graph:
    """Return the graph if it is sound, else raise VerifyError.

    Checked: acyclic; insertion order topological; edges equal operands; every type re-inferred
    equals the stored one; ops in the table and legal at the stage; each state updated with its own
    type; inputs numbered in order.
    """
    dag = graph.networkx
    if not nx.is_directed_acyclic_graph(dag):
        raise VerifyError(f"graph {graph.name!r} has a cycle")
    seen: set[Node] = set()
    for node in graph:
        _verify_node(graph, node, seen, _STAGES[stage])
        if set(dag.predecessors(node)) != set(node.inputs):
            raise _failure(graph, node, "edges differ from operands")
        seen.add(node)
    for position, node in enumerate(graph.inputs):
        if node.op.name != "input" or node.attrs["index"] != position:
            raise _failure(graph, node, f"input {position} is out of place")
    for node in (*graph.outputs, *graph.updates.values()):
        if node not in seen:
            raise VerifyError(f"graph {graph.name!r}: a root is not a node of the graph")
    for state, value in graph.updates.items():
        if state not in graph.inputs:
            raise _failure(graph, state, "only an input can be updated")
        if (state.type.dtype, state.type.shape) != (value.type.dtype, value.type.shape):
            raise _failure(graph, value, f"update of {state.type} by {value.type}")
    return graph


def _verify_node(graph: Graph, node: Node, seen: set[Node], banned: frozenset[str]) -> None:
    if TABLE.get(node.op.name) is not node.op:
        raise _failure(graph, node, f"op {node.op.name!r} is not in the table")
    if node.op.name in banned:
        raise _failure(graph, node, f"op {node.op.name!r} is not legal at this stage")
    if any(source not in seen for source in node.inputs):
        raise _failure(graph, node, "an operand comes later than its user")
    try:
        inferred = node.op.infer(tuple(n.type for n in node.inputs), node.attrs)
    except TypeRuleError as error:
        raise _failure(graph, node, str(error)) from None
    if inferred != node.type:
        raise _failure(graph, node, f"type is {node.type}, the rule says {inferred}")


def _failure(graph: Graph, node: Node, why: str) -> VerifyError:
    lines = format_graph(graph).split("\n")
    order = {n: i for i, n in enumerate(n for n in graph if n.op.name != "input")}
    at = order.get(node, -1) + 1
    window = "\n".join(lines[max(0, at - 5) : at + 6])
    where = graph.origin_of(node)
    return VerifyError(f"graph {graph.name!r}: {why} at {node!r} {where}\n{window}")
