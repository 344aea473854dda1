"""Pictures of small graphs of values and functions, as Graphviz text and as SVG."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

import networkx as nx

from tinytorch.ir.svg import Box, draw


@dataclass
class Drawing:
    """A picture with the parts of ``graphviz.Digraph`` that notebooks and scripts use.

    ``source`` is the text in Graphviz's language; notebooks show the SVG, which needs no Graphviz.
    """

    rankdir: str = "LR"
    _lines: list[str] = field(default_factory=list)
    _boxes: dict[Hashable, Box] = field(default_factory=dict)
    _flow: nx.DiGraph = field(default_factory=nx.DiGraph)

    def node(self, name: str, label: str, shape: str = "record") -> None:
        """Add a node. A label ``{ a | b }`` of a record shows its fields side by side."""
        self._lines.append(f'    "{name}" [label="{label}" shape={shape}]')
        fields = [part.strip() for part in label.strip("{} ").split("|") if part.strip()]
        first, rest = (fields[0], " ".join(fields[1:])) if fields else ("", "")
        self._boxes[name] = Box(first, rest, round=shape in ("circle", "ellipse"))
        self._flow.add_node(name)

    def edge(self, tail: str, head: str, label: str = "") -> None:
        """Add an arrow between two nodes."""
        mark = f' [label="{label}"]' if label else ""
        self._lines.append(f'    "{tail}" -> "{head}"{mark}')
        self._flow.add_edge(tail, head)

    @property
    def source(self) -> str:
        """Graphviz text."""
        return "\n".join(["digraph {", f"    rankdir={self.rankdir}", *self._lines, "}", ""])

    def svg(self) -> str:
        """The picture as SVG text."""
        return draw(self._boxes, self._flow)

    _repr_svg_ = svg

    def render(self, filename: str | Path, format: str = "svg") -> str:
        """Write the picture, and its source beside it; return the picture's path.

        Raises ValueError for another format than ``svg`` or ``dot``.
        """
        if format not in ("svg", "dot"):
            raise ValueError(f"a drawing is rendered as 'svg' or 'dot', not {format!r}")
        Path(filename).write_text(self.source)
        path = Path(f"{filename}.{format}")
        path.write_text(self.svg() if format == "svg" else self.source)
        return str(path)

    def __str__(self) -> str:
        return self.source
