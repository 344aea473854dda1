"""Lowering: one group of nodes to one Kernel.

A row is computed in phases. A row reduction closes a phase: what needs its result runs in a later
loop over the same row, which is still in the first-level cache. A value needed again in a later
phase is computed again if that is cheap, else kept in a scratch row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.index import Index
from tinytorch.ir.kernel import (
    Accumulator,
    Expr,
    Kernel,
    Load,
    Loop,
    Stmt,
    Store,
    Update,
)  # fmt: skip
from tinytorch.ir.target import Target
from tinytorch.ir.types import int64
from tinytorch.passes.kernel.domain import Plan
from tinytorch.passes.kernel.evaluate import Evaluator, Scope
from tinytorch.passes.kernel.fuse import Fused, Group
from tinytorch.passes.kernel.loops import Loops, choose_loops
from tinytorch.passes.kernel.names import Element
from tinytorch.passes.kernel.phases import Phases
from tinytorch.passes.kernel.probe import probe_indices
from tinytorch.passes.kernel.schedule import chunk_of, row_cost, sealed


@dataclass
class Lowered:
    """A kernel with what its parameters stand for.

    ``bindings[i]`` belongs to ``kernel.parameters[i]``: a node whose buffer it is, or None for
    memory that only this launch uses (partials) and the status word.
    """

    kernel: Kernel
    bindings: list[Node | Element | None]
    outputs: list[Node]
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    extent: Any = 1
    chunk: int = 1
    flat: bool = False
    """Whether the chunked axis is all there is, so that chunks are whole vectors."""


def lower(graph: Graph, group: Group, fused: Fused, target: Target) -> Lowered:
    """Turn a group into a kernel."""
    return _Lowering(graph, group, fused, target).run()


class _Lowering:
    def __init__(self, graph: Graph, group: Group, fused: Fused, target: Target) -> None:
        assert group.plan is not None
        self.graph = graph
        self.plan: Plan = group.plan
        self.members = group.members
        self.stored = [n for n in group.members if n in fused.stored]
        levels = self.plan.levels
        self.loops: Loops = choose_loops(
            self.plan, lambda loops: probe_indices(self.members, levels, loops, fused.recomputed)
        )
        self.phases = Phases(
            self.members, levels, set(self.stored), fused.required,
            self.loops.rows * self.loops.cols,
        )  # fmt: skip
        self.cost = row_cost(self.members, levels, self.loops.cols)
        self.chunk = chunk_of(self.loops.rows, self.cost, target, flat=not self.loops.inner)
        # 0: how many there are is known at the launch alone, and then there may be many
        self.chunks = max(1, -(-self.loops.rows // self.chunk)) if self.chunk else 0
        self.eval = Evaluator(
            graph, levels, self.loops, self.phases, set(self.stored), fused, self.chunks
        )
        self.ends = [n for n in self.members if levels[n] in ("column", "total")]
        self.finish: list[Stmt] = []
        self.before: list[Stmt] = []
        self.after: list[Stmt] = []

    # ------------------------------------------------------------------ whole

    def run(self) -> Lowered:
        """Build the kernel."""
        scope = self.eval.prologue
        for node in self.ends:
            self._start_end(node)
        rows = self._rows()
        for node in self.ends:
            self._finish_end(node)
        self._tails()
        body = [*scope.stmts, *self.before, Loop(self.loops.row, "chunk", tuple(rows)), *self.after]
        body += self.eval.failures()
        kernel, order = sealed(
            body, self.finish, self.eval.buffers, self.loops, self.chunk, self.cost,
            [n.op.name for n in self.members], self._origins(),
        )  # fmt: skip
        bindings = [self.eval.nodes.get(b.name) for b in order]
        return Lowered(
            kernel, bindings, self.stored, self.eval.messages, self.loops.rows, self.chunk,
            flat=not self.loops.inner,
        )

    def _origins(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, where) for name, node in self.eval.variables.items()
            if (where := self.graph.origin_of(node))
        )  # fmt: skip

    # ------------------------------------------------------------------- rows

    def _rows(self) -> list[Stmt]:
        row = self.eval.row
        if not self.loops.inner:
            self._phase(0, row)
            return row.stmts
        for phase in range(self.phases.count):
            body = self.eval.open_body(phase)
            started = self._phase(phase, body)
            if body.stmts:
                row.stmts.extend(started)
                nest: tuple[Stmt, ...] = tuple(body.stmts)
                for position, axis in enumerate(reversed(self.loops.axes)):
                    nest = (Loop(axis, "serial" if position else "vector", nest),)
                row.stmts.extend(nest)
                row.stmts.extend(self.eval.after_loop)
                self.eval.after_loop.clear()
            self.eval.close_body()
        self._row_values()
        return row.stmts

    def _phase(self, phase: int, body: Scope) -> list[Stmt]:
        """Evaluate a phase's targets into the body; return accumulators to start before it."""
        started: list[Stmt] = []
        stores: list[Stmt] = []
        for node in self.phases.targets(phase):
            level = self.plan.levels[node]
            if level == "row":
                started.append(self._reduce_row(node, body))
            elif level in ("column", "total"):
                self._feed_end(node, body, started)
            else:
                value = self.eval.member(node)
                index = self.loops.flat("full")
                if node in self.eval.stored:
                    stores.append(Store(self.eval.output(node), index, value))
                if node in self.phases.saved:
                    stores.append(Store(*self.eval.scratch(node), value))
        body.stmts.extend(stores)
        return started

    def _reduce_row(self, node: Node, body: Scope) -> Stmt:
        kind = node.op.name
        value = self.eval.operand(node, 0)
        if kind.startswith("arg"):
            best = self.eval.fresh("best", node.inputs[0].type.dtype)
            at = self.eval.fresh("at", int64)
            body.stmts.append(Update(best, kind, value, at, self.loops.col_index()))
            self.eval.define(node, at, self.eval.row)
            return Accumulator(best, kind, at)
        var = self.eval.fresh(kind, node.type.dtype, node)
        body.stmts.append(Update(var, kind, value))
        self.eval.define(node, var, self.eval.row)
        return Accumulator(var, kind)

    def _row_values(self) -> None:
        """After the loops of a row: store row values, feed totals of row values.

        Stores come last: one may replace what another value still reads.
        """
        row = self.eval.row
        stores: list[Stmt] = []
        for node in self.phases.row_targets():
            if self.plan.levels[node] == "total":
                value = self.eval.operand(node, 0)
                row.stmts.append(Update(self.eval.totals[node], node.op.name, value))
            else:
                value = self.eval.member(node)
                if node in self.eval.stored:
                    stores.append(Store(self.eval.output(node), self.loops.flat("row"), value))
        row.stmts.extend(stores)

    # ------------------------------------------- results known only at the end

    def _start_end(self, node: Node) -> None:
        kind, dtype = node.op.name, node.type.dtype
        if self.plan.levels[node] == "column":
            buffer, base = self._column_buffer(node)
            fill = Store(buffer, base, self.eval.identity(kind, dtype))
            self.before.append(self._over_columns(fill))
        else:
            var = self.eval.fresh(f"total_{kind}", dtype, node)
            self.eval.totals[node] = var
            self.before.append(Accumulator(var, kind))

    def _over_columns(self, *body: Stmt) -> Stmt:
        nest: tuple[Stmt, ...] = body
        for position, axis in enumerate(reversed(self.loops.axes)):
            nest = (Loop(axis, "serial" if position else "vector", nest),)
        return nest[0]

    def _column_buffer(self, node: Node) -> tuple[str, Index]:
        """Where a chunk adds up a column reduction: the result itself, or its own partial."""
        flat = self.loops.col_index()
        if self.chunks == 1:
            return self.eval.output(node), flat
        name = self.eval.partial(node, node.type.size)
        return name, Index(((self.eval.chunk, node.type.size),)) + flat

    def _feed_end(self, node: Node, body: Scope, started: list[Stmt]) -> None:
        kind = node.op.name
        value = self.eval.operand(node, 0)
        if self.plan.levels[node] == "column":
            buffer, index = self._column_buffer(node)
            body.stmts.append(Store(buffer, index, value, kind))
            return
        total = self.eval.totals[node]
        if not self.loops.inner:
            body.stmts.append(Update(total, kind, value))
            return
        part = self.eval.fresh(f"row_{kind}", node.type.dtype)
        started.append(Accumulator(part, kind))
        body.stmts.append(Update(part, kind, value))
        self.eval.after_loop.append(Update(total, kind, part))

    def _finish_end(self, node: Node) -> None:
        kind, dtype = node.op.name, node.type.dtype
        chunk = self.eval.chunk
        if self.plan.levels[node] == "column":
            if self.chunks != 1:
                name = self.eval.partial(node, node.type.size)
                out, flat = self.eval.output(node), self.loops.col_index()
                fill = Store(out, flat, self.eval.identity(kind, dtype))
                index = Index(((chunk, node.type.size),)) + flat
                add = Store(out, flat, Load(name, index, dtype), kind)
                self.finish += [
                    self._over_columns(fill), self._over_chunks(self._over_columns(add)),
                ]
            return
        total = self.eval.totals[node]
        if self.chunks == 1:
            self.eval.define(node, total, self.eval.end)
            return
        name = self.eval.partial(node, 1)
        at = Index(((chunk, 1),))
        self.after.append(Store(name, at, total))
        var = self.eval.fresh(kind, dtype, node)
        self.finish += [
            Accumulator(var, kind),
            self._over_chunks(Update(var, kind, Load(name, at, dtype))),
        ]
        self.eval.define(node, var, self.eval.end)

    def _over_chunks(self, *body: Stmt) -> Stmt:
        return Loop(self.eval.chunk, "serial" if self.chunks else "chunk", body)

    def _tails(self) -> None:
        """Store totals and what is computed from them."""
        end = self.eval.end
        stores: list[Stmt] = []
        for node in self.members:
            level = self.plan.levels[node]
            if level in ("total", "tail") and node in self.eval.stored:
                value: Expr = self.eval.member(node)
                stores.append(Store(self.eval.output(node), Index(), value))
        end.stmts.extend(stores)
        if self.chunks == 1:
            self.after += end.stmts
        else:
            self.finish += end.stmts

