"""Autodiff as a graph-to-graph transform: reverse mode (VJP) and forward mode (JVP).

Both add nodes to the graph at hand by the rules in the op table, so their results can be
differentiated again. One sweep each, no recursion: a chain of any depth will do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from tinytorch.errors import SizeError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy, dependents
from tinytorch.ir.types import TupleType
from tinytorch.passes.graph import derivatives
from tinytorch.passes.graph.cotangents import differentiable, zeros
from tinytorch.passes.graph.rebuild import inline
from tinytorch.passes.graph.sizes import with_sizes

Visit: TypeAlias = Callable[[Node, Any], tuple[Any, Sequence[Any] | None]]
"""Given a node and its whole cotangent, says the cotangent to go on with, and the operands'
cotangents where they are not those of the op's rule."""


def vjp(
    graph: Graph, outputs: Sequence[Node], cotangents: Sequence[Node], wrt: Sequence[Node],
    visit: Visit | None = None,
) -> list[Node | None]:  # fmt: skip
    """Add the nodes of the vector-Jacobian product; return a cotangent for each ``wrt`` node.

    ``cotangents[i]`` has the type of ``outputs[i]``. The result is None where the outputs do not
    depend on a node. Reverse-mode accumulation as in Griewank and Walther, Evaluating Derivatives
    (2008), chapter 3.
    """
    relevant = dependents(graph, wrt)
    gathered = _Cotangents(graph)
    for node, cotangent in zip(outputs, cotangents, strict=True):
        gathered.add(node, Proxy(graph, cotangent))
    needed = _ancestors(outputs, relevant)
    previous = graph.origin
    for node in reversed([n for n in graph if n in needed]):
        g = gathered.get(node)
        if g is None or not node.inputs:
            continue
        origins = graph.origins.get(node, ())
        graph.origin = replace(origins[0], phase="backward") if origins else previous
        pulled: Sequence[Any] | None = None
        if visit is not None:
            g, pulled = visit(node, g)
            gathered.sums[node] = g
        if pulled is None:
            wanted = [i for i, n in enumerate(node.inputs) if n in relevant]
            pulled = _pull(graph, node, g, wanted)
        for source, cotangent in zip(node.inputs, pulled, strict=True):
            if cotangent is not None and source in relevant:
                gathered.add(source, cotangent)
    graph.origin = previous
    found = [gathered.get(n) for n in wrt]
    return [None if g is None else g.node for g in found]


def _ancestors(outputs: Sequence[Node], within: set[Node]) -> set[Node]:
    found: set[Node] = set()
    stack = [n for n in outputs if n in within]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(n for n in node.inputs if n in within)
    return found


class _Cotangents:
    """Sums of cotangents by node; for a tuple value, by item."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sums: dict[Node, Any] = {}

    def add(self, node: Node, cotangent: Any) -> None:
        """Add a cotangent: a Proxy, or for a tuple value a dict from item to Proxy."""
        known = self.sums.get(node)
        if isinstance(cotangent, dict):
            merged = dict(known or {})
            for index, g in cotangent.items():
                merged[index] = g if index not in merged else merged[index] + g
            self.sums[node] = merged
        else:
            self.sums[node] = cotangent if known is None else known + cotangent

    def get(self, node: Node) -> Any:
        """The sum so far, or None."""
        return self.sums.get(node)


def _pull(graph: Graph, node: Node, g: Any, wanted: Sequence[int]) -> Sequence[Any]:
    """Cotangents of a node's operands, of those by number in ``wanted`` at least."""
    name = node.op.name
    if name == "get":
        return ({node.attrs["index"]: g},)
    if name == "tuple":
        return [g.get(i) for i in range(len(node.inputs))]
    if name == "call":
        return _pull_call(graph, node, g)
    if name == "custom":
        return _pull_custom(graph, node, g)
    if node.op.family == "structure":
        return derivatives.pull(graph, node, g, wanted, vjp)
    if node.op.vjp is None or not node.type.dtype.is_floating_point:
        return [None] * len(node.inputs)
    xs = [Proxy(graph, n) for n in node.inputs]
    return node.op.vjp(g, Proxy(graph, node), *xs, **node.attrs)


def vjp_graph(
    sub: Graph, given: Sequence[int], among: Sequence[int] | None = None
) -> tuple[Graph, list[int]]:
    """Return the VJP of a graph as a graph of its own, and which inputs it gives cotangents for.

    Its inputs are those of ``sub`` followed by a cotangent for each output index in ``given``. That
    of a graph made of one of symbolic sizes is made of that one's in turn. ``among`` limits the
    inputs that it differentiates for.
    """
    if sub.template is not None:
        with contextlib.suppress(SizeError):
            symbolic, wrt = vjp_graph(sub.template[0], given, among)
            return with_sizes(symbolic, sub.template[1])[0], wrt
    new = Graph(f"{sub.name}_vjp")
    operands = [new.add_input(n.type, sub.names.get(n, "")) for n in sub.inputs]
    seeds = [new.add_input(sub.outputs[i].type, f"cotangent_{i}") for i in given]
    outputs = inline(new, sub, operands)
    chosen = range(len(operands)) if among is None else among
    wrt = [i for i in chosen if differentiable(operands[i].type)]
    found = vjp(new, [outputs[i] for i in given], seeds, [operands[i] for i in wrt])
    kept = [(i, g) for i, g in zip(wrt, found, strict=True) if g is not None]
    new.outputs = [g for _, g in kept]
    return new.freeze(), [i for i, _ in kept]


def _pull_call(graph: Graph, node: Node, g: dict[int, Proxy]) -> list[Any]:
    given = sorted(g)
    backward, wrt = vjp_graph(node.attrs["graph"], given)
    result: list[Any] = [None] * len(node.inputs)
    if wrt:
        operands = [*node.inputs, *(g[i].node for i in given)]
        call = graph.add(ops.call, operands, graph=backward)
        for position, index in enumerate(wrt):
            result[index] = Proxy(graph, graph.add(ops.get, [call], index=position))
    return result


def jvp(
    graph: Graph, outputs: Sequence[Node], primals: Sequence[Node], tangents: Sequence[Node]
) -> list[Node | None]:
    """Add the nodes of the Jacobian-vector product; return a tangent for each output.

    ``tangents[i]`` has the type of ``primals[i]``; None comes back where a tangent is zero.
    """
    known: dict[Node, Any] = {
        p: Proxy(graph, t) for p, t in zip(primals, tangents, strict=True)
    }
    relevant = dependents(graph, primals)
    needed = _ancestors(outputs, relevant)
    for node in [n for n in graph if n in needed]:
        if node not in known:
            pushed = _push(graph, node, [known.get(n) for n in node.inputs])
            if pushed is not None:
                known[node] = pushed
    found = [known.get(n) for n in outputs]
    return [None if t is None else t.node for t in found]


def _push(graph: Graph, node: Node, tangents: list[Any]) -> Any:
    """Tangent of a node from those of its operands."""
    if all(t is None for t in tangents):
        return None
    name = node.op.name
    if name == "get":
        return tangents[0].get(node.attrs["index"])
    if name == "tuple":
        return {i: t for i, t in enumerate(tangents) if t is not None}
    if name == "call":
        return _push_call(graph, node, tangents)
    if name == "custom":
        return _push_custom(graph, node, tangents)
    if node.op.family == "structure":
        return derivatives.push(graph, node, tangents, jvp)
    if isinstance(node.type, TupleType) or node.op.jvp is None:
        return None
    if not node.type.dtype.is_floating_point:
        return None
    xs = [Proxy(graph, n) for n in node.inputs]
    return node.op.jvp(tuple(tangents), Proxy(graph, node), *xs, **node.attrs)


def _push_call(graph: Graph, node: Node, tangents: list[Any]) -> dict[int, Proxy]:
    sub: Graph = node.attrs["graph"]
    given = [i for i, t in enumerate(tangents) if t is not None]
    new = Graph(f"{sub.name}_jvp")
    operands = [new.add_input(n.type, sub.names.get(n, "")) for n in sub.inputs]
    seeds = [new.add_input(operands[i].type, f"tangent_{i}") for i in given]
    outputs = inline(new, sub, operands)
    found = jvp(new, outputs, [operands[i] for i in given], seeds)
    kept = [i for i, t in enumerate(found) if t is not None]
    new.outputs = [t for t in found if t is not None]
    call = graph.add(
        ops.call, [*node.inputs, *(tangents[i].node for i in given)], graph=new.freeze()
    )
    return {
        index: Proxy(graph, graph.add(ops.get, [call], index=position))
        for position, index in enumerate(kept)
    }


# -------------------------------------------------------- derivatives by users


def _custom_backward(graph: Graph, node: Node, cotangents: Sequence[Node]) -> list[Node]:
    """Expand a custom op's backward; one cotangent for each of its inputs in ``wrt``."""
    if node.attrs["refusal"]:
        raise RuntimeError(node.attrs["refusal"])
    count = node.attrs["results"]
    rest = node.inputs[count + node.attrs["primals"] :]
    results = [graph.add(ops.get, [node], index=i) for i in range(count)]
    return inline(graph, node.attrs["backward"], [*results, *cotangents, *rest])


def _flowing(node: Node) -> list[int]:
    """Positions of a custom op's floating results."""
    types = node.type.items
    return [i for i, t in enumerate(types) if differentiable(t)]


def _pull_custom(graph: Graph, node: Node, g: dict[int, Proxy]) -> list[Any]:
    seeds = [
        g[i].node if i in g else zeros(graph, node.type.items[i]) for i in _flowing(node)
    ]
    found = _custom_backward(graph, node, seeds)
    result: list[Any] = [None] * len(node.inputs)
    for index, cotangent in zip(node.attrs["wrt"], found, strict=True):
        result[node.attrs["results"] + index] = Proxy(graph, cotangent)
    return result


def _push_custom(graph: Graph, node: Node, tangents: list[Any]) -> dict[int, Proxy] | None:
    """Tangents by the transpose of the backward, which is linear in the cotangents."""
    flowing = _flowing(node)
    seeds = [
        graph.add_distinct(ops.detach, [zeros(graph, node.type.items[i])], label=0)
        for i in flowing
    ]
    found = _custom_backward(graph, node, seeds)
    first = node.attrs["results"]
    pairs = [
        (cotangent, tangents[first + index].node)
        for index, cotangent in zip(node.attrs["wrt"], found, strict=True)
        if tangents[first + index] is not None
    ]
    pulled = vjp(graph, [c for c, _ in pairs], [t for _, t in pairs], seeds)
    return {i: Proxy(graph, t) for i, t in zip(flowing, pulled, strict=True) if t is not None}


__all__ = ["Visit", "differentiable", "jvp", "vjp", "vjp_graph"]
