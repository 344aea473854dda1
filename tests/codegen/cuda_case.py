"""A graph with inputs for the tests of CUDA text, how it is built, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.program import Program
from tinytorch.ir.target import Target
from tinytorch.ir.types import TensorType, from_numpy_dtype
from tinytorch.passes.base import PassManager
from tinytorch.passes.graph.autodiff import vjp
from tinytorch.passes.pipeline import lower_program, optimize

MANY_CHUNKS = Target("cuda", parallel_work=8, max_chunks=5)
ONE_CHUNK = Target("cuda", parallel_work=1 << 30)


@dataclass
class Case:
    """A graph with arrays for its inputs; ``fails``: the code its checks report, or 0."""

    graph: Graph
    arrays: list[np.ndarray]
    target: Target = MANY_CHUNKS
    tolerance: float = 2e-6
    fails: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> Program:
        return lower_program(optimize(self.graph, PassManager([])), self.target)


class Builder:
    """Collects inputs and their values."""

    def __init__(self, seed: int = 0) -> None:
        self.graph = Graph("case")
        self.arrays: list[np.ndarray] = []
        self.random = np.random.default_rng(seed)

    def give(self, array: np.ndarray) -> Proxy:
        kind = TensorType(from_numpy_dtype(array.dtype), array.shape)
        self.arrays.append(array)
        return Proxy(self.graph, self.graph.add_input(kind, f"a{len(self.arrays)}"))

    def normal(self, *shape: int, dtype: str = "float32") -> Proxy:
        return self.give(self.random.standard_normal(shape).astype(dtype))

    def integers(self, high: int, *shape: int, dtype: str = "int64") -> Proxy:
        return self.give(self.random.integers(0, high, shape).astype(dtype))

    def case(self, *outputs: Proxy, **options: Any) -> Case:
        self.graph.outputs = [o.node for o in outputs]
        return Case(self.graph, self.arrays, **options)

    def gradients(self, output: Proxy, *wrt: Proxy) -> list[Proxy]:
        seed = output.constant(1.0)
        found = vjp(self.graph, [output.node], [seed.node], [w.node for w in wrt])
        return [Proxy(self.graph, n) for n in found if n is not None]


CASES: dict[str, Callable[[], Case]] = {}


def case(function: Callable[[], Case]) -> Callable[[], Case]:
    CASES[function.__name__] = function
    return function
