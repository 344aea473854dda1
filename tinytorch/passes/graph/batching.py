"""Batching: a graph of one example as a graph of many, the engine of ``vmap``.

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
        shape = (self.size, *x.handle.type.shape)
        return self.apply(ops.broadcast_to, [x.handle], shape=shape)

    def front(self, x: Proxy, axis: int) -> Proxy:
        """The value with an axis moved to the front."""
        rest = [i for i in range(x.type.ndim) if i != axis]
        return self.apply(ops.permute, [x], order=(axis, *rest)) if axis else x

    def inner(self, graph: Graph, flags: Sequence[bool], force: Sequence[bool] | None) -> Any:
        """Batch a sub-graph in the same way."""
        return batch(graph, flags, self.size, self.randomness, self.draws, force)


Rule: TypeAlias = Callable[[Batch, Op, Sequence[Value], Any], Any]
"""From operands, at least one with the batch axis, to the result with it.

Ops with several results give a list of Values.
"""
FAMILIES: dict[str, Rule] = {}
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
    if op is ops.random_bits:
        return _random(b, operands, attrs)
    if any(x.batched for x in operands):
        found = rule_of(op)(b, op, operands, attrs)
        return found if isinstance(found, list) else Value(found, True)
    plain = b.apply(op, [x.handle for x in operands], **attrs)
    if op.family != "structure":
        return Value(plain, False)
    items = range(len(node.type.items))
    return [Value(b.apply(ops.get, [plain], index=i), False) for i in items]


# ------------------------------------------------------------------- families


def _elementwise(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [b.lead(x) for x in xs], **attrs)


def _along_axes(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """Ops that name the axes they work along as ``axes``."""
    moved = {**attrs, "axes": tuple(a + 1 for a in attrs["axes"])}
    return b.apply(op, [b.lead(x) for x in xs], **moved)


def _along_axis(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """Ops that work along one ``axis`` on operands of one rank."""
    return b.apply(op, [b.lead(x) for x in xs], **{**attrs, "axis": attrs["axis"] + 1})


FAMILIES["elementwise"] = _elementwise
FAMILIES["reduction"] = _along_axes
FAMILIES["scan"] = _along_axis
FAMILIES["ordering"] = _along_axis

for _name in ("gather", "scatter_add", "scatter_max", "scatter_min", "scatter_prod", "cat"):
    RULES[_name] = _along_axis
RULES["flip"] = _along_axes
RULES["barrier"] = _elementwise

# ------------------------------------------------------------------- movement


@rule("reshape")
def _reshape(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], shape=(b.size, *attrs["shape"]))


@rule("broadcast_to")
def _broadcast_to(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, shape = xs[0].handle, tuple(attrs["shape"])
    sizes = x.type.shape[1:]
    aligned = (b.size, *(1,) * (len(shape) - len(sizes)), *sizes)
    if aligned != x.type.shape:
        x = b.apply(ops.reshape, [x], shape=aligned)
    return b.apply(op, [x], shape=(b.size, *shape))


@rule("permute")
def _permute(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], order=(0, *(i + 1 for i in attrs["order"])))


@rule("slice")
def _slice(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(
        op, [xs[0].handle], starts=(0, *attrs["starts"]), stops=(b.size, *attrs["stops"]),
        steps=(1, *attrs["steps"]),
    )  # fmt: skip


@rule("pad")
def _pad(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(op, [xs[0].handle], low=(0, *attrs["low"]), high=(0, *attrs["high"]))


@rule("update_slice")
def _update_slice(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    return b.apply(
        op, [b.lead(x) for x in xs], starts=(0, *attrs["starts"]), steps=(1, *attrs["steps"])
    )


@rule("strided")
def _strided(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    shape = (b.size, *attrs["shape"])
    along = (1, *(0 for _ in attrs["shape"]))
    steps = (along, *((0, *row) for row in attrs["steps"]))
    return b.apply(op, [xs[0].handle], shape=shape, offsets=(0, *attrs["offsets"]), steps=steps)


# ---------------------------------------------------------------- contraction


@rule("matmul")
def _matmul(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    """One product of all rows where the second matrix is shared; else a batch of products."""
    x, y = xs
    if not y.batched and y.handle.type.ndim == 2:
        rows, inner = x.handle.type.shape[1:]
        flat = b.apply(ops.reshape, [x.handle], shape=(b.size * rows, inner))
        columns = y.handle.type.shape[1]
        product = b.apply(op, [flat, y.handle])
        return b.apply(ops.reshape, [product], shape=(b.size, rows, columns))
    return b.apply(op, [b.lead(x), b.lead(y)])


# ------------------------------------------------------------------- indexing


def _offset(b: Batch, index: Proxy, step: int) -> Proxy:
    """Positions in one long axis of all examples, ``step`` an example."""
    shape = index.type.shape
    example = b.apply(ops.iota, [], shape=shape, axis=0)
    start = b.apply(ops.mul, [example, index.constant(step)])
    return b.apply(ops.add, [index, start])


@rule("take")
def _take(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, index = xs
    axis = attrs["axis"]
    if not index.batched:
        return b.apply(op, [x.handle, index.handle], axis=axis + 1)
    if not x.batched:
        return b.front(b.apply(op, [x.handle, index.handle], axis=axis), axis)
    # The examples' slices along the axis in one row, and each example's own part of it.
    values = b.front(b.front(x.handle, axis + 1), 1)  # example, axis, the others
    size, *others = values.type.shape[1:]
    row = b.apply(ops.reshape, [values], shape=(b.size * size, *others))
    found = b.apply(op, [row, _offset(b, index.handle, size)], axis=0)
    return _placed(b, found, index.handle.type.ndim - 1, axis)


def _placed(b: Batch, x: Proxy, count: int, axis: int) -> Proxy:
    """Axes 1 to ``count`` moved to stand at ``axis`` of an example."""
    ndim = x.type.ndim
    moved, rest = list(range(1, count + 1)), list(range(count + 1, ndim))
    order = (0, *rest[:axis], *moved, *rest[axis:])
    return b.apply(ops.permute, [x], order=order) if order != tuple(range(ndim)) else x


@rule("put_add")
def _put_add(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> Proxy:
    x, index = xs
    axis, size = attrs["axis"], attrs["size"]
    if not index.batched:
        return b.apply(op, [x.handle, index.handle], axis=axis + 1, size=size)
    values, count = b.lead(x), index.handle.type.ndim - 1
    ndim = values.type.ndim
    moved = list(range(axis + 1, axis + 1 + count))
    rest = [i for i in range(1, ndim) if i not in moved]
    values = b.apply(ops.permute, [values], order=(0, *moved, *rest))
    others = values.type.shape[count + 1 :]
    row = b.apply(op, [values, _offset(b, index.handle, size)], axis=0, size=b.size * size)
    return _placed(b, b.apply(ops.reshape, [row], shape=(b.size, size, *others)), 1, axis)


# --------------------------------------------------------------------- random


def _random(b: Batch, xs: Sequence[Value], attrs: Any) -> Value:
    """Draws of all examples: example e's counters follow those of e - 1 by ``draws``."""
    if b.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap"
        )
    (state,) = xs
    if state.batched:
        raise NotImplementedError("vmap: a random generator's state with a batch axis")
    if b.randomness == "same":
        return Value(b.apply(ops.random_bits, [state.handle], **attrs), False)
    shape = tuple(attrs["shape"])
    count = 1
    for n in shape:
        count *= n
    drawn = b.apply(
        ops.random_bits, [state.handle], shape=(b.size, b.draws), offset=attrs["offset"]
    )
    own = b.apply(ops.slice_, [drawn], starts=(0, 0), stops=(b.size, count), steps=(1, 1))
    return Value(b.apply(ops.reshape, [own], shape=(b.size, *shape)), True)


# ------------------------------------------------------------------ structure


def _items(b: Batch, node: Proxy, flags: Sequence[bool]) -> list[Value]:
    return [Value(b.apply(ops.get, [node], index=i), flag) for i, flag in enumerate(flags)]


@rule("call")
def _call(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> list[Value]:
    graph, flags = b.inner(attrs["graph"], [x.batched for x in xs], None)
    return _items(b, b.apply(op, [x.handle for x in xs], graph=graph), flags)


@rule("custom")
def _custom(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> list[Value]:
    backward: Graph = attrs["backward"]
    graph, _ = b.inner(backward, [True] * len(backward.inputs), [True] * len(backward.outputs))
    linked = b.apply(op, [b.lead(x) for x in xs], **{**attrs, "backward": graph})
    return _items(b, linked, [True] * attrs["results"])
