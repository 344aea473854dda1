"""Reverse mode over the tape: the same VJP transform that compiled code uses, evaluated at once.

A backward pass builds the graph of what was recorded, lets ``vjp`` add the cotangents' nodes, and
evaluates those. One autodiff, one table, two evaluators: eager and compiled agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy, evaluate, needed
from tinytorch.ir.storage import added
from tinytorch.passes.graph.autodiff import vjp
from tinytorch.tracer.tape import Recording, Saved, TapeNode

CallRunner = Callable[[Graph, Sequence[Any]], tuple[Any, ...]]
_call_runner: list[CallRunner] = []


def set_call_runner(runner: CallRunner) -> None:
    """Say how sub-graphs (gradients of compiled calls) are run; by default interpreted."""
    _call_runner[:] = [runner]


class ArrayEvaluator:
    """Evaluates nodes with numpy rules; sub-graphs as compiled code. Values are arrays."""

    create_graph = False

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def __call__(self, wanted: list[Node]) -> list[Any]:
        """Values of nodes."""
        recording = self.recording
        order = needed(wanted, recording.known)
        for node in order:
            if node.op is ops.call and _call_runner:
                node.attrs["graph"].runner = _call_runner[0]
        evaluate(recording.graph, recording.known, wanted)
        return [recording.known[n] for n in wanted]


class _Visitor:
    """Lets hooks see complete cotangents, and Python functions compute theirs."""

    def __init__(self, recording: Recording, evaluator: Any) -> None:
        self.recording = recording
        self.evaluator = evaluator

    def __call__(self, node: Node, g: Any) -> tuple[Any, Sequence[Any] | None]:
        """See ``autodiff.Visit``."""
        tape = self.recording.tape_of.get(node)
        if tape is None:
            return g, None
        if tape.hooks:
            (value,) = self._values([g])
            for _, hook in sorted(tape.hooks.items(), key=lambda item: item[0]):
                value = hook(value, self.evaluator.create_graph)
            g = self._given(value, g.aval)
        if tape.op.family != "python":
            return g, None
        items = range(len(tape.attrs["types"]))
        values = self._values([g.get(i) for i in items])
        found = tape.attrs["pull"](values, self.evaluator.create_graph)
        return g, [
            None if v is None else self._given(v, s.type)
            for v, s in zip(found, tape.saved, strict=True)
        ]

    def _values(self, cotangents: Sequence[Any]) -> list[Any]:
        wanted = [g.node for g in cotangents if g is not None]
        self.recording.check_intact(wanted)
        values = iter(self.evaluator(wanted))
        return [None if g is None else next(values) for g in cotangents]

    def _given(self, value: Any, type: Any) -> Proxy:
        """A value as an input of the graph."""
        node = self.recording.graph.add_input(type, "given")
        self.recording.known[node] = value
        return Proxy(self.recording.graph, node)


def pull_back(
    roots: Sequence[TapeNode | Saved], seeds: Sequence[tuple[Any, Any]],
    targets: Sequence[Any] | None, evaluator: Any, retain: bool, since: int = 0,
) -> list[tuple[Any, Any]]:  # fmt: skip
    """Return (target, cotangent) pairs of one backward pass from some roots.

    ``seeds`` are their cotangents, each a type and what the evaluator reads as a value. With
    ``evaluator.create_graph`` compiled calls are expanded, so that their inside can be
    differentiated. ``targets`` are leaf tensors or tape nodes to differentiate for; None means
    every leaf. The cotangent is None where no root depends on a target.
    """
    recording = Recording(roots, inline_calls=evaluator.create_graph, since=since)
    graph = recording.graph
    root_nodes, seed_nodes = [], []
    for root, (type, value) in zip(roots, seeds, strict=True):
        root_nodes.append(
            recording.nodes[id(root)] if isinstance(root, TapeNode) else recording.input(root)
        )
        seed_nodes.append(graph.add_input(type, "seed"))
        recording.known[seed_nodes[-1]] = value
    keys = (
        [(leaf, recording.leaf_nodes[k]) for k, leaf in recording.leaves.items()]
        if targets is None
        else [(t, _target_nodes(recording, t)) for t in targets]
    )
    wrt = [n for _, nodes in keys for n in nodes]
    evaluate_nodes = evaluator(recording)
    special = any(t.hooks or t.op.family == "python" for t in recording.order)
    visit = _Visitor(recording, evaluate_nodes) if special else None
    found = vjp(graph, root_nodes, seed_nodes, wrt, visit)
    present = [n for n in found if n is not None]
    recording.check_intact(present)
    values = iter(evaluate_nodes(present))
    by_node = [None if n is None else next(values) for n in found]
    if not retain:
        for tape in recording.order:
            if tape.serial >= since:
                tape.freed = True
                if tape.op.family == "python":
                    tape.attrs["release"]()
    result, at = [], 0
    for leaf, nodes in keys:
        parts = [v for v in by_node[at : at + len(nodes)] if v is not None]
        at += len(nodes)
        total = parts[0] if parts else None
        for part in parts[1:]:
            total = added(total, part)
        result.append((leaf, total))
    return result


def _target_nodes(recording: Recording, target: Any) -> list[Node]:
    tape = target if isinstance(target, TapeNode) else target.tape
    if tape is not None:
        node = recording.nodes.get(id(tape))
        return [] if node is None else [node]
    return recording.leaf_nodes.get(id(target), [])


__all__ = ["ArrayEvaluator", "pull_back", "set_call_runner"]
