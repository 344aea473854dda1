"""Graphs of how a scalar or tensor was computed, for looking at."""

from __future__ import annotations

from typing import Any

import networkx as nx

from tinytorch.compat.drawing import Drawing


class GraphBuilder:
    """Builds a networkx ``MultiDiGraph``: functions are square nodes, edges carry the operand's
    position.
    """  # noqa: D205

    def __init__(self) -> None:
        self.op_id = 0
        self.hid = 0
        self.intermediates: dict[str, int] = {}

    def get_name(self, x: Any) -> str:
        """Name of a variable's node."""
        name = getattr(x, "name", None)
        if name is None:
            return f"constant {x}"
        if len(name) <= 15:
            return str(name)
        if name not in self.intermediates:
            self.hid += 1
            self.intermediates[name] = self.hid
        return f"v{self.intermediates[name]}"

    def run(self, final: Any) -> nx.MultiDiGraph:
        """Return the graph behind a variable."""
        graph: nx.MultiDiGraph = nx.MultiDiGraph()
        graph.add_node(self.get_name(final))
        waiting, seen = [final], {final.unique_id}
        while waiting:
            current = waiting.pop(0)
            if current.is_constant() or current.is_leaf():
                continue
            history = current.history
            op = f"{history.last_fn.__name__} (Op {self.op_id})"
            self.op_id += 1
            graph.add_node(op, shape="square", penwidth=3)
            graph.add_edge(op, self.get_name(current))
            for position, operand in enumerate(history.inputs):
                graph.add_edge(self.get_name(operand), op, f"{position}")
                if getattr(operand, "unique_id", None) not in (None, *seen):
                    seen.add(operand.unique_id)
                    waiting.append(operand)
        return graph


def draw(graph: nx.MultiDiGraph) -> Drawing:
    """Return the picture of a graph that ``GraphBuilder`` made."""
    picture = Drawing()
    for name, content in graph.nodes(data=True):
        picture.node(str(name), str(name), content.get("shape", "ellipse"))
    for tail, head, label in graph.edges(keys=True):
        picture.edge(str(tail), str(head), str(label) if label != 0 else "")
    return picture
