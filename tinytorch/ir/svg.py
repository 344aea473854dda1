"""Drawings as SVG without Graphviz: layers from left to right, boxes joined by curves."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from xml.sax.saxutils import escape

import networkx as nx

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.printer import names_of

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 150, 34, 200, 52
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Box:
    """One box: two lines of text, a fill, round or square corners, a title shown on pointing."""

    first: str
    second: str = ""
    fill: str = "#f4f4f4"
    round: bool = False
    title: str = ""


def to_svg(graph: Graph) -> str:
    """Return a drawing of a graph: data flows from left to right; titles name the user's lines."""
    names = names_of(graph)
    return draw({node: _box_of(graph, node, names[node]) for node in graph}, graph.networkx)


def _box_of(graph: Graph, node: Node, name: str) -> Box:
    is_input = node.op.name == "input"
    fill = "#e8f0fe" if is_input else ("#fff4d6" if node in graph.outputs else "#f4f4f4")
    label = f"%{name}" if is_input else f"{node.op.name} %{name}"
    return Box(label, str(node.type), fill, is_input, graph.origin_of(node))


def draw(boxes: Mapping[_Key, Box], flow: nx.DiGraph) -> str:
    """Return the drawing of boxes whose keys are the nodes of an acyclic graph."""
    places = _places(flow)
    parts = [_edge(places[source], places[target]) for source, target in flow.edges()]
    parts += [_drawn(box, places[key]) for key, box in boxes.items()]
    right = max((x for x, _ in places.values()), default=0) + _ACROSS
    bottom = max((y for _, y in places.values()), default=0) + _DOWN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{right}" height="{bottom}" fill="white"/>',
        *parts, "</svg>",
    ])  # fmt: skip


def _places(flow: nx.DiGraph) -> dict[Hashable, tuple[int, int]]:
    """Left upper corners; within a layer, nodes stand near what they read."""
    places: dict[Hashable, tuple[int, int]] = {}
    for layer, nodes in enumerate(nx.topological_generations(flow)):
        heights = {n: _wish([places[s] for s in flow.predecessors(n) if s in places])
                   for n in nodes}  # fmt: skip
        for row, node in enumerate(sorted(nodes, key=heights.__getitem__)):
            places[node] = (20 + layer * _ACROSS, 20 + row * _DOWN)
    return places


def _wish(sources: list[tuple[int, int]]) -> float:
    return sum(y for _, y in sources) / len(sources) if sources else 0.0


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}" fill="none" '
        'stroke="#888"/>'
    )


def _drawn(box: Box, place: tuple[int, int]) -> str:
    x, y = place
    radius = _HEIGHT // 2 if box.round else 4
    return (
        f'<g><title>{escape(box.title)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="{radius}" fill="{box.fill}" stroke="#444"/>'
        f'<text x="{x + 8}" y="{y + 14}">{escape(box.first)}</text>'
        f'<text x="{x + 8}" y="{y + 28}" fill="#666">{escape(box.second)}</text></g>'
    )
