"""Kernels of scans: a loop along the axis that carries a value, for every line of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.index import Index
from tinytorch.ir.kernel import (
    Apply,
    Buffer,
    Cast,
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
from tinytorch.ir.ops.scan import wide
from tinytorch.ir.target import Target
from tinytorch.ir.types import DType, bool_, int64
from tinytorch.passes.kernel.lower import Lowered
from tinytorch.passes.kernel.opaque import finished, loop_axis
from tinytorch.passes.kernel.schedule import chunk_of


@dataclass
class _Step:
    """What one kind of scan carries, by name of the variable; and how it goes on."""

    node: Node
    carried: list[Var] = field(init=False)

    def __post_init__(self) -> None:
        source = self.node.inputs[0].type.dtype
        if self.node.op.name.startswith("cumarg"):
            self.carried = [Var("best", source), Var("at", int64)]
        else:
            self.carried = [Var("total", wide(source))]

    @property
    def result(self) -> int:
        """Which of the carried values is the result."""
        return len(self.carried) - 1

    def first(self, loads: list[Expr], at: Index) -> list[Expr]:
        """What the scan carries after the first element."""
        if self.result:
            return [loads[0], IndexValue(at, int64)]
        return [_cast(loads[-1], self.carried[0].dtype)]

    def next(self, loads: list[Expr], at: Index) -> tuple[list[Stmt], list[Expr]]:
        """Statements, then what the scan carries after an element."""
        kind = self.carried[0].dtype
        total: Expr = self.carried[0]
        x = [_cast(load, kind) for load in loads]
        name = self.node.op.name
        if name == "cumsum":
            return [], [Apply("{0} + {1}", (total, x[0]), kind)]
        if name == "recurrence":
            return [], [Apply("{0} * {1} + {2}", (x[0], total, x[1]), kind)]
        if name == "logcumsumexp":
            return self._logaddexp(x[0])
        value, new = Var("value", kind), Var("new", bool_)
        sign = ">=" if name == "cumargmax" else "<="
        beats = Apply(f"({{0}} {sign} {{1}}) | ({{0}} != {{0}})", (value, total), bool_)
        chosen: list[Expr] = [
            Apply("select({0}, {1}, {2})", (new, value, total), kind),
            Apply("select({0}, {1}, {2})", (new, IndexValue(at, int64), self.carried[1]), int64),
        ]
        return [Let(value, x[0]), Let(new, beats)], chosen

    def _logaddexp(self, x: Expr) -> tuple[list[Stmt], list[Expr]]:
        """max + log1p(exp(-|difference|)); equal infinities have no difference."""
        total, kind = self.carried[0], self.carried[0].dtype
        value, top, gap = Var("value", kind), Var("top", kind), Var("gap", kind)
        apart = Apply("select({0} == {1}, {0} * 0, abs({0} - {1}))", (total, value), kind)
        same = Apply("({0} == {1}) & ({0} - {0} != 0)", (total, value), bool_)
        grown = Apply("{0} + log1p(exp(-{1}))", (top, gap), kind)
        stmts: list[Stmt] = [
            Let(value, x), Let(top, Apply("maximum({0}, {1})", (total, value), kind)),
            Let(gap, apart),
        ]  # fmt: skip
        return stmts, [Apply("select({0}, {1}, {2})", (same, top, grown), kind)]


def _cast(value: Expr, dtype: DType) -> Expr:
    return value if value.dtype is dtype else Cast(value, dtype)


def lower_scan(graph: Graph, node: Node, target: Target) -> Lowered:
    """One loop along the axis; lines side by side in memory advance together.

    Chunks cut the axes before the scanned one; where there are none, those after it.
    """
    axis, shape, out = node.attrs["axis"], node.type.shape, node.type.dtype
    before, count, after = (
        math.prod(s) for s in (shape[:axis], shape[axis : axis + 1], shape[axis + 1 :])
    )
    step = _Step(node)
    pre, p = loop_axis("p", before)
    along, t = loop_axis("t", max(count - 1, 0))
    post, q = loop_axis("q", after)
    reverse = node.attrs.get("reverse", False)
    start, later = (Index((), count - 1), t * -1 + (count - 2)) if reverse else (Index(), t + 1)

    columns = before == 1 and after > 1

    def place(at: Index) -> Index:
        inside = at * after + (q if after > 1 else Index())
        return inside if columns else p * (count * after) + inside

    def loads(at: Index) -> list[Expr]:
        return [Load(f"x{i}", place(at), n.type.dtype) for i, n in enumerate(node.inputs)]

    def result(values: list[Var]) -> Expr:
        return _cast(values[step.result], out)

    lines = Loop(post, "chunk" if columns else "vector", ())
    rows: list[Buffer] = []
    if after == 1:
        begin: list[Stmt] = [
            *(Let(v, e) for v, e in zip(step.carried, step.first(loads(start), start))),
            Store("y0", place(start), result(step.carried)),
        ]
        lets, values = step.next(loads(later), later)
        news = [Var(f"next_{v.name}", v.dtype) for v in step.carried]
        body: list[Stmt] = [
            *lets, *(Let(v, e) for v, e in zip(news, values)),
            *(Update(v, "set", n) for v, n in zip(step.carried, news)),
            Store("y0", place(later), result(news)),
        ]  # fmt: skip
    else:
        rows = [Buffer(f"row_{v.name}", v.dtype, after, "scratch") for v in step.carried]
        firsts = [Var(f"first_{v.name}", v.dtype) for v in step.carried]
        begin = [Loop(lines.axis, lines.bind, (
            *(Let(v, e) for v, e in zip(firsts, step.first(loads(start), start))),
            *(Store(r.name, q, v) for r, v in zip(rows, firsts)),
            Store("y0", place(start), result(firsts)),
        ))]  # fmt: skip
        lets, values = step.next(loads(later), later)
        news = [Var(f"next_{v.name}", v.dtype) for v in step.carried]
        body = [Loop(lines.axis, lines.bind, (
            *(Let(v, Load(r.name, q, r.dtype)) for r, v in zip(rows, step.carried)),
            *lets, *(Let(v, e) for v, e in zip(news, values)),
            *(Store(r.name, q, v) for r, v in zip(rows, news)),
            Store("y0", place(later), result(news)),
        ))]  # fmt: skip
    whole: list[Stmt] = [*(begin if count else []), Loop(along, "serial", tuple(body))]
    if not columns:
        whole = [Loop(pre, "chunk", tuple(whole))]
    buffers = [
        *(Buffer(f"x{i}", n.type.dtype, n.type.size, "in") for i, n in enumerate(node.inputs)),
        Buffer("y0", out, node.type.size, "out"),
    ]  # fmt: skip
    extent, cost = (after, 4.0 * count) if columns else (before, 4.0 * count * after)
    chunk = chunk_of(extent, cost, target, flat=columns)
    return finished(
        graph, node, whole, [*buffers, *rows], extent, chunk, cost, list(node.inputs)
    )
