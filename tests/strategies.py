"""Random graphs, from hypothesis or from a plain random source.

``GraphMaker`` asks one function for every choice, ``pick(n)`` in ``range(n)``. In the *exact*
vocabulary inputs are small whole numbers in float64 and every op maps whole numbers to whole
numbers, so that any order of evaluation gives the same bits and results compare with ``==``,
ties, jumps and all. The *smooth* vocabulary has functions, quotients and normalisations, and
nothing that jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.types import TensorType, broadcast_shapes, count, float64, int64
from tinytorch.passes.graph.autodiff import vjp

Pick = Callable[[int], int]
_BASES = ((6, 5), (4, 3, 2), (2, 3, 4), (7,), (3, 1, 5), (8, 8), (1, 6), (6, 1), (2, 2, 3, 2))
_LARGEST = 600


class GraphMaker:
    """Grows one random graph."""

    bases: tuple[Any, ...] = _BASES

    def __init__(self, pick: Pick, exact: bool, size: int = 12) -> None:
        self.pick = pick
        self.exact = exact
        self.graph = Graph("random")
        self.graph.default_dtype = float64
        self.pool: list[Proxy] = []
        self.states: list[Proxy] = []
        base = self.choose(self.bases)
        for number in range(1 + pick(3)):
            shape = tuple(1 if pick(5) == 0 else s for s in base)[pick(2) * pick(len(base)) :]
            self.pool.append(self.input(shape, f"x{number}"))
        if pick(2):
            self.states.append(self.input(self.choose([p.aval.shape for p in self.pool]), "state"))
            self.pool.append(self.states[-1])
        for _ in range(1 + pick(size)):
            self.grow()
        if pick(3) == 0:
            self.differentiate()
        self.finish()

    def choose(self, options: Any) -> Any:
        options = list(options)
        return options[self.pick(len(options))]

    def input(self, shape: Any, name: str) -> Proxy:
        return Proxy(self.graph, self.graph.add_input(TensorType(float64, tuple(shape)), name))

    def any(self, least_rank: int = 0) -> Proxy:
        found = [p for p in self.pool if p.aval.ndim >= least_rank]
        return self.choose(found[-6:] if self.pick(2) else found) if found else self.matrix()

    def matrix(self) -> Proxy:
        x = self.choose(self.pool)
        return ops.reshape(x, shape=(1, x.aval.size))

    # ------------------------------------------------------------- productions

    def grow(self) -> None:
        rules = [
            self.unary, self.unary, self.binary, self.binary, self.choice, self.broadcast,
            self.reshape, self.permute, self.slice, self.pad, self.cat, self.flip,
            self.update_slice, self.reduce, self.reduce, self.normalise, self.matmul, self.take,
            self.gather, self.scatter, self.iota, self.checked, self.narrow,
        ]  # fmt: skip
        if self.exact:
            rules += [self.position, self.compared]
        made = self.choose(rules)()
        if made is not None and self.fits(made):
            self.pool.append(made)

    def fits(self, made: Proxy) -> bool:
        """Whether a value has elements, and not too many."""
        return 0 < made.aval.size <= _LARGEST

    def tame(self, x: Proxy) -> Proxy:
        """Keep values small."""
        return ops.remainder(x, 7.0) if self.exact else ops.tanh(x * 0.5)

    def unary(self) -> Proxy:
        x = self.any()
        if self.exact:
            return self.choose([
                lambda: -x, lambda: abs(x), lambda: ops.relu(x), lambda: x + 1, lambda: x * 2 - 3,
                lambda: ops.remainder(x, 5.0), lambda: ops.sign(x), lambda: ops.detach(x, label=1),
            ])()  # fmt: skip
        return self.choose([
            lambda: -x, lambda: ops.sin(x), lambda: ops.tanh(x), lambda: ops.exp(-abs(x)),
            lambda: ops.sigmoid(x), lambda: ops.sqrt(x * x + 1), lambda: x * 0.5 + 1,
            lambda: ops.log(x * x + 1), lambda: ops.rsqrt(abs(x) + 0.5), lambda: x**2,
        ])()  # fmt: skip

    def partner(self, x: Proxy) -> Proxy | None:
        fits = []
        for p in self.pool:
            try:
                broadcast_shapes(x.aval.shape, p.aval.shape)
            except RuntimeError:
                continue
            fits.append(p)
        return self.choose(fits) if fits else None

    def binary(self) -> Proxy | None:
        x = self.any()
        y = self.partner(x)
        if y is None:
            return None
        if self.exact:
            return self.choose([
                lambda: x + y, lambda: x - y, lambda: self.tame(x * y),
                lambda: ops.maximum(x, y), lambda: ops.minimum(x, y),
            ])()  # fmt: skip
        return self.choose([
            lambda: x + y, lambda: x - y, lambda: self.tame(x * y), lambda: x / (abs(y) + 1),
        ])()  # fmt: skip

    def choice(self) -> Proxy | None:
        x = self.any()
        y = self.partner(x)
        if y is None or not self.exact:
            return None
        return ops.where(self.choose([ops.gt, ops.le, ops.eq])(x, y), x, self.choose([y, x * 2]))

    def compared(self) -> Proxy:
        x = self.any()
        c = self.choose([ops.ge, ops.ne, ops.lt])(x, 1.0)
        return ops.cast(ops.logical_not(c) if self.pick(2) else c, dtype=float64)

    def narrow(self) -> Proxy:
        x = self.any()
        if not self.exact:
            return x + 0.25
        return ops.cast(ops.cast(x, dtype=int64) * 3, dtype=float64)

    def broadcast(self) -> Proxy:
        x = self.any()
        shape = [self.choose([2, 3, 5]) if s == 1 and self.pick(2) else s for s in x.aval.shape]
        if self.pick(2):
            shape = [self.choose([1, 2, 3]), *shape]
        return ops.broadcast_to(x, shape=tuple(shape))

    def reshape(self) -> Proxy:
        x = self.any()
        n = x.aval.size
        split = [d for d in range(1, n + 1) if n % d == 0]
        d = self.choose(split)
        shapes: list[tuple[int, ...]] = [(n,), (d, n // d), (1, n), (n, 1), (d, 1, n // d)]
        shapes += [(*x.aval.shape, 1), (1, *x.aval.shape)]
        return ops.reshape(x, shape=self.choose(shapes))

    def permute(self) -> Proxy:
        x = self.any(1)
        order = list(range(x.aval.ndim))
        if self.pick(2) and len(order) > 1:
            order[-1], order[-2] = order[-2], order[-1]
        else:
            order = [order.pop(self.pick(len(order))) for _ in range(len(order))]
        return ops.permute(x, order=tuple(order))

    def slice(self) -> Proxy:
        x = self.any(1)
        starts, stops, steps = [], [], []
        for s in x.aval.shape:
            starts.append(self.pick(s) if self.pick(2) else 0)
            stops.append(starts[-1] + 1 + self.pick(s - starts[-1]))
            steps.append(1 + self.pick(2))
        return ops.slice_(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def pad(self) -> Proxy:
        x = self.any(1)
        low, high = (tuple(self.pick(3) for _ in x.aval.shape) for _ in range(2))
        return ops.pad(x, low=low, high=high)

    def cat(self) -> Proxy:
        x = self.any(1)
        axis = self.pick(x.aval.ndim)

        def fits(p: Proxy) -> bool:
            a, b = list(p.aval.shape), list(x.aval.shape)
            return len(a) == len(b) and a[:axis] + a[axis + 1 :] == b[:axis] + b[axis + 1 :]

        parts = [p for p in self.pool if fits(p)] or [x]
        return ops.cat(*[self.choose([x, *parts]) for _ in range(2 + self.pick(2))], axis=axis)

    def flip(self) -> Proxy:
        x = self.any(1)
        return ops.flip(x, axes=tuple(i for i in range(x.aval.ndim) if self.pick(2)))

    def update_slice(self) -> Proxy:
        x = self.any(1)
        new = self.slice()
        if new.aval.ndim != x.aval.ndim:
            return new
        starts, steps = [], []
        for s, n in zip(x.aval.shape, new.aval.shape):
            step = 1 + self.pick(2)
            if (n - 1) * step >= s:
                step = 1
            if n > s:
                return new
            starts.append(self.pick(s - (n - 1) * step))
            steps.append(step)
        return ops.update_slice(x, new, starts=tuple(starts), steps=tuple(steps))

    def axes(self, x: Proxy) -> tuple[int, ...]:
        n = x.aval.ndim
        return self.choose([
            tuple(range(n)), (n - 1,), (0,), tuple(range(1, n)), tuple(range(n - 1)),
            tuple(i for i in range(n) if self.pick(2)),
        ])  # fmt: skip

    def reduce(self) -> Proxy:
        x = self.any(1)
        op = self.choose([ops.sum_, ops.sum_, ops.max_, ops.min_])
        made = op(x, axes=self.axes(x))
        return self.tame(made) if self.pick(2) else made

    def position(self) -> Proxy:
        x = self.any(1)
        op = self.choose([ops.argmax, ops.argmin])
        axes = self.choose([self.axes(x), (x.aval.ndim - 1,)])
        return ops.cast(op(x, axes=axes), dtype=float64)

    def normalise(self) -> Proxy:
        x = self.any(1)
        axes = (x.aval.ndim - 1,) if self.pick(2) else self.axes(x)
        if self.exact:
            shifted = x - ops.max_(x, axes=axes)
            return self.tame(shifted * ops.remainder(ops.sum_(shifted, axes=axes), 3.0))
        if self.pick(2):
            e = ops.exp(x - ops.max_(x, axes=axes))
            return e / ops.sum_(e, axes=axes)
        n = count(x.aval.shape[a] for a in axes) if axes else 1
        centred = x - ops.sum_(x, axes=axes) / n
        return centred * ops.rsqrt(ops.sum_(centred * centred, axes=axes) / n + 0.1)

    def matmul(self) -> Proxy:
        x = self.any(2)
        y = ops.permute(x, order=(*range(x.aval.ndim - 2), x.aval.ndim - 1, x.aval.ndim - 2))
        others = [
            p for p in self.pool
            if p.aval.shape[:-1] == y.aval.shape[:-1] and p.aval.ndim == x.aval.ndim
        ]  # fmt: skip
        right = self.choose([y, *others])
        return self.tame(ops.matmul(x, right) if self.pick(2) else ops.matmul(right, _swap(right)))

    def index(self, shape: Any, size: int) -> Proxy:
        seed = self.choose(self.pool)
        flat = ops.reshape(seed, shape=(seed.aval.size,))
        n = int(np.prod(shape))
        if not self.exact or seed.aval.size < n:
            zero = Proxy(self.graph, self.graph.constant(0, tuple(shape), int64))
            made = zero + self.choose([0, 1, 2])
            if shape:
                made = made + ops.iota(zero, shape=tuple(shape), axis=0) if False else made
                iota = self.graph.add(ops.iota, (), shape=tuple(shape), axis=len(shape) - 1)
                made = made + Proxy(self.graph, iota)
            return ops.remainder(made, size)
        part = ops.slice_(flat, starts=(0,), stops=(n,), steps=(1,))
        made = ops.remainder(ops.cast(part, dtype=int64), size)
        made = ops.reshape(made, shape=tuple(shape))
        if self.pick(2):
            made = ops.require_range(made, low=0, high=size, error="IndexError", message="range")
        return made

    def take(self) -> Proxy:
        x = self.any(1)
        axis = self.pick(x.aval.ndim)
        shape = self.choose([(), (3,), (2, 2), (1,)])
        return ops.take(x, self.index(shape, x.aval.shape[axis]), axis=axis)

    def gather(self) -> Proxy:
        x = self.any(1)
        axis = self.pick(x.aval.ndim)
        shape = list(x.aval.shape)
        shape[axis] = self.choose([1, 2, 4])
        return ops.gather(x, self.index(tuple(shape), x.aval.shape[axis]), axis=axis)

    def scatter(self) -> Proxy:
        x = self.any(1)
        axis = self.pick(x.aval.ndim)
        size = self.choose([2, 5])
        if self.pick(2):
            return ops.scatter_add(x, self.index(x.aval.shape, size), axis=axis, size=size)
        return ops.put_add(x, self.index((x.aval.shape[axis],), size), axis=axis, size=size)

    def iota(self) -> Proxy:
        x = self.any(1)
        made = self.graph.add(ops.iota, (), shape=x.aval.shape, axis=self.pick(x.aval.ndim))
        return x + ops.cast(Proxy(self.graph, made), dtype=float64)

    def checked(self) -> Proxy:
        x = self.any()
        if not self.exact:
            return x
        return ops.require_nonzero(abs(x) + 1, error="RuntimeError", message="zero")

    # --------------------------------------------------------------------- end

    def differentiate(self) -> None:
        target = self.any()
        loss = ops.sum_(target, axes=tuple(range(target.aval.ndim)))
        sources = [p.node for p in self.pool if p.node.op is ops.input_]
        seed = loss.constant(1)
        if self.exact and any(n.op.name in ("remainder", "div") for n in self.graph):
            return  # their partial derivatives are no whole numbers
        for found in vjp(self.graph, [loss.node], [seed.node], sources):
            if found is not None:
                self.pool.append(Proxy(self.graph, found))

    def finish(self) -> None:
        for state in self.states:
            same = [p for p in self.pool if p.aval == state.aval]
            value = self.choose([state + 1, *same])
            self.graph.updates[state.node] = value.node
        self.graph.outputs = [self.choose(self.pool[-5:]).node for _ in range(1 + self.pick(3))]
        self.graph.freeze()

    def values(self, seed: int, graph: Graph | None = None) -> list[np.ndarray]:
        """Inputs for the graph, or for one of other sizes."""
        source = np.random.default_rng(seed)
        shapes = [n.type.shape for n in (graph or self.graph).inputs]
        if self.exact:
            return [source.integers(-4, 5, s).astype(np.float64) for s in shapes]
        return [np.asarray(source.standard_normal(s)) for s in shapes]


def _swap(x: Proxy) -> Proxy:
    n = x.aval.ndim
    return ops.permute(x, order=(*range(n - 2), n - 1, n - 2))


@st.composite
def graphs(draw: Any, exact: bool, size: int = 12) -> tuple[Graph, list[np.ndarray]]:
    """A random graph with inputs for it."""
    maker = GraphMaker(lambda n: draw(st.integers(0, n - 1)), exact, size)
    return maker.graph, maker.values(draw(st.integers(0, 99)))
