"""The batching rules of ops that hold graphs: calls, derivatives by users, control flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_, int64
from tinytorch.passes.graph.batching.core import Batch, Value, rule
from tinytorch.passes.graph.rebuild import inline


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


# --------------------------------------------------------------- control flow


@rule("cond")
def _cond(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> list[Value]:
    """A shared predicate chooses a branch for all; else both run, and each example chooses."""
    predicate, operands = xs[0], xs[1:]
    flags = [x.batched for x in operands]
    if predicate.batched:
        return _both_branches(b, predicate.handle, operands, attrs)
    found = [b.inner(attrs[name], flags, None)[1] for name in ("true", "false")]
    force = [x or y for x, y in zip(*found, strict=True)]
    branches = {name: b.inner(attrs[name], flags, force)[0] for name in ("true", "false")}
    return _items(b, b.apply(op, [x.handle for x in xs], **branches), force)


def _both_branches(
    b: Batch, predicate: Proxy, operands: Sequence[Value], attrs: Any
) -> list[Value]:
    flags = [x.batched for x in operands]
    results = []
    for name in ("true", "false"):
        branch: Graph = attrs[name]
        if _can_fail(branch):
            raise NotImplementedError(
                "vmap: a cond whose predicate differs from example to example runs both branches, "
                f"and branch {branch.name} can fail at run time (an index, a division)"
            )
        graph, _ = b.inner(branch, flags, [True] * len(branch.outputs))
        results.append(inline(b.graph, graph, [x.handle.node for x in operands]))
    return [
        Value(Proxy(b.graph, _select(b.graph, predicate.node, x, y)), True)
        for x, y in zip(*results, strict=True)
    ]


def _can_fail(graph: Graph) -> bool:
    held = [v for n in graph for v in n.attrs.values() if isinstance(v, Graph)]
    return any(n.op.effect for n in graph) or any(_can_fail(g) for g in held)


def _select(graph: Graph, condition: Node, x: Node, y: Node) -> Node:
    """x for the examples where a condition holds, y for the others."""
    shape = x.type.shape
    aligned = graph.add(ops.reshape, [condition], shape=(shape[0], *(1 for _ in shape[1:])))
    return graph.add(ops.where, [graph.add(ops.broadcast_to, [aligned], shape=shape), x, y])


def _settled(b: Batch, body: Graph, flags: list[bool], carries: int) -> list[bool]:
    """Which inputs of a loop's body have the batch axis: a carry that gets it once has it."""
    while True:
        _, found = b.inner(body, flags, None)
        now = [x or y for x, y in zip(flags[:carries], found[:carries], strict=True)]
        if now == flags[:carries]:
            return flags
        flags = [*now, *flags[carries:]]


def _swapped(b: Batch, x: Proxy) -> Proxy:
    """The first two axes swapped: steps and examples."""
    return b.apply(ops.permute, [x], order=(1, 0, *range(2, x.aval.ndim)))


@rule("scan")
def _scan(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> list[Value]:
    carries, slices = attrs["carries"], attrs["slices"]
    body: Graph = attrs["body"]
    flags = _settled(b, body, [x.batched for x in xs], carries)
    count = len(body.outputs)
    _, found = b.inner(body, flags, None)
    force = [*flags[:carries], *found[carries:]]
    graph, _ = b.inner(body, flags, force)
    operands = []
    for i, (x, flag) in enumerate(zip(xs, flags, strict=True)):
        handle = b.lead(x) if flag else x.handle
        stacked = flag and carries <= i < carries + slices
        operands.append(_swapped(b, handle) if stacked else handle)
    looped = b.apply(op, operands, **{**attrs, "body": graph})
    results = _items(b, looped, force)
    return [
        Value(_swapped(b, y.handle), True) if y.batched and carries <= i < count else y
        for i, y in enumerate(results)
    ]


@rule("while")
def _while(b: Batch, op: Op, xs: Sequence[Value], attrs: Any) -> list[Value]:
    """The loop runs as long as any example wants to; those that are done keep their carry."""
    carries = attrs["carries"]
    body, condition = attrs["body"], attrs["condition"]
    flags = _settled(b, body, [x.batched for x in xs], carries)
    if b.inner(condition, flags, None)[1][0]:
        flags = [True] * carries + flags[carries:]
        flags = _settled(b, body, flags, carries)
        for graph in (body, condition):
            if _can_fail(graph):
                raise NotImplementedError(
                    "vmap: a while_loop whose condition differs from example to example goes on "
                    f"for those that are done, and {graph.name} can fail at run time"
                )
        wanted, _ = b.inner(condition, flags, [True])
        step, _ = b.inner(body, flags, flags[:carries])
        loop = {"condition": _any(wanted), "body": _masked(wanted, step, carries)}
    else:
        loop = {
            "condition": b.inner(condition, flags, None)[0],
            "body": b.inner(body, flags, flags[:carries])[0],
        }
    operands = [b.lead(x) if flag else x.handle for x, flag in zip(xs, flags, strict=True)]
    return _items(b, b.apply(op, operands, carries=carries, **loop), flags[:carries])


def _like(graph: Graph, name: str) -> tuple[Graph, list[Node]]:
    """A graph with the same inputs."""
    new = Graph(name)
    new.default_dtype = graph.default_dtype
    return new, [new.add_input(n.type, graph.names.get(n, "")) for n in graph.inputs]


def _any(condition: Graph) -> Graph:
    """Whether a condition holds for any example."""
    new, inputs = _like(condition, f"{condition.name}_any")
    (each,) = inline(new, condition, inputs)
    numbers = new.add(ops.cast, [each], dtype=int64)
    total = new.add(ops.reshape, [new.add(ops.sum_, [numbers], axes=(0,))], shape=())
    new.outputs = [new.add(ops.cast, [total], dtype=bool_)]
    return new.freeze()


def _masked(condition: Graph, body: Graph, carries: int) -> Graph:
    """One step for the examples that want it."""
    new, inputs = _like(body, f"{body.name}_masked")
    (each,) = inline(new, condition, inputs)
    new.outputs = [
        _select(new, each, after, before)
        for after, before in zip(inline(new, body, inputs), inputs[:carries], strict=True)
    ]
    return new.freeze()
