"""``trace`` and ``draw_dot``: how a value was computed, as a picture."""

from __future__ import annotations

from tinytorch.compat.drawing import Drawing
from tinytorch.compat.micrograd.engine import Value


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """Return all values behind one, and pairs (operand, result)."""
    nodes: set[Value] = set()
    edges: set[tuple[Value, Value]] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if value not in nodes:
            nodes.add(value)
            edges.update((child, value) for child in value._prev)
            waiting.extend(value._prev)
    return nodes, edges


def draw_dot(root: Value, format: str = "svg", rankdir: str = "LR") -> Drawing:
    """Draw a value's history: a record a value (label, data, grad), a node an operation.

    Raises AssertionError for a direction other than ``LR`` and ``TB``.
    """
    assert rankdir in ("LR", "TB")
    nodes, edges = trace(root)
    dot = Drawing(rankdir)
    for value in nodes:
        name = str(id(value))
        dot.node(name, f"{{ {value.label} | data {value.data:.4f} | grad {value.grad:.4f} }}")
        if value._op:
            dot.node(name + value._op, value._op, shape="ellipse")
            dot.edge(name + value._op, name)
    for child, value in edges:
        dot.edge(str(id(child)), str(id(value)) + value._op)
    return dot
