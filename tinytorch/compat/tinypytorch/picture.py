"""Pictures of how a variable was computed."""

from __future__ import annotations

from pathlib import Path

from tinytorch.compat.drawing import Drawing
from tinytorch.compat.tinypytorch.core import Variable, history


def get_dot_graph(output: Variable, verbose: bool = True) -> Drawing:
    """Draw how a variable was computed: variables as circles, functions as boxes."""
    dot = Drawing("TB")
    drawn: set[int] = set()
    for variable in history(output):
        parts = [variable.name or ""]
        if verbose and variable.data is not None:
            parts.append(f"{variable.shape} {variable.dtype}")
        dot.node(str(id(variable)), " | ".join(p for p in parts if p), shape="circle")
        function = variable.creator
        if function is None:
            continue
        if id(function) not in drawn:
            drawn.add(id(function))
            dot.node(str(id(function)), type(function).__name__, shape="box")
            for x in function.inputs:
                dot.edge(str(id(x)), str(id(function)))
        dot.edge(str(id(function)), str(id(variable)))
    return dot


def plot_dot_graph(output: Variable, verbose: bool = True, to_file: str = "graph.svg") -> str:
    """Write the picture of ``get_dot_graph`` to a file; return its path."""
    path = Path(to_file)
    return get_dot_graph(output, verbose).render(path.with_suffix(""), path.suffix[1:] or "svg")
