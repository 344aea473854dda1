"""Derivatives of control flow: ``cond``, ``scan``, ``while``.

Each is the same op on transformed sub-graphs, so derivatives can be taken again. The VJP of a scan
is a scan the other way round: its carry is the cotangent of the carry and the sums of those of the
constants. What it needs of the forward pass is computed again where that is cheap, else stacked
by a forward scan that ``control`` later merges with the original one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy, needed
from tinytorch.ir.types import TensorType
from tinytorch.passes.graph.choice import pull_cond
from tinytorch.passes.graph.cotangents import Vjp, differentiable, items, started, zeros
from tinytorch.passes.graph.motion.loop import PLAIN
from tinytorch.passes.graph.rebuild import copy_nodes, inline
from tinytorch.passes.graph.residuals import Residuals

Jvp = Vjp


# ------------------------------------------------------------------------- VJP


def pull(
    graph: Graph, node: Node, g: dict[int, Proxy], wanted: Collection[int], vjp: Vjp
) -> list[Proxy | None]:
    """Cotangents of the operands ``wanted``, from those of the results in ``g``."""
    wanted = [i for i in sorted(wanted) if differentiable(node.inputs[i].type)]
    cotangents = {i: c.node for i, c in g.items() if differentiable(node.type.items[i])}
    if not wanted or not cotangents:
        return [None] * len(node.inputs)
    rule = {"cond": pull_cond, "scan": _pull_scan, "while": _pull_while}
    found = rule[node.op.name](graph, node, cotangents, wanted, vjp)
    return [Proxy(graph, found[i]) if i in found else None for i in range(len(node.inputs))]


def _pull_while(
    graph: Graph, node: Node, g: dict[int, Node], wanted: list[int], vjp: Vjp
) -> dict[int, Node]:
    where = graph.origin_of(node)
    raise TraceError(
        f"{where + ': ' if where else ''}reverse-mode differentiation does not work for "
        "while_loop, which would have to keep every step of a number not known beforehand; use "
        "tinytorch.scan, or fori_loop with a fixed number of steps"
    )


def _pull_scan(
    graph: Graph, node: Node, g: dict[int, Node], wanted: list[int], vjp: Vjp
) -> dict[int, Node]:
    carries = node.attrs["carries"]
    active = {i for i in g if i < carries}
    while True:  # until no further carry receives a cotangent
        backward = _BackwardScan(graph, node, g, sorted(active), wanted, vjp)
        reached = {i for i in backward.found if i < carries}
        if reached <= active:
            return backward.run()
        active |= reached


class _BackwardScan:
    """One attempt at a backward scan, for an assumed set of carries with cotangents."""

    def __init__(
        self, graph: Graph, node: Node, g: dict[int, Node], active: list[int], wanted: list[int],
        vjp: Vjp,
    ) -> None:  # fmt: skip
        self.graph, self.node, self.g = graph, node, g
        self.active, self.wanted = active, wanted
        self.attrs = node.attrs
        self.carries = self.attrs["carries"]
        self.stacked = [i for i in sorted(g) if i >= self.carries]
        joint, self.inputs, self.outputs = started(self.attrs["body"], "joint")
        given = [*active, *self.stacked]
        self.seeds = [joint.add_input(self.outputs[i].type, f"cotangent_{i}") for i in given]
        self.joint = joint
        self.forward = set(joint.nodes) - set(self.seeds)
        targets = [
            i for i, n in enumerate(self.inputs)
            if differentiable(n.type) and (i < self.carries or i in wanted)
        ]  # fmt: skip
        found = vjp(
            joint, [self.outputs[i] for i in given], self.seeds, [self.inputs[i] for i in targets]
        )
        self.found = {i: n for i, n in zip(targets, found, strict=True) if n is not None}

    def run(self) -> dict[int, Node]:
        """Add the forward scan that keeps residuals and the backward scan; return cotangents."""
        _, xs, constants = ops.scan_parts(range(len(self.inputs)), self.attrs)
        self.to_xs = [i for i in self.found if i in xs]
        self.to_constants = [i for i in self.found if i in constants]
        carry = self.inputs[: self.carries]
        residuals = Residuals(
            self.joint, self.forward, self.seeds, carry, self.found.values(), self._steady()
        )
        stacks = self._stacks(residuals.saved)
        body, starts, rest = self._body(residuals.saved)
        stacked = [self.g[i] for i in self.stacked]
        backward = self.graph.add(
            ops.scan_, [*starts, *stacked, *stacks, *rest], body=body, carries=len(starts),
            slices=len(self.stacked) + len(stacks) + self.used_xs, length=self.attrs["length"],
            reverse=not self.attrs["reverse"],
        )  # fmt: skip
        results = dict(
            zip([*self.active, *self.to_constants, *self.to_xs], items(self.graph, backward),
                strict=True)
        )  # fmt: skip
        return {i: n for i, n in results.items() if i in self.wanted}

    def _steady(self) -> set[Node]:
        """Values that depend on constants alone: what ``motion`` computes ahead of a loop."""
        _, _, constants = ops.scan_parts(self.inputs, self.attrs)
        found = set(constants)
        for n in self.joint:
            plain = n.op.family in PLAIN and not n.op.effect and n.op is not ops.input_
            if plain and found.issuperset(n.inputs):
                found.add(n)
        return found

    def _stacks(self, saved: list[Node]) -> list[Node]:
        """Stacked values of the forward pass: results that are there, or of a scan that has more.

        The body of that scan is the original one with further outputs.
        """
        known = {n: i for i, n in enumerate(self.outputs) if i >= self.carries}
        more = [n for n in saved if n not in known]
        source, start = self.node, len(self.outputs)
        if more:
            body = Graph(f"{self.attrs['body'].name}_saving")
            body.default_dtype = self.joint.default_dtype
            copied = {n: body.add_input(n.type, self.joint.names[n]) for n in self.inputs}
            effects = [n for n in self.joint.effects if n in self.forward]
            wanted = [*self.outputs, *more, *effects]
            copy_nodes(body, self.joint, copied, needed(wanted, copied))
            body.outputs = [copied[n] for n in (*self.outputs, *more)]
            attrs = {**self.attrs, "body": body.freeze()}
            source = self.graph.add(ops.scan_, self.node.inputs, **attrs)
        places = {**known, **{n: start + i for i, n in enumerate(more)}}
        return [self.graph.add(ops.get, [source], index=places[n]) for n in saved]

    def _body(self, saved: list[Node]) -> tuple[Graph, list[Node], list[Node]]:
        """The body of the backward scan; operands for its carry, and for xs and constants.

        Its inputs: cotangents of the carry, sums for constants; stacked cotangents, residuals,
        slices of xs; constants.
        """
        body = Graph(f"{self.attrs['body'].name}_backward")
        body.default_dtype = self.joint.default_dtype
        known: dict[Node, Node] = {}
        count = len(self.active)
        for seed in self.seeds[:count]:
            known[seed] = body.add_input(seed.type, f"cotangent_{len(known)}")
        kinds = [TensorType(t.dtype, t.shape) for t in (n.type for n in self.inputs)]
        sums = [body.add_input(kinds[i], f"sum_{i}") for i in self.to_constants]
        for n in (*self.seeds[count:], *saved):
            known[n] = body.add_input(n.type, self.joint.names.get(n, "saved"))
        _, xs, constants = ops.scan_parts(self.inputs, self.attrs)
        place = {n: i for i, n in enumerate(self.inputs)}
        order = needed(self.found.values(), {**known, **dict.fromkeys((*xs, *constants))})
        read = {source for n in order for source in n.inputs} | set(self.found.values())
        used_xs = [n for n in xs if n in read and n not in known]
        used_constants = [n for n in constants if n in read]
        for n in (*used_xs, *used_constants):
            known[n] = body.add_input(n.type, self.joint.names[n])
        copy_nodes(body, self.joint, known, order)
        carried = [
            known[self.found[i]] if i in self.found else zeros(body, self.inputs[i].type)
            for i in self.active
        ]
        summed = [
            body.add(ops.add, [total, known[self.found[i]]])
            for total, i in zip(sums, self.to_constants, strict=True)
        ]
        body.outputs = [*carried, *summed, *(known[self.found[i]] for i in self.to_xs)]
        self.used_xs = len(used_xs)
        starts = [
            self.g[i] if i in self.g else zeros(self.graph, self.inputs[i].type)
            for i in self.active
        ]
        starts += [zeros(self.graph, self.inputs[i].type) for i in self.to_constants]
        rest = [self.node.inputs[place[n]] for n in (*used_xs, *used_constants)]
        return body.freeze(), starts, rest


# ------------------------------------------------------------------------- JVP


def push(
    graph: Graph, node: Node, tangents: Sequence[Proxy | None], jvp: Jvp
) -> dict[int, Proxy]:
    """Tangents of the results, by index, from those of the operands."""
    given = {i: t.node for i, t in enumerate(tangents) if t is not None}
    rule = {"cond": _push_cond, "scan": _push_loop, "while": _push_loop}
    found = rule[node.op.name](graph, node, given, jvp)
    return {i: Proxy(graph, n) for i, n in found.items()}


def _jvp_graph(
    sub: Graph, given: Sequence[int], jvp: Jvp, order: Sequence[int] | None = None
) -> tuple[Graph, list[Node], list[Node | None]]:
    """A graph that takes tangents, too: its outputs, and their tangents.

    ``order`` arranges its inputs: those of ``sub`` by number, then tangents of ``given``.
    """
    new = Graph(f"{sub.name}_jvp")
    new.default_dtype = sub.default_dtype
    count = len(sub.inputs)
    kinds = [n.type for n in (*sub.inputs, *(sub.inputs[i] for i in given))]
    names = [*(sub.names.get(n, "") for n in sub.inputs), *(f"tangent_{i}" for i in given)]
    taken = {i: new.add_input(kinds[i], names[i]) for i in order or range(len(kinds))}
    outputs = inline(new, sub, [taken[i] for i in range(count)])
    primals = [taken[i] for i in given]
    tangents = [taken[count + at] for at in range(len(given))]
    return new, outputs, jvp(new, outputs, primals, tangents)


def _push_cond(graph: Graph, node: Node, given: dict[int, Node], jvp: Jvp) -> dict[int, Node]:
    moved = [i - 1 for i in given]
    branches = [_jvp_graph(node.attrs[b], moved, jvp) for b in ("true", "false")]
    count = range(len(node.type.items))
    kept = [i for i in count if any(found[i] is not None for _, _, found in branches)]
    for new, outputs, found in branches:
        new.outputs = [found[i] or zeros(new, outputs[i].type) for i in kept]
    true, false = (new.freeze() for new, _, _ in branches)
    operands = [*node.inputs, *given.values()]
    chosen = graph.add(ops.cond, operands, true=true, false=false)
    return dict(zip(kept, items(graph, chosen), strict=True))


def _push_loop(graph: Graph, node: Node, given: dict[int, Node], jvp: Jvp) -> dict[int, Node]:
    """A scan or a while loop whose carry holds the tangents, too."""
    carries = node.attrs["carries"]
    active = {i for i in given if i < carries}
    while True:  # until no further carry receives a tangent
        seeds = [*sorted(active), *(i for i in given if i >= carries)]
        order = _regrouped(node, seeds)
        body, outputs, found = _jvp_graph(node.attrs["body"], seeds, jvp, order)
        reached = {i for i in range(carries) if found[i] is not None}
        if reached <= active:
            break
        active |= reached
    pushed = [i for i in range(carries, len(outputs)) if found[i] is not None]
    moved = [found[i] or zeros(body, outputs[i].type) for i in sorted(active)]
    stacked = [t for t in found[carries:] if t is not None]
    body.outputs = [*outputs[:carries], *moved, *outputs[carries:], *stacked]
    tangents = [
        given[i] if i in given else zeros(graph, node.inputs[i].type) for i in seeds
    ]
    everything = [*node.inputs, *tangents]
    attrs = {**node.attrs, "body": body.freeze(), "carries": carries + len(active)}
    if node.op is ops.scan_:
        extra = sum(1 for i in seeds if carries <= i < carries + node.attrs["slices"])
        attrs["slices"] = node.attrs["slices"] + extra
    else:
        attrs["condition"] = _widened(node.attrs["condition"], everything, order)
    loop = graph.add(node.op, [everything[i] for i in order], **attrs)
    places = {i: carries + at for at, i in enumerate(sorted(active))}
    first = len(outputs) + len(active)
    places |= {i: first + at for at, i in enumerate(pushed)}
    return {i: graph.add(ops.get, [loop], index=at) for i, at in places.items()}


def _regrouped(node: Node, seeds: list[int]) -> list[int]:
    """Order of operands and their tangents that puts each kind together: carry, xs, constants."""
    count = len(node.inputs)
    first = node.attrs["carries"]
    second = first + node.attrs.get("slices", 0)
    behind = {i: count + at for at, i in enumerate(seeds)}
    order: list[int] = []
    for low, high in ((0, first), (first, second), (second, count)):
        order += range(low, high)
        order += [behind[i] for i in seeds if low <= i < high]
    return order


def _widened(condition: Graph, operands: list[Node], order: list[int]) -> Graph:
    """The condition of a loop, taking operands of which it reads the first ones only."""
    new = Graph(condition.name)
    new.default_dtype = condition.default_dtype
    taken = {i: new.add_input(operands[i].type, f"x{i}") for i in order}
    new.outputs = inline(new, condition, [taken[i] for i in range(len(condition.inputs))])
    return new.freeze()
