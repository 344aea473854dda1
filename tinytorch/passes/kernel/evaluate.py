"""Scalar evaluation: the expression of one element of one node, bound in the right scope.

An element is a node with indices. Views turn into index arithmetic; stored values into loads;
members of the kernel into names; everything else into its op's expression on its operands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.index import Index, Symbol, delinearize, linearize
from tinytorch.ir.kernel import (
    Accumulator,
    Apply,
    Bind,
    Buffer,
    Cast,
    Check,
    Constant,
    Expr,
    Guard,
    IndexValue,
    Let,
    Load,
    Stmt,
    Update,
    Var,
)  # fmt: skip
from tinytorch.ir.types import DType, bool_, int64
from tinytorch.passes.kernel.access import (
    GUARDED_VIEWS,
    PURE_VIEWS,
    Access,
    Indices,
    bases,
    storage_of,
    through_views,
)  # fmt: skip
from tinytorch.passes.kernel.domain import END_LEVELS
from tinytorch.passes.kernel.fuse import Fused
from tinytorch.passes.kernel.loops import ROW, Loops
from tinytorch.passes.kernel.names import Names
from tinytorch.passes.kernel.phases import Phases
from tinytorch.passes.kernel.probe import reduction_operand


@dataclass
class Scope:
    """Statements that run once a chunk, once a row, or once an element, and names they bind."""

    stmts: list[Stmt] = field(default_factory=list)
    known: dict[Any, Expr] = field(default_factory=dict)


class Evaluator(Names):
    """Evaluates members of one kernel."""

    def __init__(
        self, graph: Graph, levels: dict[Node, str], loops: Loops, phases: Phases,
        stored: set[Node], fused: Fused, chunks: int,
    ) -> None:  # fmt: skip
        super().__init__(loops, chunks)
        self.graph = graph
        self.levels = levels
        self.phases = phases
        self.stored = stored
        self.recomputed = fused.recomputed
        self.elements = fused.elements
        self.required = fused.required
        self.prologue, self.row, self.end = Scope(), Scope(), Scope()
        self.body: Scope = self.row
        self.phase = 0
        self.at_end = False
        self.totals: dict[Node, Var] = {}
        self.after_loop: list[Stmt] = []
        self.messages: list[tuple[str, str, str]] = []
        self._failed: list[tuple[Var, int]] = []
        self._dynamic: dict[str, Scope] = {}

    # ---------------------------------------------------------------- scopes

    def open_body(self, phase: int) -> Scope:
        """Begin a loop over a row."""
        self.body, self.phase = Scope(), phase
        return self.body

    def close_body(self) -> None:
        """End it; after the last one, row values may use every reduction."""
        self.body, self.phase = self.row, self.phases.count

    def define(self, node: Node, value: Expr, scope: Scope) -> None:
        """Say what a member's value is from here on."""
        scope.known[node] = value

    def _scope_of(self, index: Index) -> Scope:
        if self.at_end:
            return self.end
        if self.loops.rows == 1:  # where a row is all there is, scalars may come from members
            if self.loops.cols == 1:
                return self.body
            scope = self.row
        else:
            scope = self.prologue
        for symbol in index.symbols():
            if symbol.name in self._dynamic:
                found = self._dynamic[symbol.name]
            else:
                found = self.row if symbol.name == ROW else self.body
            if found is self.body or scope is self.prologue:
                scope = found
        return scope

    def _level_scope(self, level: str) -> Scope:
        if level in END_LEVELS or self.at_end:
            return self.end
        return self.body if level == "full" else self.row

    def _bind(self, scope: Scope, key: Any, stem: str, expr: Expr, node: Node | None = None) -> Var:
        var = self.fresh(stem, expr.dtype, node)
        scope.stmts.append(Let(var, expr))
        scope.known[key] = var
        return var

    # --------------------------------------------------------------- members

    def operand(self, node: Node, position: int) -> Expr:
        """Value of an operand of a member at the element at hand."""
        level = self.levels[node]
        if node.op.family == "reduction":
            level = reduction_operand(node, self.loops)
        source = node.inputs[position]
        return self.value(source, self.loops.indices(level, source.type.shape))

    def member(self, node: Node) -> Expr:
        """Value of a member at the element at hand.

        Members it needs are evaluated first, from a list: a chain may be any number of ops long.
        """
        waiting, opened = [node], set()
        while waiting:
            current = waiting[-1]
            known = self._known(current)
            needed: list[Node] = []
            if known is None and current not in opened:
                opened.add(current)
                needed = [
                    b for b in bases(current, self.required)
                    if b in self.levels and b is not current and self._known(b) is None
                ]  # fmt: skip
            if needed:
                waiting.extend(reversed(needed))
                continue
            waiting.pop()
            if known is None:
                self._evaluated(current)
        found = self._known(node)
        assert found is not None
        return found

    def _known(self, node: Node) -> Expr | None:
        """The name that a member's value already has here, or None."""
        level = self.levels[node]
        scope = self.end if level in END_LEVELS or self.at_end else self._level_scope(level)
        found = scope.known.get(node)
        if found is None:
            found = self.row.known.get(node)
        if found is None and level == "full" and self.phases.phase[node] < self.phase:
            if node in self.stored:
                load = Load(self.output(node), self.loops.flat("full"), node.type.dtype)
                return self._bind(scope, node, "kept", load)
            if node in self.phases.saved:
                load = Load(*self.scratch(node), node.type.dtype)
                return self._bind(scope, node, "kept", load)
        return found

    def _evaluated(self, node: Node) -> Expr:
        """Evaluate a member whose operands are known."""
        level = self.levels[node]
        outside = self.at_end  # the operand of a tail may be a total: both stand at the end
        self.at_end = outside or level in END_LEVELS
        try:
            scope = self._level_scope(level)
            value = self._compute(node, self.loops.indices(level, node.type.shape), scope, node)
        finally:
            self.at_end = outside
        scope.known[node] = value
        return value

    # ---------------------------------------------------------------- values

    def value(self, node: Node, indices: Indices) -> Expr:
        """Value of any node at given indices."""
        access = through_views(node, indices)
        base = access.node
        if base in self.levels:
            return self.member(base)
        if base.op is ops.full:
            return Constant(base.attrs["value"], base.type.dtype)
        if base.op is ops.extent:
            return size_value(base.attrs["size"], base.type.dtype)
        flat = access.flat
        if self.loops.rows == 1 and not self.loops.inner and not self.at_end:
            # The one element stands at the axis, as where it is stored: then it can be replaced.
            flat = self.loops.flat("full") if base.type.size == 1 else flat
        scope = self._scope_of(flat)
        key = (storage_of(base), flat)
        for place in (scope, self.row, self.prologue):
            if key in place.known and not (self.at_end and place is not self.end):
                return place.known[key]
        if base not in self.required and (
            base in self.recomputed or base.op.name in ("iota", *GUARDED_VIEWS)
        ):
            value = self._compute(base, access.indices, scope, base)
            scope.known[key] = value
            return value
        if base in self.elements and not flat.symbols():
            load = Load(self.element(base, flat.offset), Index(), base.type.dtype)
        else:
            load = Load(self.input(base), flat, base.type.dtype)
        return self._bind(scope, key, "x", load, base)

    def _compute(self, node: Node, indices: Indices, scope: Scope, origin: Node) -> Expr:
        """Evaluate a node by its op and bind the result."""
        name, dtype = node.op.name, node.type.dtype
        if name in PURE_VIEWS:
            member = node in self.levels
            return self._view(node, indices) if member else self.value(node, indices)
        if name == "full":
            return Constant(node.attrs["value"], dtype)
        if name == "extent":
            return size_value(node.attrs["size"], dtype)
        expr: Expr
        if name == "iota":
            expr = IndexValue(indices[node.attrs["axis"]], dtype)
        elif name in GUARDED_VIEWS:
            expr = self.guarded(node, indices)
        elif node.op.family == "random":
            expr = self._random(node, indices)
        elif node.op.family == "indexing":
            expr = self._indexed(node, indices, scope)
        else:
            expr = self._elementwise(node, indices, scope)
            if isinstance(expr, Var):
                return expr
        return self._bind(scope, ("value", node, indices), _stem(name), expr, origin)

    def _view(self, node: Node, indices: Indices) -> Expr:
        """A stored view: the value it shows, read from below."""
        access = through_views(node, indices)
        return self.value(access.node, access.indices)

    def _elementwise(self, node: Node, indices: Indices, scope: Scope) -> Expr:
        args = tuple(self.value(n, indices) for n in node.inputs)
        dtype = node.type.dtype
        if node.op is ops.cast:
            return Cast(args[0], dtype)
        if node.op.effect:
            self._check(node, args[0], scope)
            return args[0] if isinstance(args[0], Var) else Apply("{0}", args, dtype)
        assert node.op.expr is not None, node
        expr: Expr = Apply(node.op.expr, args, dtype)
        if dtype.is_half or dtype.kind == "i" and dtype.bits < 64:
            # Halves are rounded after every op, as in eager mode. numba widens small integers.
            expr = Cast(expr, dtype)
        return expr

    def _check(self, node: Node, value: Expr, scope: Scope) -> None:
        dtype = node.inputs[0].type.dtype
        condition: Expr
        if node.op is ops.require_range:
            low, high = (size_value(node.attrs[k], dtype) for k in ("low", "high"))
            condition = Apply("({0} < {1}) | ({0} >= {2})", (value, low, high), bool_)
        else:
            condition = Apply("{0} == {1}", (value, Constant(0, dtype)), bool_)
        where = self.graph.origin_of(node)
        self.messages.append((node.attrs["error"], node.attrs["message"], where))
        failed = self.fresh("failed", bool_)
        self._failed.append((failed, len(self.messages)))
        self.prologue.stmts.append(Accumulator(failed, "any"))
        scope.stmts.append(Update(failed, "any", condition))

    def failures(self) -> list[Stmt]:
        """Statements after the loops that report failed checks."""
        if self._failed and "status" not in self.buffers:
            self.buffers["status"] = Buffer("status", int64, 1, "status")
        return [Check(failed, code) for failed, code in self._failed]

    def _random(self, node: Node, indices: Indices) -> Expr:
        state = node.inputs[0]
        seed = self.value(state, (Index(),))
        counter = self.value(state, (Index((), 1),))
        flat = linearize(indices, node.type.shape) + node.attrs["offset"]
        at = Apply("{0} + {1}", (counter, IndexValue(flat, int64)), int64)
        return Apply("random_bits({0}, {1})", (seed, at), int64)

    def _indexed(self, node: Node, indices: Indices, scope: Scope) -> Expr:
        """take and gather: an index loaded from memory picks the element."""
        source, index = node.inputs
        axis = node.attrs["axis"]
        if node.op is ops.take:
            at = self.value(index, indices[axis : axis + index.type.ndim])
            rest = (indices[:axis], indices[axis + index.type.ndim :])
        else:
            at = self.value(index, indices)
            rest = (indices[:axis], indices[axis + 1 :])
        self._count += 1
        symbol = Symbol(f"at_{self._count}", source.type.shape[axis])
        scope.stmts.append(Bind(symbol, at))
        self._dynamic[symbol.name] = scope
        picked = (*rest[0], Index(((symbol, 1),)), *rest[1])
        access = through_views(source, picked)
        return Load(self.input(access.node), access.flat, node.type.dtype)

    # --------------------------------------------------------- guarded views

    def guarded(self, node: Node, indices: Indices) -> Expr:
        """pad, cat and update_slice: a choice by index, evaluated lazily."""
        dtype = node.type.dtype
        if node.op is ops.pad:
            (source,) = node.inputs
            inner = tuple(x + -low for x, low in zip(indices, node.attrs["low"], strict=True))
            zero = Constant({"f": 0.0, "i": 0, "b": False}[dtype.kind], dtype)
            return Guard(_inside(inner, source.type.shape), self._lazy(source, inner), zero, dtype)
        if node.op is ops.cat:
            return self._cat(node, indices)
        base, new = node.inputs
        conditions: list[tuple[Index, Any, Any]] = []
        inner_indices = []
        for x, start, step, n in zip(
            indices, node.attrs["starts"], node.attrs["steps"], new.type.shape, strict=True
        ):
            shifted = x + -start
            conditions.append((shifted, 0, (n - 1) * step + 1))
            at, rest = shifted.split(step)
            if step != 1:
                conditions.append((rest, 0, 1))
            inner_indices.append(at)
        value = self._lazy(new, tuple(inner_indices))
        return Guard(tuple(conditions), value, self._lazy(base, indices), dtype)

    def _cat(self, node: Node, indices: Indices) -> Expr:
        axis = node.attrs["axis"]
        start = node.type.shape[axis]
        expr: Expr | None = None
        for source in reversed(node.inputs):
            size = source.type.shape[axis]
            start -= size
            at = indices[axis] + -start
            inner = (*indices[:axis], at, *indices[axis + 1 :])
            value = self._lazy(source, inner)
            expr = (
                value if expr is None
                else Guard(((at, -start, size),), value, expr, node.type.dtype)
            )  # fmt: skip
        assert expr is not None
        return expr

    def _lazy(self, node: Node, indices: Indices) -> Expr:
        """A value as one nested expression, evaluated only if its guard holds.

        What stands under a guarded view has a buffer of its own (see ``fuse``), sources aside.
        """
        access = through_views(node, indices)
        base = access.node
        if base.op is ops.full:
            return Constant(base.attrs["value"], base.type.dtype)
        if base.op is ops.extent:
            return size_value(base.attrs["size"], base.type.dtype)
        if base.op is ops.iota:
            return IndexValue(access.indices[base.attrs["axis"]], base.type.dtype)
        return Load(self.input(base), access.flat, base.type.dtype)


def _inside(indices: Indices, shape: tuple[Any, ...]) -> tuple[tuple[Index, Any, Any], ...]:
    pairs = zip(indices, shape, strict=True)
    return tuple((index, 0, size) for index, size in pairs if not index.within(size))


def size_value(size: Any, dtype: DType) -> Expr:
    """A number, or a symbolic size as one."""
    if not isinstance(size, Extent):
        return Constant(size, dtype)
    value = IndexValue(Index((), size), int64)
    return value if dtype is int64 else Cast(value, dtype)


def _stem(name: str) -> str:
    return {"abs": "size", "round": "rounded", "max": "top", "min": "low", "pow": "power",
            "not": "negated"}.get(name, name)  # fmt: skip


__all__ = ["Access", "Evaluator", "Scope", "bases", "delinearize"]
