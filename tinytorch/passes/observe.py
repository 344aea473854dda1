"""Observers: what may watch a program between passes. None of them changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.errors import VerifyError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, sub_graphs
from tinytorch.ir.interpret import interpret
from tinytorch.ir.storage import numbers, stored
from tinytorch.ir.types import TensorType
from tinytorch.ir.verify import verify
from tinytorch.passes.graph.sizes import dims_of, with_sizes


def verifying(before: Any, name: str, after: Any, seconds: float) -> None:
    """Raise VerifyError if a graph pass left a graph that breaks its own rules."""
    if isinstance(after, Graph):
        try:
            verify(after, "optimized" if name != "expand_calls" else "traced")
        except VerifyError as error:
            raise VerifyError(f"after pass {name}: {error}") from None


def interpreting(before: Any, name: str, after: Any, seconds: float) -> None:
    """Raise VerifyError if a graph pass changed what a graph computes, on made-up inputs.

    Both graphs are interpreted; floats may differ by rounding. This finds the guilty pass at once.
    """
    if not isinstance(before, Graph) or not isinstance(after, Graph) or before is after:
        return
    if _loops_freely(before):  # on made-up inputs a loop may never end
        return
    sizes = dict.fromkeys(dims_of(before), 6)
    if sizes:
        before, after = with_sizes(before, sizes)[0], with_sizes(after, sizes)[0]
    values = [_made_up(n.type, number) for number, n in enumerate(before.inputs)]
    expected, found = interpret(before, values), interpret(after, values)
    for kind, olds, news in zip(("output", "update"), expected, found, strict=True):
        for number, (old, new) in enumerate(zip(olds, news, strict=True)):
            old, new = (numbers(np.asarray(v)) for v in (old, new))
            if not np.allclose(old, new, rtol=1e-3, atol=1e-4, equal_nan=True):
                worst = float(np.nanmax(np.abs(np.asarray(old, np.float64) - new)))
                raise VerifyError(f"pass {name} changed {kind} {number} by up to {worst:g}")


def _loops_freely(graph: Graph) -> bool:
    """Whether a graph holds a loop without a fixed number of steps."""
    return any(
        n.op is ops.while_ or any(_loops_freely(g) for g in sub_graphs(n)) for n in graph
    )


def _made_up(type: TensorType, seed: int) -> np.ndarray:
    """Floats in [0.1, 1), zeros for integers (which may be indices), random bools."""
    generator = np.random.default_rng(seed)
    shape = tuple(type.shape)
    if type.dtype.kind == "f":
        return stored(generator.uniform(0.1, 1.0, shape), type.dtype)
    if type.dtype.kind == "b":
        return np.asarray(generator.uniform(size=shape) < 0.5)
    return np.zeros(shape, type.dtype.numpy)


@dataclass
class Timing:
    """Collects how long each pass took: rows of (name, seconds)."""

    rows: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, before: Any, name: str, after: Any, seconds: float) -> None:
        """Note one pass."""
        self.rows.append((name, seconds))

    def __str__(self) -> str:
        return "\n".join(f"{seconds * 1e3:8.2f} ms  {name}" for name, seconds in self.rows)
