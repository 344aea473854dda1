"""Sub-graphs as compiled code, beside the replays: backward passes of compiled calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch import compiler
from tinytorch.errors import SizeError
from tinytorch.ir.graph import Graph

_built_of: dict[str, Any] = {}
_at_sizes: dict[Any, compiler.Compiled] = {}
_MOST_SIZES = 64


def _built(graph: Graph) -> compiler.Compiled:
    """A sub-graph as compiled code: one for any size where it was made of symbolic sizes."""
    if graph.template is not None:
        symbolic, sizes = graph.template
        key, at = symbolic.hash(), tuple(sizes.items())
        if key not in _built_of:
            try:
                _built_of[key] = compiler.build_for_any_size(symbolic)
            except SizeError:
                _built_of[key] = None
        if _built_of[key] is not None:
            if (key, at) not in _at_sizes:
                _at_sizes[key, at] = _built_of[key].at(sizes)
                if len(_at_sizes) > _MOST_SIZES:
                    del _at_sizes[next(iter(_at_sizes))]
            return _at_sizes[key, at]
    key = graph.hash()
    if key not in _built_of:
        _built_of[key] = compiler.build(graph)
    found: compiler.Compiled = _built_of[key]
    return found


def run_subgraph(graph: Graph, values: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Run a sub-graph as compiled code on arrays, one for each input; results are new arrays."""
    built = _built(graph)
    executable, program = built.executable, built.program
    held = [np.ascontiguousarray(v) for v in values]
    results = [np.empty(n.type.shape, n.type.dtype.numpy) for n in graph.outputs]
    status = np.zeros(1, np.int64)
    with executable.turn:
        for slot, value in zip(
            (*program.inputs, *program.outputs), (*held, *results), strict=True
        ):
            executable.table[slot] = value.__array_interface__["data"][0]
        if program.status is not None:
            executable.table[program.status] = status.__array_interface__["data"][0]
        if executable.run():
            raise RuntimeError(program.messages[int(status[0]) - 1][1])
    return tuple(results)


__all__ = ["run_subgraph"]
