"""Simpler control flow: loops merged, results and operands that nobody needs left out.

A derivative of a scan brings a scan of its own that computes the same carry and keeps more, or
computes tangents beside it; both become one, as do choices by one predicate. What is decided
beforehand (a constant predicate, no steps) is expanded, and what a loop need not do step by step is
moved out of it (``motion``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, dependents, needed
from tinytorch.passes.graph.motion import move_out_of_loops
from tinytorch.passes.graph.rebuild import CONTROL, copy_nodes, inline, rebuild


def simplify_control(graph: Graph) -> Graph:
    """Return an equal graph with less control flow, or the graph itself."""
    if not any(n.op.name in CONTROL for n in graph):
        return graph
    pair = _mergeable(graph)
    while pair is not None:
        graph = _merged(graph, pair)
        pair = _mergeable(graph)
    return _pruned(move_out_of_loops(_pruned(graph)))


def _pruned(graph: Graph) -> Graph:
    while True:  # what one loop no longer needs, another no longer computes
        smaller = _Pruning(graph).run()
        if smaller is graph:
            return graph
        graph = smaller


# --------------------------------------------------------------------- merging


class _Union:
    """Two scans as one, if the carry of one is part of the other's."""

    def __init__(self, first: Node, second: Node) -> None:
        self.scans = (first, second)
        self.parts = [ops.scan_parts(s.inputs, s.attrs) for s in self.scans]
        a, b = (p.carry for p in self.parts)
        shared = {i for i in range(min(len(a), len(b))) if a[i] is b[i]}
        while True:  # assume carries equal, and see which stay so
            self.shared = shared
            self._build()
            equal = {i for i in shared if self.outputs[0][i] is self.outputs[1][i]}
            if equal == shared:
                break
            shared = equal
        smaller = min(len(a), len(b))
        common = {*self.parts[0].xs} & {*self.parts[1].xs}
        self.possible = len(shared) == smaller and (smaller > 0 or bool(common))

    def _build(self) -> None:
        self.body = Graph(self.scans[0].attrs["body"].name)
        self.body.default_dtype = self.scans[0].attrs["body"].default_dtype
        self.operands: tuple[list[Node], list[Node], list[Node]] = ([], [], [])
        taken: dict[Any, Node] = {}
        order: list[list[Node]] = [[], []]
        for kind in range(3):
            for which, scan in enumerate(self.scans):
                inner = ops.scan_parts(scan.attrs["body"].inputs, scan.attrs)[kind]
                pairs = zip(self.parts[which][kind], inner, strict=True)
                for position, (operand, node) in enumerate(pairs):
                    key: Any = (kind, operand)
                    if kind == 0:
                        key = (position, 0 if position in self.shared else which)
                    if key not in taken:
                        name = scan.attrs["body"].names.get(node, "")
                        taken[key] = self.body.add_input(node.type, name)
                        self.operands[kind].append(operand)
                    order[which].append(taken[key])
        self.outputs = [
            inline(self.body, scan.attrs["body"], inputs)
            for scan, inputs in zip(self.scans, order, strict=True)
        ]

    def finish(self, known: dict[Node, Node], target: Graph) -> tuple[Node, list[list[int]]]:
        """Add the one scan; and for each of the two, where its results are among the one's."""
        carried: list[Node] = []
        stacked: list[Node] = []
        places: list[list[int]] = [[], []]
        for which, outputs in enumerate(self.outputs):
            for i in range(self.scans[which].attrs["carries"]):
                if which == 1 and i in self.shared:
                    places[1].append(i)
                else:
                    places[which].append(len(carried))
                    carried.append(outputs[i])
        for which, outputs in enumerate(self.outputs):
            for node in outputs[self.scans[which].attrs["carries"] :]:
                if node not in stacked:
                    stacked.append(node)
                places[which].append(len(carried) + stacked.index(node))
        self.body.outputs = [*carried, *stacked]
        attrs = {
            **self.scans[0].attrs, "body": self.body.freeze(), "carries": len(carried),
            "slices": len(self.operands[1]),
        }  # fmt: skip
        operands = [known[n] for kind in self.operands for n in kind]
        return target.add(ops.scan_, operands, **attrs), places


class _Choice:
    """Two conds with one predicate as one."""

    def __init__(self, first: Node, second: Node) -> None:
        self.scans = (first, second)

    def finish(self, known: dict[Node, Node], target: Graph) -> tuple[Node, list[list[int]]]:
        """See ``_Union``."""
        operands = list(dict.fromkeys(n for c in self.scans for n in c.inputs[1:]))
        branches: dict[str, Graph] = {}
        results: list[list[Node]] = []
        for which in ("true", "false"):
            new = Graph(self.scans[0].attrs[which].name)
            new.default_dtype = self.scans[0].attrs[which].default_dtype
            inputs = {n: new.add_input(n.type, f"x{i}") for i, n in enumerate(operands)}
            results.append([
                out for c in self.scans
                for out in inline(new, c.attrs[which], [inputs[n] for n in c.inputs[1:]])
            ])  # fmt: skip
            branches[which] = new
        pairs = list(zip(*results, strict=True))
        distinct = list(dict.fromkeys(pairs))
        for new, outputs in zip(branches.values(), zip(*distinct, strict=True), strict=True):
            new.outputs = list(outputs)
            new.freeze()
        at = [distinct.index(pair) for pair in pairs]
        count = len(self.scans[0].type.items)
        predicate = known[self.scans[0].inputs[0]]
        chosen = target.add(ops.cond, [predicate, *(known[n] for n in operands)], **branches)
        return chosen, [at[:count], at[count:]]


def _mergeable(graph: Graph) -> _Union | _Choice | None:
    """Two loops of one length and direction, or two choices, of which neither needs the other."""
    live = graph.live()
    conds = [n for n in graph if n.op is ops.cond and n in live]
    for position, first in enumerate(conds):
        others = [c for c in conds[position + 1 :] if c.inputs[0] is first.inputs[0]]
        behind = dependents(graph, [first]) if others else set()
        for second in others:
            if second not in behind:
                return _Choice(first, second)
    scans = [n for n in graph if n.op is ops.scan_ and n in live]
    for position, first in enumerate(scans):
        behind = dependents(graph, [first])
        for second in scans[position + 1 :]:
            alike = all(first.attrs[k] == second.attrs[k] for k in ("length", "reverse"))
            if alike and second not in behind:
                union = _Union(first, second)
                if union.possible:
                    return union
    return None


def _merged(graph: Graph, union: _Union | _Choice) -> Graph:
    """Rebuild a graph with the two as one, where the first one stood."""
    first, second = union.scans
    new = Graph(graph.name)
    new.default_dtype = graph.default_dtype
    known = {n: new.add_input(n.type, graph.names.get(n, "")) for n in graph.inputs}
    live = graph.live()
    places: dict[Node, list[int]] = {}

    def replace(target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op is ops.get and node.inputs[0] in places:
            index = places[node.inputs[0]][node.attrs["index"]]
            return target.add(ops.get, operands, index=index)
        return None

    for node in graph:
        if node not in live or node in known:
            continue
        if node is first:
            copy_nodes(new, graph, known, needed((*first.inputs, *second.inputs), known), replace)
            new.origin = next(iter(graph.origins.get(first, ())), None)
            scan, (places[first], places[second]) = union.finish(known, new)
            new.origin = None
            known[first] = known[second] = scan
        else:
            copy_nodes(new, graph, known, [node], replace)
    new.outputs = [known[n] for n in graph.outputs]
    new.updates = {known[s]: known[v] for s, v in graph.updates.items()}
    return new.freeze()


# --------------------------------------------------------------------- pruning


class _Pruning:
    """One sweep that leaves out results nobody reads and operands nobody needs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.changed = False
        live = graph.live()
        self.used: dict[Node, set[int]] = {n: set() for n in live if n.op.name in CONTROL}
        for node in live:
            if node.op is ops.get and node.inputs[0] in self.used:
                self.used[node.inputs[0]].add(node.attrs["index"])
        self.items: dict[Node, dict[int, Node]] = {}

    def run(self) -> Graph:
        """The graph with less in it, or the very same one."""
        smaller = rebuild(self.graph, self._replace)
        return smaller if self.changed else self.graph

    def _replace(self, target: Graph, node: Node, operands: list[Node]) -> Node | None:
        if node.op is ops.get and node.inputs[0] in self.items:
            return self.items[node.inputs[0]][node.attrs["index"]]
        if node.op.name not in CONTROL:
            return None
        rule = {"cond": self._cond, "scan": self._scan, "while": self._while}
        return rule[node.op.name](target, node, operands)

    def _expanded(self, node: Node, results: Sequence[Node], stand_in: Node) -> Node:
        self.changed = True
        self.items[node] = dict(enumerate(results))
        return stand_in

    def _smaller(
        self, target: Graph, node: Node, operands: list[Node], attrs: Any, kept: list[int],
        known: dict[int, Node],
    ) -> Node:  # fmt: skip
        """The node with fewer results: ``kept`` ones, and those ``known`` without it."""
        self.changed = True
        new = target.add(node.op, operands, **attrs)
        items = {i: target.add(ops.get, [new], index=at) for at, i in enumerate(kept)}
        self.items[node] = {**items, **known}
        return new

    def _cond(self, target: Graph, node: Node, operands: list[Node]) -> Node | None:
        predicate, rest = operands[0], operands[1:]
        true, false = node.attrs["true"], node.attrs["false"]
        if predicate.op is ops.full:
            chosen = true if predicate.attrs["value"] else false
            return self._expanded(node, inline(target, chosen, rest), predicate)
        outputs = sorted(self.used[node])
        inputs = sorted(
            {i for g in (true, false) for i in _read(g, [g.outputs[o] for o in outputs])}
        )
        if len(outputs) == len(true.outputs) and len(inputs) == len(rest):
            return None
        attrs = {k: _restricted(node.attrs[k], inputs, outputs) for k in ("true", "false")}
        kept = [predicate, *(rest[i] for i in inputs)]
        return self._smaller(target, node, kept, attrs, outputs, {})

    def _scan(self, target: Graph, node: Node, operands: list[Node]) -> Node | None:
        attrs, body = node.attrs, node.attrs["body"]
        count = attrs["carries"]
        if attrs["length"] == 0:
            empty = [target.constant(0, t.shape, t.dtype) for t in node.type.items[count:]]
            results = [*operands[:count], *empty]
            return self._expanded(node, results, target.constant(0))
        constant = {i for i in range(count) if body.outputs[i] is body.inputs[i]}
        known = {i: operands[i] for i in constant}
        stacked = sorted(i for i in self.used[node] if i >= count)
        carries = {i for i in self.used[node] if i < count} - constant
        inputs: set[int] = set()
        while True:  # a carry is needed if what is needed reads it
            inputs = _read(body, [body.outputs[i] for i in (*sorted(carries), *stacked)])
            reached = {i for i in inputs if i < count} - constant
            if reached <= carries:
                break
            carries |= reached
        outputs = [*sorted(carries), *stacked]
        _, xs, constants = ops.scan_parts(range(len(operands)), attrs)
        kept_xs = [i for i in xs if i in inputs]
        order = [*sorted(carries), *kept_xs]
        order += [*sorted(constant & inputs), *(i for i in constants if i in inputs)]
        if not constant and len(order) == len(operands) and len(outputs) == len(body.outputs):
            return None
        new = {
            **attrs, "body": _restricted(body, order, outputs), "carries": len(carries),
            "slices": len(kept_xs),
        }  # fmt: skip
        return self._smaller(target, node, [operands[i] for i in order], new, outputs, known)

    def _while(self, target: Graph, node: Node, operands: list[Node]) -> Node | None:
        condition, body = node.attrs["condition"], node.attrs["body"]
        count = node.attrs["carries"]
        constant = {i for i in range(count) if body.outputs[i] is body.inputs[i]}
        known = {i: operands[i] for i in constant}
        tested = _read(condition, condition.outputs)
        carries = ({*self.used[node]} | {i for i in tested if i < count}) - constant
        while True:
            inputs = tested | _read(body, [body.outputs[i] for i in sorted(carries)])
            reached = {i for i in inputs if i < count} - constant
            if reached <= carries:
                break
            carries |= reached
        outputs = sorted(carries)
        order = [*outputs, *sorted(constant & inputs)]
        order += [i for i in range(count, len(operands)) if i in inputs]
        if not constant and len(order) == len(operands):
            return None
        new = {
            "condition": _restricted(condition, order, [0]),
            "body": _restricted(body, order, outputs), "carries": len(outputs),
        }  # fmt: skip
        return self._smaller(target, node, [operands[i] for i in order], new, outputs, known)


def _read(graph: Graph, outputs: Iterable[Node]) -> set[int]:
    """Inputs that some outputs, and what can fail, depend on."""
    found = set(needed([*outputs, *graph.effects], ()))
    return {i for i, n in enumerate(graph.inputs) if n in found}


def _restricted(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    """The graph with some of its inputs and outputs, in a new order."""
    new = Graph(graph.name)
    new.default_dtype = graph.default_dtype
    known: dict[Node, Node] = {}
    for i in inputs:
        node = graph.inputs[i]
        known[node] = new.add_input(node.type, graph.names.get(node, ""))
    wanted = [graph.outputs[i] for i in outputs]
    copy_nodes(new, graph, known, needed([*wanted, *graph.effects], known))
    new.outputs = [known[n] for n in wanted]
    return new.freeze()
