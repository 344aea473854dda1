"""Donation: which updates are written straight into the state they replace.

An update may take over its state's memory if every other reader of the old value runs before, and
the writing kernel itself reads the old value only at the element it is about to write, in the same
loop or an earlier one. Nothing is written in place before the last step that can fail or be
interrupted, so that an error leaves all state as it was. What cannot be donated is computed aside
and copied at the end.
"""

from __future__ import annotations

from typing import Any

import networkx as nx

from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.kernel import Kernel, Loop, Owned, Stmt, Store, walk
from tinytorch.passes.kernel.access import storage_of
from tinytorch.passes.kernel.schedule import loads_of
from tinytorch.passes.program.steps import PlannedStep


def donate(graph: Graph, steps: list[PlannedStep], flow: nx.DiGraph) -> None:
    """Mark updates as in place, adding to ``flow`` the order that makes it sound."""
    writer = {n: s for s in steps for n in s.writes}
    readers: dict[Node, list[PlannedStep]] = {}
    for reader in steps:
        for node in reader.reads:
            readers.setdefault(node, []).append(reader)
    failing = [s for s in steps if s.can_stop]
    _checks_first(graph, failing, writer, flow)
    taken: set[Node] = set()
    # Old values that are returned, or move into another state, are read after the last step.
    kept = {storage_of(n) for n in (*graph.outputs, *graph.updates.values())}
    for state, value in graph.updates.items():
        node = storage_of(value)
        step: Any = writer.get(node)
        if step is None or node in taken or step.can_stop or state in kept:
            continue
        others = [s for s in readers.get(state, ()) if s is not step]
        if not _rewrites_in_place(step, node, state):
            continue
        before = [s for s in (*others, *failing) if s is not step]
        if any(nx.has_path(flow, step, s) for s in before):
            continue
        for other in before:
            flow.add_edge(other, step)
        step.in_place[node] = state
        taken.add(node)


def _checks_first(
    graph: Graph, failing: list[PlannedStep], writer: dict[Node, PlannedStep], flow: nx.DiGraph
) -> None:
    """Order what can fail before the steps that write results, where values allow it."""
    results = {writer[n] for n in map(storage_of, graph.outputs) if n in writer}
    for step in failing:
        for result in results:
            if result is not step and not nx.has_path(flow, result, step):
                flow.add_edge(step, result)


def _rewrites_in_place(step: PlannedStep, node: Node, state: Node) -> bool:
    """Whether a step may write ``node`` over ``state`` while it still reads ``state``."""
    if step.control is not None:
        return False
    if state not in step.reads:
        return True
    lowered = step.lowered
    if lowered is None:
        return False
    names = dict(zip((b.name for b in lowered.kernel.parameters), lowered.bindings, strict=True))
    read = next(n for n, bound in names.items() if bound is state)
    written = next(n for n, bound in names.items() if bound is node)
    return same_element_only(lowered.kernel, read, written)


def same_element_only(kernel: Kernel, read: str, written: str) -> bool:
    """Whether every load of a buffer is at the index, and not after the loop, of the one store."""
    placed = _placed(kernel.body)
    stores = [
        (number, place, stmt) for number, (place, stmt) in enumerate(placed)
        if isinstance(stmt, Store) and stmt.buffer == written
    ]  # fmt: skip
    finish_uses = any(
        (isinstance(s, Store) and s.buffer == written)
        or any(load.buffer == read for load in loads_of(s))
        for s in walk(kernel.finish)
    )
    if len(stores) != 1 or finish_uses or stores[0][2].mode != "set":
        return False
    last, at, store = stores[0]
    for number, (place, stmt) in enumerate(placed):
        late = place > at or number > last
        for load in loads_of(stmt):
            if load.buffer == read and (late or not load.index.same(store.index)):
                return False
    return True


def _placed(body: tuple[Stmt, ...], depth: int = 0) -> list[tuple[int, Stmt]]:
    """Statements with the number of the innermost loop of a row they stand in."""
    found: list[tuple[int, Stmt]] = []
    place = 0
    for stmt in body:
        if isinstance(stmt, Loop | Owned):
            inner = _placed(stmt.body, depth + 1)
            if depth == 0:
                found.extend(inner)
            else:
                found.extend((place, s) for _, s in inner)
            place += 1
        else:
            found.append((place, stmt))
    return found
