"""Fusion: which nodes share a kernel.

Every computed value starts as a group of its own. Groups are merged along the edges between them
while the union is legal: one iteration domain (``domain.make_plan``), no cycle through a third
group, no element read before it is made. Views and constants belong to no group: they are index
maps inside whoever reads them. Scalars that are cheap to compute from stored values are computed
again by each reader instead of costing a launch.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.types import TupleType
from tinytorch.passes.kernel.access import (
    SOURCES,
    awaited,
    base_of,
    bases,
    bases_of,
    storage_of,
)
from tinytorch.passes.kernel.contraction import product_operands
from tinytorch.passes.kernel.domain import Plan, joined, make_plan

MAX_MEMBERS = 400
MAX_BUFFERS = 48
_RECOMPUTE_BELOW = 60
_CHEAP = 2
_STEPS = frozenset(
    {"matmul", "put_add", "scatter_add", "scatter_max", "scatter_min", "scatter_prod"}
)
"""Ops outside the families of scans and orderings that are a step of their own."""


@dataclass
class Group:
    """Nodes of one kernel, in order, with the plan that makes them one."""

    members: list[Node]
    plan: Plan | None
    simple: tuple[int, ...] | None
    """The shape that all members share, if they are elementwise and read each other directly."""
    reads: set[Node]
    """Values that are read from outside."""


@dataclass
class Fused:
    """The result: groups in order, what must be stored, and what readers compute again."""

    groups: list[Group]
    stored: set[Node]
    required: set[Node]
    recomputed: set[Node]
    elements: set[Node]
    """Larger values of which kernels read single elements: each is a parameter of its own, so
    that kernels which differ only in the element are one kernel."""


def fuse(graph: Graph, enabled: bool = True) -> Fused:
    """Partition a simplified graph into kernels."""
    return _Fusion(graph, enabled).run()


def is_compute(node: Node) -> bool:
    """Whether a node computes something (as opposed to being a view, a source or an input)."""
    return node.op.family in ("elementwise", "reduction", "random") or node.op.name in (
        "take", "gather",
    )  # fmt: skip


def is_opaque(node: Node) -> bool:
    """Whether a node is a step of its own: a product, a scatter, a sort, control flow, its results.
    """
    return node.op.family in ("scan", "ordering", "structure") or node.op.name in _STEPS


def _opaque_reads(node: Node) -> list[Node]:
    """The stored values, views among them, that a step of its own reads."""
    if node.op is ops.matmul:
        return [storage_of(operand.base) for operand in product_operands(node)]
    if node.op is ops.get:
        return [node.inputs[0]]
    return [storage_of(n) for n in node.inputs]


class _Fusion:
    def __init__(self, graph: Graph, enabled: bool) -> None:
        self.graph = graph
        self.enabled = enabled
        live = graph.live()
        self.nodes = [n for n in graph if n in live]
        self._waiting = any(n.op is ops.barrier for n in self.nodes)
        self.required = self._required()
        self.elements: set[Node] = set()
        self.recomputed = self._recomputed()
        self._rank = {n: i for i, n in enumerate(self.nodes)}
        self.group_of: dict[Node, int] = {}
        self.groups: dict[int, Group] = {}
        self.flow: nx.DiGraph = nx.DiGraph()
        self._known_bases: dict[Node, list[Node]] = {}

    # ------------------------------------------------------- what is stored

    def _required(self) -> set[Node]:
        """Nodes that need a buffer whatever is fused."""
        found = {storage_of(n) for n in (*self.graph.outputs, *self.graph.updates.values())}
        for node in self.nodes:
            if is_opaque(node):
                found.update(_opaque_reads(node))
            elif node.op.name in ("take", "gather") or node.op.family == "random":
                found.add(base_of(node.inputs[0]))
            elif node.op.name in ("pad", "cat", "update_slice"):
                found.update(base_of(n) for n in node.inputs if base_of(n).op.name not in SOURCES)
        return {n for n in found if n.op.name != "input"}

    def _recomputed(self) -> set[Node]:
        """Cheap scalars of stored scalars: their readers compute them again."""
        cost: dict[Node, int] = {}
        for node in self.nodes:
            if isinstance(node.type, TupleType) or node.type.size != 1:
                continue
            if node.op.name == "input" or is_opaque(node) or node.op.family == "reduction":
                cost[node] = 0
            elif node.op.family == "movement" and self._in_arena(base_of(node)):
                cost[node] = 0  # one element of a larger value, bound by its address
                self.required.add(base_of(node))
                self.elements.add(base_of(node))
            elif node.op.family in ("movement", "source") or is_compute(node):
                parts = [cost.get(n) for n in node.inputs]
                if all(p is not None for p in parts) and node.op.family != "random":
                    cost[node] = node.op.costly + sum(p or 0 for p in parts)
        return {
            n for n, c in cost.items()
            if is_compute(n) and n.op.family == "elementwise" and 0 < c < _RECOMPUTE_BELOW
            and not n.op.effect and not self._after_total(n)
        }  # fmt: skip

    def _in_arena(self, base: Node) -> bool:
        """Whether a larger value is computed here and lives in memory of the program's own."""
        outside = {storage_of(n) for n in (*self.graph.outputs, *self.graph.updates.values())}
        return base.type.size > 1 and is_compute(base) and base not in outside

    def _after_total(self, node: Node) -> bool:
        """Whether a scalar comes from a reduction or a product of this graph."""
        stack, seen = [node], set()
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            if current.op.family == "reduction" or is_opaque(current):
                return True
            stack.extend(current.inputs)
        return False

    # -------------------------------------------------------------- merging

    def run(self) -> Fused:
        """Seed one group a node, then merge along edges."""
        members = [n for n in self.nodes if self._is_member(n)]
        for position, node in enumerate(members):
            simple = tuple(node.type.shape) if node.op.family == "elementwise" else None
            reads = set(self._expanded_bases(node)) - {node}
            self.groups[position] = Group([node], make_plan([node], self.required), simple, reads)
            self.group_of[node] = position
            self.flow.add_node(position)
        for node in self.nodes:
            if is_opaque(node):
                self.flow.add_node(node)
        for node in self.nodes:
            self._add_flow(node)
        if self.enabled:
            for node in members:
                for source in self._sources(node):
                    self._try_merge(self.group_of[source], self.group_of[node])
            self._merge_siblings()
        return self._finish()

    def _is_member(self, node: Node) -> bool:
        if is_opaque(node) or node.type.size == 0:
            return False
        if node in self.required:
            return True
        return is_compute(node) and node not in self.recomputed

    def _bases(self, node: Node) -> list[Node]:
        """What a node reads through views; asked for many times."""
        found = self._known_bases.get(node)
        if found is None:
            found = self._known_bases[node] = bases(node, self.required)
        return found

    def _expanded_bases(self, node: Node) -> list[Node]:
        """Stored or computed values a node needs, looking through recomputed scalars."""
        if is_opaque(node):
            return _opaque_reads(node)
        found: list[Node] = []
        stack = list(self._bases(node))
        seen: set[Node] = set()
        while stack:
            base = stack.pop(0)
            if base in seen:
                continue
            seen.add(base)
            if base in self.recomputed and base not in self.group_of:
                stack.extend(self._bases(base))
            else:
                found.append(base)
        return found

    def _sources(self, node: Node) -> list[Node]:
        return [b for b in self._expanded_bases(node) if b in self.group_of]

    def _place(self, node: Node) -> int | Node | None:
        return self.group_of.get(node, node if is_opaque(node) else None)

    def _add_flow(self, node: Node) -> None:
        place = self._place(node)
        if place is None:
            return
        waits = awaited(node.inputs, self.recomputed) if self._waiting else []
        for base in (*self._expanded_bases(node), *waits):
            source = self._place(base)
            if source is not None and source != place:
                self.flow.add_edge(source, place)

    def _try_merge(self, first: int, second: int) -> bool:
        if first == second:
            return False
        a, b = self.groups[first], self.groups[second]
        if len(a.members) + len(b.members) > MAX_MEMBERS or self._path_between(first, second):
            return False
        if self.elements and self._reads_own_element(a.members + b.members):
            return False
        members = self._ordered(a.members + b.members)
        union = Group(members, self._joined(a, b), None, (a.reads | b.reads).difference(members))
        if a.simple is not None and a.simple == b.simple and self._direct_edges(a, b):
            union.simple = a.simple
        else:
            union.plan = union.plan or make_plan(members, self.required)
            if union.plan is None or len(union.reads) > MAX_BUFFERS:
                return False
        self._contract(first, second, union)
        return True

    def _joined(self, a: Group, b: Group) -> Plan | None:
        """The plan of two groups as one where neither has to be planned anew."""
        if a.plan is None or b.plan is None:
            return None
        inside = set(a.members)
        readers = [n for n in b.members if not inside.isdisjoint(self._bases(n))]
        return joined(a.plan, b.plan, readers, self.required)

    def _reads_own_element(self, members: list[Node]) -> bool:
        """Whether a member reads one element of another, through scalars it computes again."""
        own = self.elements.intersection(members)
        if not own:
            return False
        scalars = {
            b for n in members for b in self._bases(n)
            if b in self.recomputed and b not in self.group_of
        }  # fmt: skip
        return any(not own.isdisjoint(self._expanded_bases(scalar)) for scalar in scalars)

    def _direct_edges(self, a: Group, b: Group) -> bool:
        """Whether one group reads the other's members as they are, and never through a view."""
        inside = set(a.members)
        viewed = {n for node in b.members for n in node.inputs if n not in inside}
        return inside.isdisjoint(bases_of(viewed, self.required))

    def _ordered(self, members: list[Node]) -> list[Node]:
        return sorted(set(members), key=self._rank.__getitem__)

    def _path_between(self, first: int, second: int) -> bool:
        """Whether a third step stands between two groups, either way."""
        return self._indirect(first, second) or self._indirect(second, first)

    def _indirect(self, start: int, goal: int) -> bool:
        last = self._span(goal)[1]
        stack = [n for n in self.flow.successors(start) if n != goal]
        seen = set(stack)
        while stack:
            place = stack.pop()
            if self._span(place)[0] > last:
                continue  # everything there comes later than all of the goal
            for following in self.flow.successors(place):
                if following == goal:
                    return True
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return False

    def _span(self, place: int | Node) -> tuple[int, int]:
        """Ranks of the first and the last node of a step."""
        if isinstance(place, Node):
            return self._rank[place], self._rank[place]
        members = self.groups[place].members
        return self._rank[members[0]], self._rank[members[-1]]

    def _contract(self, first: int, second: int, union: Group) -> None:
        for node in self.groups.pop(second).members:
            self.group_of[node] = first
        self.groups[first] = union
        for source in list(self.flow.predecessors(second)):
            if source != first:
                self.flow.add_edge(source, first)
        for target in list(self.flow.successors(second)):
            if target != first:
                self.flow.add_edge(first, target)
        self.flow.remove_node(second)

    def _merge_siblings(self) -> None:
        """Merge groups that read the same large values: each is then loaded once."""
        readers: dict[Node, list[int]] = {}
        for number, group in self.groups.items():
            for node in group.members:
                for base in self._expanded_bases(node):
                    if base.type.size > 1 and base not in self.elements and (
                        self.group_of.get(base) != number
                    ):
                        found = readers.setdefault(base, [])
                        if number not in found:
                            found.append(number)
        moved: dict[int, int] = {}
        for numbers in readers.values():
            for other in numbers[1:]:
                a, b = _final(moved, numbers[0]), _final(moved, other)
                if a != b and self._independent(a, b) and self._try_merge(a, b):
                    moved[b] = a

    def _independent(self, a: int, b: int) -> bool:
        """Whether neither group needs the other."""
        return not nx.has_path(self.flow, a, b) and not nx.has_path(self.flow, b, a)

    # --------------------------------------------------------------- result

    def _finish(self) -> Fused:
        stored = set(self.required)
        for node in self.nodes:
            place = self._place(node)
            if place is None:
                continue
            for base in self._expanded_bases(node):
                if base in self.group_of and self.group_of[base] != place:
                    stored.add(base)
        stored |= {n for n in self.nodes if is_opaque(n)}
        again = self._computed_again(stored)
        stored -= again
        self.recomputed |= again
        groups = []
        for group in self.groups.values():
            if not any(node in stored or node.op.effect for node in group.members):
                continue  # all that others read of it, they compute again
            group.members = self._ordered(group.members)
            if group.plan is None:
                group.plan = make_plan(group.members, self.required)
            groups.append(group)
        return Fused(groups, stored, self.required, self.recomputed, self.elements)

    def _computed_again(self, stored: set[Node]) -> set[Node]:
        """Cheap functions of stored values: computing one again costs less than storing it."""
        states = self.graph.updates.keys()
        found: set[Node] = set()
        for node in self.nodes:
            if node not in stored or node in self.required or node not in self.group_of:
                continue
            cheap = node.op.family == "elementwise" and not node.op.effect
            sources = self._bases(node)
            if (
                self.enabled and cheap and node.op.costly <= _CHEAP and len(sources) == 1
                and all(
                    (s in stored and s not in found) or (s.op.name == "input" and s not in states)
                    for s in sources
                )
            ):  # fmt: skip
                found.add(node)
        return found


def _final(moved: dict[int, int], number: int) -> int:
    while number in moved:
        number = moved[number]
    return number
