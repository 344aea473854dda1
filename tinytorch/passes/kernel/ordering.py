"""Kernels of orderings: a merge sort of every line, from short sorted runs to long ones."""

from __future__ import annotations

import math

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.kernel import (
    Apply,
    Bind,
    Buffer,
    Constant,
    Expr,
    IndexValue,
    Let,
    Load,
    Loop,
    Stmt,
    Store,
    Update,
    Var,
)  # fmt: skip
from tinytorch.ir.target import Target
from tinytorch.ir.types import DType, bool_, int64
from tinytorch.passes.kernel.lower import Lowered
from tinytorch.passes.kernel.opaque import finished, loop_axis
from tinytorch.passes.kernel.schedule import chunk_of


def lower_argsort(graph: Graph, node: Node, target: Target) -> Lowered:
    """Bottom-up merge sort (Knuth, The Art of Computer Programming 3, 5.2.4), stable.

    Keys travel with their positions, back and forth between two pairs of scratch rows, so that
    every pass reads and writes memory in order.
    """
    (source,) = node.inputs
    axis, shape, dtype = node.attrs["axis"], node.type.shape, source.type.dtype
    before, count, after = (
        math.prod(s) for s in (shape[:axis], (shape[axis],), shape[axis + 1 :])
    )
    rows = before * after
    row, i = loop_axis("i", rows)
    p, q = i.split(after) if after else (i, Index())
    base = p * (count * after) + q
    along, t = loop_axis("t", count)
    names = [("keys_a", "at_a"), ("keys_b", "at_b")]
    key, position = names[0]
    body: list[Stmt] = [
        Loop(along, "serial", (
            Store(key, t, Load("x0", base + t * after, dtype)),
            Store(position, t, IndexValue(t, int64)),
        )),
    ]  # fmt: skip
    width = 1
    while width < count:
        merge = _Merge(dtype, node.attrs["descending"], names[0], names[1], count)
        body += merge.of_runs(width)
        names.reverse()
        width *= 2
    body.append(
        Loop(along, "serial", (Store("y0", base + t * after, Load(names[0][1], t, int64)),))
    )
    buffers = [
        Buffer("x0", dtype, source.type.size, "in"), Buffer("y0", int64, node.type.size, "out"),
        *(Buffer(k, dtype, count, "scratch") for k, _ in sorted(names)),
        *(Buffer(a, int64, count, "scratch") for _, a in sorted(names)),
    ]  # fmt: skip
    cost = 10.0 * count * max(1, math.ceil(math.log2(max(count, 2))))
    chunk = chunk_of(rows, cost, target, flat=False)
    return finished(graph, node, [Loop(row, "chunk", tuple(body))], buffers, rows, chunk, cost,
                    [source])  # fmt: skip


class _Merge:
    """One pass: neighbouring runs of one buffer merged into the other."""

    def __init__(
        self, dtype: DType, descending: bool, source: tuple[str, str], target: tuple[str, str],
        count: int,
    ) -> None:  # fmt: skip
        self.dtype = dtype
        self.descending = descending
        self.source = source
        self.target = target
        self.count = count

    def of_runs(self, width: int) -> list[Stmt]:
        """All merges of runs of a width; a last run that is short or alone stands apart."""
        whole, rest = divmod(self.count, 2 * width)
        stmts: list[Stmt] = []
        if whole:
            pair, n = loop_axis("r", whole)
            start = n * (2 * width)
            stmts.append(Loop(pair, "serial", tuple(self._merge(start, width, 2 * width))))
        start = Index((), whole * 2 * width)
        if rest > width:
            stmts += self._merge(start, width, rest)
        elif rest:
            step, t = loop_axis("t", rest)
            copies = (
                Store(b, start + t, Load(a, start + t, d))
                for a, b, d in zip(self.source, self.target, (self.dtype, int64))
            )
            stmts.append(Loop(step, "vector", tuple(copies)))
        return stmts

    def _merge(self, start: Index, width: int, length: int) -> list[Stmt]:
        """Merge the runs [0, width) and [width, length) from ``start`` on."""
        left, right = Var("left", int64), Var("right", int64)
        a, b = Var("a", self.dtype), Var("b", self.dtype)
        take, went = Var("take", bool_), Var("went", int64)
        at_left, at_right = Symbol("at_left", self.count), Symbol("at_right", self.count)
        i, j = Index(((at_left, 1),)), Index(((at_right, 1),))
        middle = IndexValue(start + width, int64)
        end = IndexValue(start + length, int64)
        last = Constant(self.count - 1, int64)
        key, position = self.source
        step, t = loop_axis("t", length)
        chosen = "select({0}, {1}, {2})"
        body: list[Stmt] = [
            Bind(at_left, Apply("min({0}, {1})", (left, last), int64)),
            Bind(at_right, Apply("min({0}, {1})", (right, last), int64)),
            Let(a, Load(key, i, self.dtype)),
            Let(b, Load(key, j, self.dtype)),
            Let(take, Apply(
                f"({{0}} < {{1}}) & (({{2}} >= {{3}}) | ({self._not_after()}))",
                (left, middle, right, end, a, b), bool_)),
            Store(self.target[0], start + t, Apply(chosen, (take, a, b), self.dtype)),
            Store(self.target[1], start + t, Apply(chosen, (
                take, Load(position, i, int64), Load(position, j, int64)), int64)),
            Let(went, Apply(chosen, (take, Constant(1, int64), Constant(0, int64)), int64)),
            Update(left, "set", Apply("{0} + {1}", (left, went), int64)),
            Update(right, "set", Apply("{0} + 1 - {1}", (right, went), int64)),
        ]  # fmt: skip
        begin: list[Expr] = [IndexValue(start, int64), middle]
        return [
            *(Let(v, e) for v, e in zip((left, right), begin)), Loop(step, "serial", tuple(body)),
        ]  # fmt: skip

    def _not_after(self) -> str:
        """Whether the left key comes first: it is not behind the right one. NaN is largest."""
        if self.dtype.kind == "b":  # what numba orders as numbers
            return "({4} | (not {5}))" if self.descending else "((not {4}) | {5})"
        if self.dtype.kind != "f":
            return "{4} >= {5}" if self.descending else "{4} <= {5}"
        if self.descending:
            return "({4} >= {5}) | ({4} != {4})"
        return "({4} <= {5}) | ({5} != {5})"


__all__ = ["lower_argsort"]
