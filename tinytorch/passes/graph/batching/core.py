"""The walk over a graph that batches it, and the tables of rules that it asks.

``batch`` copies a graph, with a leading axis on the inputs that differ from example to example and
on every value that depends on them. There is one rule a family of ops (see ``op.py``), and one an
op where members of a family differ; values shared by all examples are computed once.

The idea, and that of keeping the axis in front, are those of JAX (Bradbury et al., 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy
from tinytorch.ir.op import Op


class Value(NamedTuple):
    """A value of the new graph, and whether it has the batch axis."""

    handle: Proxy
    batched: bool


class Batch(NamedTuple):
    """What rules need to know: the graph to add to and how large the batch is."""

    graph: Graph
    size: Any
    randomness: str
    draws: int

    def apply(self, op: Op, operands: Sequence[Proxy], **attrs: Any) -> Proxy:
        """Add a node for an op whose operands match."""
        return Proxy(self.graph, self.graph.add(op, [x.node for x in operands], **attrs))

    def lead(self, x: Value) -> Proxy:
        """The value with the batch axis in front, repeated if all examples share it."""
        if x.batched:
            return x.handle
        shape = (self.size, *x.handle.aval.shape)
        return self.apply(ops.broadcast_to, [x.handle], shape=shape)

    def front(self, x: Proxy, axis: int) -> Proxy:
        """The value with an axis moved to the front."""
        rest = [i for i in range(x.aval.ndim) if i != axis]
        return self.apply(ops.permute, [x], order=(axis, *rest)) if axis else x

    def inner(self, graph: Graph, flags: Sequence[bool], force: Sequence[bool] | None) -> Any:
        """Batch a sub-graph in the same way."""
        return batch(graph, flags, self.size, self.randomness, self.draws, force)


Rule: TypeAlias = Callable[[Batch, Op, Sequence[Value], Any], Any]
"""From operands, at least one with the batch axis, to the result with it.

Ops with several results give a list of Values, random ones a Value.
"""
FAMILIES: dict[str, Rule] = {}
"""Rules by family, for ops without one of their own in ``RULES``."""
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for some ops."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


def rule_of(op: Op) -> Rule:
    """The rule of an op; raise NotImplementedError, naming it, if there is none."""
    found = RULES.get(op.name) or FAMILIES.get(op.family)
    if found is None:
        raise NotImplementedError(
            f"vmap: op {op.name!r} of family {op.family!r} has no batching rule; write a loop over "
            "the examples and stack the results instead"
        )
    return found


def batch(
    graph: Graph, flags: Sequence[bool], size: Any, randomness: str = "error", draws: int = 0,
    force: Sequence[bool] | None = None,
) -> tuple[Graph, list[bool]]:  # fmt: skip
    """Return a frozen graph of ``size`` examples, and which of its outputs have the batch axis.

    ``flags[i]`` says whether input i has the axis, in front; ``force[j]`` that output j must.
    ``randomness`` is vmap's: an ``error`` (RuntimeError), the ``same`` numbers for all examples, or
    ``different`` ones, those of a loop that makes ``draws`` draws an example.
    """
    new = Graph(f"{graph.name}_batched")
    new.default_dtype = graph.default_dtype
    batching = Batch(new, size, randomness, draws)
    known: dict[Node, Any] = {}
    for node, flag in zip(graph.inputs, flags, strict=True):
        kind = node.type
        if flag:
            kind = type(kind)(kind.dtype, (size, *kind.shape))
        known[node] = Value(Proxy(new, new.add_input(kind, graph.names.get(node, ""))), flag)
    live = graph.live()
    for node in graph:
        if node in live and node not in known:
            origins = graph.origins.get(node, ())
            new.origin = origins[0] if origins else None
            known[node] = _batched(batching, node, [known[n] for n in node.inputs])
    new.origin = None
    outputs: list[Value] = [known[n] for n in graph.outputs]
    if force is not None:
        outputs = [
            Value(batching.lead(x), True) if forced else x
            for x, forced in zip(outputs, force, strict=True)
        ]
    new.outputs = [x.handle.node for x in outputs]
    return new.freeze(), [x.batched for x in outputs]


def _batched(b: Batch, node: Node, operands: list[Any]) -> Any:
    """The value of a node, or the values of its items."""
    op, attrs = node.op, node.attrs
    if op is ops.get:
        return operands[0][attrs["index"]]
    if op is ops.tuple_:
        return operands
    if op.family == "random" or any(x.batched for x in operands):
        found = rule_of(op)(b, op, operands, attrs)
        return Value(found, True) if isinstance(found, Proxy) else found
    plain = b.apply(op, [x.handle for x in operands], **attrs)
    if op.family != "structure":
        return Value(plain, False)
    items = range(len(node.type.items))
    return [Value(b.apply(ops.get, [plain], index=i), False) for i in items]
