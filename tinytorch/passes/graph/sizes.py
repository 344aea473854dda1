"""Graphs with symbolic sizes at given sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tinytorch.ir.extent import Extent, value_at
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.parser import parse_size
from tinytorch.ir.types import TensorType, TupleType


def known(value: Any, sizes: Mapping[str, int]) -> Any:
    """A type, an attribute or a size with every Dim replaced by its value."""
    if isinstance(value, Extent):
        return value.at(sizes)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(known(v, sizes) for v in value)
    if isinstance(value, list):
        return [known(v, sizes) for v in value]
    if isinstance(value, TensorType):
        return TensorType(value.dtype, known(value.shape, sizes), value.weak)
    if isinstance(value, TupleType):
        return TupleType(known(value.items, sizes))
    if isinstance(value, Graph):
        return with_sizes(value, sizes)[0]
    if isinstance(value, str) and "{=" in value:
        return _SIZE.sub(lambda m: str(value_at(parse_size(m[1]), sizes)), value)
    return value


_SIZE = re.compile(r"\{=([^}]*)\}")
"""A size inside a message."""


def with_sizes(graph: Graph, sizes: Mapping[str, int]) -> tuple[Graph, dict[Node, Node]]:
    """Return a frozen copy of the live part of a graph at given sizes, and what became what."""
    new = Graph(graph.name)
    new.default_dtype = graph.default_dtype
    found: dict[Node, Node] = {}
    for node in graph.inputs:
        found[node] = new.add_input(known(node.type, sizes), graph.names.get(node, ""))
    live = graph.live()
    for node in graph:
        if node in found or node not in live:
            continue
        attrs = {key: known(value, sizes) for key, value in node.attrs.items()}
        found[node] = new.add(node.op, [found[n] for n in node.inputs], **attrs)
        origins = graph.origins.get(node)
        if origins:
            new.origins.setdefault(found[node], origins)
    new.outputs = [found[n] for n in graph.outputs]
    new.updates = {found[s]: found[v] for s, v in graph.updates.items()}
    new.template = (graph, dict(sizes))
    return new.freeze(), found


def signature_with_sizes(
    graph: Graph, sizes: Mapping[str, int]
) -> tuple[Graph, dict[Node, Node]]:
    """Inputs, outputs and updates of a graph at given sizes, without what lies between them."""
    new = Graph(graph.name)
    found = {n: new.add_input(known(n.type, sizes), graph.names.get(n, "")) for n in graph.inputs}
    for node in (*graph.outputs, *graph.updates.values()):
        if node not in found:
            found[node] = Node(node.op, (), {}, known(node.type, sizes))
    new.outputs = [found[n] for n in graph.outputs]
    new.updates = {found[s]: found[v] for s, v in graph.updates.items()}
    return new.freeze(), found


def dims_of(graph: Graph) -> set[str]:
    """Names of the Dims that the inputs of a graph have."""
    return {
        dim.name for node in graph.inputs if isinstance(node.type, TensorType)
        for size in node.type.shape if isinstance(size, Extent) for dim in size.dims
    }  # fmt: skip
