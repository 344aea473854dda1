"""Graph to text. ``parser`` reads it back: same text, same hash.

::

    graph step(%x: f32[64,784], %y: i64[64], state %w: f32[784,10]) {
      %0: f32[64,10] = matmul(%x, %w)  # train.py:31
      return %0
      update %w <- %4
    }

Floats are hexadecimal, so that they survive exactly. Sub-graphs of a ``call`` are printed before
the graph that holds them and named by the attribute.
"""

from __future__ import annotations

import re
from typing import Any

from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.types import DType, TensorType

_NAME = re.compile(r"[^A-Za-z0-9_.]")


def format_graph(graph: Graph, origins: bool = True, live_only: bool = False) -> str:
    """Return the text of a graph. ``origins`` adds the user's lines as comments."""
    parts: list[str] = []
    _format(graph, origins, live_only, parts, {})
    return "\n\n".join(parts)


def names_of(graph: Graph) -> dict[Node, str]:
    """Return the printed name of every node: inputs by their own, others by number."""
    names: dict[Node, str] = {}
    taken: set[str] = set()
    for node in graph.inputs:
        name = base = _NAME.sub("_", graph.names.get(node, "")) or "in"
        if base[0].isdigit():
            name = base = f"in_{base}"
        suffix = 1
        while name in taken:
            suffix += 1
            name = f"{base}_{suffix}"
        taken.add(name)
        names[node] = name
    for number, node in enumerate(n for n in graph if n.op.name != "input"):
        names[node] = str(number)
    return names


def _format(
    graph: Graph, origins: bool, live_only: bool, parts: list[str], subs: dict[str, str]
) -> str:
    names = names_of(graph)
    live = graph.live() if live_only else None
    body: list[str] = []
    for node in graph:
        if node.op.name == "input" or (live is not None and node not in live):
            continue
        arguments = [f"%{names[n]}" for n in node.inputs]
        for key, value in node.attrs.items():
            if isinstance(value, Graph):
                key_hash = value.hash()
                if key_hash not in subs:
                    subs[key_hash] = _format(value, origins, live_only, parts, subs)
                arguments.append(f"{key}=@{subs[key_hash]}")
            else:
                arguments.append(f"{key}={format_attr(value)}")
        line = f"  %{names[node]}: {node.type} = {node.op.name}({', '.join(arguments)})"
        where = graph.origin_of(node) if origins else ""
        body.append(f"{line:<70}  # {where}" if where else line)
    inputs = ", ".join(
        f"{'state ' if n in graph.updates else ''}%{names[n]}: {n.type}" for n in graph.inputs
    )
    name = _NAME.sub("_", graph.name)
    if subs and name in subs.values():
        name = f"{name}_{len(subs)}"
    body.append(f"  return {', '.join(f'%{names[n]}' for n in graph.outputs)}".rstrip())
    body += [f"  update %{names[s]} <- %{names[v]}" for s, v in graph.updates.items()]
    parts.append("\n".join([f"graph {name}({inputs}) {{", *body, "}"]))
    return name


def format_attr(value: Any) -> str:
    """Return an attribute as text that the parser reads back exactly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Extent):
        return str(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, tuple | list):
        return "[" + ",".join(format_attr(v) for v in value) + "]"
    if isinstance(value, DType):
        return value.short
    if isinstance(value, TensorType):
        return str(value)
    if value is None:
        return "none"
    raise TypeError(f"attribute {value!r} has no text")


def to_dot(graph: Graph) -> str:
    """Return Graphviz DOT: values as ellipses, ops as boxes, arrows along the data."""
    names = names_of(graph)
    lines = ["digraph {", "  rankdir=LR;"]
    for node in graph:
        label = f"%{names[node]}\\n{node.type}"
        if node.op.name == "input":
            lines.append(f'  "v{names[node]}" [shape=ellipse, label="{label}"];')
            continue
        lines.append(f'  "o{names[node]}" [shape=box, label="{node.op.name}"];')
        lines.append(f'  "v{names[node]}" [shape=ellipse, label="{label}"];')
        lines.append(f'  "o{names[node]}" -> "v{names[node]}";')
        for position, source in enumerate(node.inputs):
            mark = f' [label="{position}"]' if len(node.inputs) > 1 else ""
            lines.append(f'  "v{names[source]}" -> "o{names[node]}"{mark};')
    return "\n".join([*lines, "}"])
