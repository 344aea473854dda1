"""Algebra on graphs: constant folding, identities, stable forms. Rows of rules, one sweep.

Each rule sees a node about to be added, its operands already simplified, and returns the node to
use instead, or None. What a rule builds is simplified in turn, so one bottom-up sweep reaches the
fixpoint; equal nodes merge because graphs intern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.storage import numbers, run_rule, stored
from tinytorch.ir.types import int64
from tinytorch.passes.graph.control import simplify_control
from tinytorch.passes.graph.rebuild import expand_calls, rebuild, with_inner


@dataclass(frozen=True)
class Rule:
    """A rewrite of one op. ``why`` says what it is good for."""

    name: str
    op: str
    apply: Callable[[Builder, list[Node], dict[str, Any]], Node | None]
    why: str


RULES: dict[str, list[Rule]] = {}


def rule(op: str, why: str) -> Callable[[Any], Any]:
    """Enter a function into the table of rules for an op."""

    def register(function: Any) -> Any:
        name = getattr(function, "__name__", f"{op}_of_nothing").strip("_")
        RULES.setdefault(op, []).append(Rule(name, op, function, why))
        return function

    return register


class Builder:
    """Adds nodes to a graph, simplified."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def add(self, op: Op, inputs: Sequence[Node], **attrs: Any) -> Node:
        """Add a node, or what the rules make of it."""
        operands = list(inputs)
        if op.family != "structure":
            inferred = op.infer(tuple(n.type for n in operands), attrs)
            if inferred.size == 0:  # no elements: nothing to compute, check or draw
                return self.full(0, inferred.shape, inferred.dtype)
        for row in RULES.get(op.name, ()):
            new = row.apply(self, operands, attrs)
            if new is not None:
                return new
        if op.family == "elementwise" and operands and all(n.op is ops.full for n in operands):
            folded = self._fold(op, operands, attrs)
            if folded is not None:
                return folded
        return self.graph.add(op, operands, **attrs)

    def _fold(self, op: Op, operands: list[Node], attrs: dict[str, Any]) -> Node | None:
        if op.effect or op.name == "detach":
            return None
        arrays = [stored(n.attrs["value"], n.type.dtype) for n in operands]
        inferred = op.infer(tuple(n.type for n in operands), attrs)
        value = numbers(run_rule(op, arrays, attrs, inferred))
        return self.full(value.item(), inferred.shape, inferred.dtype, inferred.weak)

    def full(self, value: Any, shape: Any, dtype: Any, weak: bool = False) -> Node:
        """Add a constant."""
        return self.graph.constant(value, shape, dtype, weak)

    def like(self, value: Any, node: Node) -> Node:
        """Add a constant of another node's type."""
        return self.full(value, node.type.shape, node.type.dtype, node.type.weak)


def simplify(graph: Graph) -> Graph:
    """Return an equal graph with calls expanded, constants folded, identities applied."""

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node:
        return Builder(target).add(node.op, operands, **node.attrs)

    graph = simplify_control(with_inner(expand_calls(graph), simplify))
    simple = rebuild(graph, replace)
    return rebuild(simple) if len(simple.live() | set(simple.inputs)) < len(simple) else simple


def constant_of(node: Node) -> Any:
    """The number a node is everywhere, or None."""
    while node.op in (ops.broadcast_to, ops.reshape):
        node = node.inputs[0]
    return node.attrs["value"] if node.op is ops.full else None


def _is(node: Node, value: float) -> bool:
    found = constant_of(node)
    return found is not None and found == value and not (value == 0 and _negative_zero(found))


def _negative_zero(value: Any) -> bool:
    return isinstance(value, float) and math.copysign(1, value) < 0


# ---------------------------------------------------------------- identities


@rule("detach", "derivatives are taken before this pass")
def _detach(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    return x[0]


@rule("cast", "no change of dtype")
def _cast(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.type.dtype is a["dtype"] and n.type.weak == a.get("weak", False):
        return n
    if n.op is ops.full:
        value = stored(stored(n.attrs["value"], n.type.dtype), a["dtype"])
        if n.type.size:
            return b.full(numbers(value).item(), n.type.shape, a["dtype"], a.get("weak", False))
    if n.op is ops.broadcast_to:
        return b.add(ops.broadcast_to, [b.add(ops.cast, n.inputs, **a)], **n.attrs)
    return None


@rule("reshape", "no change of shape; two in a row are one")
def _reshape(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.type.shape == tuple(a["shape"]) and not n.type.weak:
        return n
    if n.op is ops.reshape:
        return b.add(ops.reshape, n.inputs, **a)
    return _moved_constant(b, n, a["shape"])


def _moved_constant(b: Builder, n: Node, shape: Any) -> Node | None:
    return b.full(n.attrs["value"], shape, n.type.dtype) if n.op is ops.full else None


@rule("broadcast_to", "no change of shape; two in a row are one")
def _broadcast(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.type.shape == tuple(a["shape"]) and not n.type.weak:
        return n
    if n.op is ops.broadcast_to:
        return b.add(ops.broadcast_to, n.inputs, **a)
    return _moved_constant(b, n, a["shape"])


@rule("permute", "identity; two in a row are one; a transposed product swaps its factors")
def _permute(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,), order = x, tuple(a["order"])
    if order == tuple(range(len(order))):
        return n
    if n.op is ops.permute:
        inner = n.attrs["order"]
        return b.add(ops.permute, n.inputs, order=tuple(inner[i] for i in order))
    if n.op is ops.full:
        return _moved_constant(b, n, tuple(n.type.shape[i] for i in order))
    last = len(order) - 1
    if n.op is ops.matmul and order == (*range(last - 1), last, last - 1):
        left, right = n.inputs
        swapped = [b.add(ops.permute, [m], order=order) for m in (right, left)]
        return b.add(ops.matmul, swapped)
    return None


@rule("slice", "the whole")
def _slice(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    shape = tuple(n.type.shape)
    if tuple(a["stops"]) == shape and not any(a["starts"]) and set(a["steps"]) <= {1}:
        return n
    if n.op is ops.full:
        return _moved_constant(b, n, ops.slice_.infer((n.type,), a).shape)
    return None


@rule("pad", "nothing added")
def _pad(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    return x[0] if not any(a["low"]) and not any(a["high"]) else None


@rule("update_slice", "all of it replaced, or nothing")
def _update_slice(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    if x[1].type.size == 0:
        return x[0]
    return x[1] if x[0].type.shape == x[1].type.shape else None


@rule("cat", "operands without elements; one operand is the whole")
def _cat(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    full = [n for n in x if n.type.size]
    if len(full) == 1:
        return full[0]
    return b.add(ops.cat, full, **a) if len(full) < len(x) else None


def _sum_of_nothing(b: Builder, x: list[Node], a: dict[str, Any], op: Op) -> Node | None:
    if all(n.type.size for n in x):
        return None
    inferred: Any = op.infer(tuple(n.type for n in x), a)
    return b.full(0, inferred.shape, inferred.dtype)


for _op in (ops.pad, ops.matmul, ops.put_add, ops.scatter_add, ops.sum_):
    rule(_op.name, "a sum without terms, or a frame around nothing, is zero")(
        partial(_sum_of_nothing, op=_op)
    )


@rule("get", "an item of a tuple at hand")
def _get(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    return x[0].inputs[a["index"]] if x[0].op is ops.tuple_ else None


def _reduce_trivial(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if all(n.type.shape[axis] == 1 for axis in a["axes"]):
        return n
    return None


for _name in ("sum", "max", "min"):
    rule(_name, "axes of size 1 only")(_reduce_trivial)


@rule("sum", "a sum of one number is a product")
def _sum_constant(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    value = constant_of(n)
    if value is None or isinstance(value, bool):
        return None
    shape = tuple(1 if i in set(a["axes"]) else s for i, s in enumerate(n.type.shape))
    terms = math.prod(n.type.shape[i] for i in a["axes"])
    if not isinstance(terms, Extent):
        return b.full(value * terms, shape, n.type.dtype)
    count = b.add(ops.cast, [b.add(ops.extent, (), size=terms)], dtype=n.type.dtype)
    total = b.add(ops.mul, [count, b.full(value, (), n.type.dtype)])
    return b.add(ops.broadcast_to, [total], shape=shape)


@rule("extent", "a size that is known")
def _extent(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    size = a["size"]
    return None if isinstance(size, Extent) else b.full(size, (), int64, weak=True)


# ---------------------------------------------------------------- arithmetic


@rule("add", "x + 0 (only -0, or 0 for integers, keeps the sign of zero)")
def _add(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    for one, other in ((x[0], x[1]), (x[1], x[0])):
        value = constant_of(other)
        if value is not None and value == 0 and one.type.dtype.kind != "b":
            return one
    return None


@rule("sub", "x - 0")
def _sub(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    value = constant_of(x[1])
    return x[0] if value is not None and value == 0 and x[0].type.dtype.kind != "b" else None


@rule("mul", "x * 1, x * -1")
def _mul(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    for one, other in ((x[0], x[1]), (x[1], x[0])):
        if _is(other, 1):
            return one
        if _is(other, -1) and one.type.dtype.is_floating_point:
            return b.add(ops.neg, [one])
    return None


@rule("div", "x / 1; a power of two divides exactly as a product")
def _div(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    value = constant_of(x[1])
    if value is None or not x[0].type.dtype.is_floating_point or value == 0:
        return None
    if value == 1:
        return x[0]
    if math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5 and 2**-60 < abs(value) < 2**60:
        return b.add(ops.mul, [x[0], b.like(1 / value, x[0])])
    return None


@rule("neg", "two in a row cancel")
def _neg(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    return x[0].inputs[0] if x[0].op is ops.neg else None


@rule("pow", "small powers are products; 0.5 and -0.5 are roots")
def _pow(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    base, exponent = x[0], constant_of(x[1])
    if exponent is None:
        return None
    if exponent == 0:
        return b.like(1, base)
    if exponent == 1:
        return base
    if exponent == 2:
        return b.add(ops.mul, [base, base])
    if exponent == 3:
        return b.add(ops.mul, [b.add(ops.mul, [base, base]), base])
    if not base.type.dtype.is_floating_point:
        return None
    if exponent == -1:
        return b.add(ops.div, [b.like(1, base), base])
    if exponent == 0.5:
        return b.add(ops.sqrt, [base])
    if exponent == -0.5:
        return b.add(ops.rsqrt, [base])
    return None


@rule("where", "both branches equal, or a known condition")
def _where(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    known = constant_of(x[0])
    if x[1] is x[2]:
        return x[1]
    return None if known is None else (x[1] if known else x[2])


# -------------------------------------------------------------- stable forms


@rule("log", "log(exp(a) / b) = a - log(b): no underflow of a small probability")
def _log_quotient(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.op is ops.div and n.inputs[0].op is ops.exp:
        top, bottom = n.inputs
        return b.add(ops.sub, [top.inputs[0], _log_below(b, bottom)])
    return None


def _log_below(b: Builder, n: Node) -> Node:
    """log of a node, taken before it is broadcast."""
    if n.op is ops.broadcast_to:
        return b.add(ops.broadcast_to, [b.add(ops.log, n.inputs)], **n.attrs)
    return b.add(ops.log, [n])


@rule("log", "log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)): no overflow")
def _log_one_plus_exp(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.op is not ops.add:
        return None
    for one, other in ((n.inputs[0], n.inputs[1]), (n.inputs[1], n.inputs[0])):
        if _is(one, 1) and other.op is ops.exp:
            return _softplus(b, other.inputs[0])
    return None


@rule("log", "log(sigmoid(x)) = -softplus(-x): no underflow")
def _log_sigmoid(b: Builder, x: list[Node], a: dict[str, Any]) -> Node | None:
    (n,) = x
    if n.op is not ops.sigmoid:
        return None
    return b.add(ops.neg, [_softplus(b, b.add(ops.neg, n.inputs))])


def _softplus(b: Builder, x: Node) -> Node:
    size = b.add(ops.neg, [b.add(ops.abs_, [x])])
    tail = b.add(ops.log1p, [b.add(ops.exp, [size])])
    return b.add(ops.add, [b.add(ops.maximum, [x, b.like(0, x)]), tail])
