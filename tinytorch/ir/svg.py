"""Graph to SVG without Graphviz: layers from left to right, ops as boxes, inputs as ellipses."""

from __future__ import annotations

from xml.sax.saxutils import escape

import networkx as nx

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.printer import names_of

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 150, 34, 200, 52


def to_svg(graph: Graph) -> str:
    """Return a drawing of a graph: data flows from left to right; titles name the user's lines."""
    names = names_of(graph)
    places = _places(graph)
    parts = [_edge(places[source], places[node]) for node in graph for source in node.inputs]
    parts += [_box(graph, node, names[node], places[node]) for node in graph]
    right = max((x for x, _ in places.values()), default=0) + _ACROSS
    bottom = max((y for _, y in places.values()), default=0) + _DOWN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{right}" height="{bottom}" fill="white"/>',
        *parts, "</svg>",
    ])  # fmt: skip


def _places(graph: Graph) -> dict[Node, tuple[int, int]]:
    """Left upper corners; within a layer, nodes stand near what they read."""
    places: dict[Node, tuple[int, int]] = {}
    for layer, nodes in enumerate(nx.topological_generations(graph.networkx)):
        ordered = sorted(nodes, key=lambda n: _wish(n, places))
        for row, node in enumerate(ordered):
            places[node] = (20 + layer * _ACROSS, 20 + row * _DOWN)
    return places


def _wish(node: Node, places: dict[Node, tuple[int, int]]) -> float:
    heights = [places[n][1] for n in node.inputs if n in places]
    return sum(heights) / len(heights) if heights else 0.0


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}" fill="none" '
        'stroke="#888"/>'
    )


def _box(graph: Graph, node: Node, name: str, place: tuple[int, int]) -> str:
    x, y = place
    is_input = node.op.name == "input"
    fill = "#e8f0fe" if is_input else ("#fff4d6" if node in graph.outputs else "#f4f4f4")
    radius = _HEIGHT // 2 if is_input else 4
    label = f"%{name}" if is_input else f"{node.op.name} %{name}"
    return (
        f'<g><title>{escape(graph.origin_of(node))}</title><rect x="{x}" y="{y}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="{radius}" fill="{fill}" stroke="#444"/>'
        f'<text x="{x + 8}" y="{y + 14}">{escape(label)}</text>'
        f'<text x="{x + 8}" y="{y + 28}" fill="#666">{escape(str(node.type))}</text></g>'
    )
