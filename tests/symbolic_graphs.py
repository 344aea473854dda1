"""Random graphs with symbolic sizes, and inputs for them at any size."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st
from strategies import GraphMaker, Pick

from tinytorch.errors import SizeError
from tinytorch.ir import ops
from tinytorch.ir.dim import Dim
from tinytorch.ir.extent import Extent, typical
from tinytorch.ir.graph import Proxy
from tinytorch.ir.printer import format_graph
from tinytorch.ir.types import int64

N, M = Extent.of(Dim("n", min=3, hint=5)), Extent.of(Dim("m", min=3, hint=4))
_BASES = ((N, 5), (4, N), (N, 3, 2), (2, N, 4), (N,), (N, N), (N, M), (3, 1, N), (1, N), (2 * N, 3))
_LARGEST = 600


class SymbolicMaker(GraphMaker):
    """Grows a random graph in which ``n`` and ``m`` are sizes."""

    bases = _BASES

    def __repr__(self) -> str:
        return format_graph(self.graph, live_only=True)

    def grow(self) -> None:
        """Add something; what needs a size to be known is left out."""
        with contextlib.suppress(SizeError):
            super().grow()

    def fits(self, made: Proxy) -> bool:
        return 0 < typical(made.aval.size) <= _LARGEST

    def reshape(self) -> Proxy:
        x = self.any()
        shape = x.aval.shape
        merged = [(x.aval.size,), (1, x.aval.size), (*shape, 1), (1, *shape)]
        merged += [(*shape[:i], shape[i] * shape[i + 1], *shape[i + 2 :])
                   for i in range(len(shape) - 1)]  # fmt: skip
        if not shape or x.aval.size % 2 == 0:
            merged.append((2, x.aval.size // 2) if shape else (1,))
        return ops.reshape(x, shape=self.choose(merged))

    def slice(self) -> Proxy:
        x = self.any(1)
        starts, stops, steps = [], [], []
        for s in x.aval.shape:
            if isinstance(s, int):
                starts.append(self.pick(s))
                stops.append(starts[-1] + 1 + self.pick(s - starts[-1]))
                steps.append(1 + self.pick(2))
                continue
            start, stop = self.choose([(0, s), (1, s), (0, s - 1), (0, 2), (s - 1, s)])
            starts.append(start)
            stops.append(stop)
            steps.append(1)
        return ops.slice_(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def index(self, shape: Any, size: Any) -> Proxy:
        zero = Proxy(self.graph, self.graph.constant(0, tuple(shape), int64))
        made = zero + self.choose([0, 1, 2])
        if shape:
            iota = self.graph.add(ops.iota, (), shape=tuple(shape), axis=len(shape) - 1)
            made = made + Proxy(self.graph, iota)
        made = ops.remainder(made, size)
        if self.pick(2):
            made = ops.require_range(made, low=0, high=size, error="IndexError", message="range")
        return made

    def gather(self) -> Proxy:
        x = self.any(1)
        axis = self.pick(x.aval.ndim)
        shape = list(x.aval.shape)
        shape[axis] = self.choose([1, 2, 4, N])
        return ops.gather(x, self.index(tuple(shape), x.aval.shape[axis]), axis=axis)

    def unary(self) -> Proxy:
        x = self.any()
        return x + self.choose([N, 2 * M + 1]) if self.pick(8) == 0 else super().unary()


@st.composite
def symbolic_graphs(draw: Any, exact: bool, size: int = 12) -> SymbolicMaker:
    """A maker with its random graph."""
    pick: Pick = lambda n: draw(st.integers(0, int(n) - 1))  # noqa: E731 - SizeError for Extents
    return SymbolicMaker(pick, exact, size)
