"""What the derivatives of control flow are built with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.types import TensorType
from tinytorch.passes.graph.rebuild import inline

Vjp = Callable[[Graph, Sequence[Node], Sequence[Node], Sequence[Node]], list[Node | None]]
"""``autodiff.vjp``: nodes of a graph, their cotangents, and what to find cotangents for."""


def differentiable(type: Any) -> bool:
    """Whether a value of this type can carry a cotangent."""
    return isinstance(type, TensorType) and type.dtype.is_floating_point


def zeros(graph: Graph, type: TensorType) -> Node:
    """A constant that stands for a derivative of zero."""
    return graph.constant(0, type.shape, type.dtype)


def started(sub: Graph, name: str) -> tuple[Graph, list[Node], list[Node]]:
    """A new graph that begins as a copy of another; its inputs, and the other's outputs."""
    new = Graph(f"{sub.name}_{name}")
    new.default_dtype = sub.default_dtype
    inputs = [new.add_input(n.type, sub.names.get(n, "")) for n in sub.inputs]
    return new, inputs, inline(new, sub, inputs)


def items(graph: Graph, node: Node, start: int = 0) -> list[Node]:
    """Results of a node that has several, from one on."""
    return [graph.add(ops.get, [node], index=i) for i in range(start, len(node.type.items))]
