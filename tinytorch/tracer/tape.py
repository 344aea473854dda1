"""The eager tape: links from a tensor to what it was computed from.

``backward`` walks the links iteratively, builds an ``ir.Graph`` of them, runs the same VJP
transform that compiled code uses, and evaluates the new nodes with the ops' numpy rules. One
autodiff, one table, two evaluators: eager and compiled agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, evaluate
from tinytorch.ir.op import Op
from tinytorch.passes.graph.autodiff import vjp
from tinytorch.passes.graph.rebuild import inline

_SAVES_NOTHING = frozenset({"add", "sub"})
"""Ops whose gradient needs no value, beside the linear ones: they may run backward again."""

class Saved:
    """A value as an op saw it: the array, and the storage with its version at that time."""

    __slots__ = ("array", "leaf", "storage", "type", "version")

    def __init__(self, array: Any, storage: Any, type: Any, leaf: Any) -> None:
        self.array = array
        self.storage = storage
        self.version = storage.version if storage is not None else 0
        self.type = type
        self.leaf = leaf

    @property
    def intact(self) -> bool:
        """Whether no in-place write happened since."""
        return self.storage is None or self.storage.version == self.version


class TapeNode:
    """One recorded op: its operands' tape nodes (None for constants and leaves) and values."""

    __slots__ = ("attrs", "freed", "op", "output", "parents", "saved")

    def __init__(
        self, op: Op, attrs: Any, parents: tuple[TapeNode | None, ...], saved: tuple[Saved, ...],
        output: Any,
    ) -> None:  # fmt: skip
        self.op = op
        self.attrs = attrs
        self.parents = parents
        self.saved = saved
        self.output = output
        self.freed = False

    @property
    def name(self) -> str:
        """PyTorch's way to name it, e.g. ``<MulBackward0>``."""
        return f"{self.op.name.title().replace('_', '')}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name}>"


def pick(tape: TapeNode, index: int, array: Any) -> TapeNode:
    """Return the history of one result of a recorded op with several; ``array`` holds it."""
    items = tape.op.infer(tuple(s.type for s in tape.saved), tape.attrs)
    return TapeNode(
        ops.get, {"index": index}, (tape,), (Saved(tape.output, None, items, None),), array
    )


class Recording:
    """The tape behind some roots as a graph, with the known arrays."""

    def __init__(self, roots: Sequence[TapeNode | Saved], inline_calls: bool = False) -> None:
        self.inline_calls = inline_calls
        self._inlined: dict[Node, list[Node]] = {}
        self.graph = Graph("tape")
        self.known: dict[Node, Any] = {}
        self.saved: dict[Node, Saved] = {}
        self.tape_of: dict[Node, TapeNode] = {}
        self.leaf_nodes: dict[int, list[Node]] = {}
        self.leaves: dict[int, Any] = {}
        self.nodes: dict[int, Node] = {}
        self._inputs: dict[tuple[int, int, int], Node] = {}
        self._values: dict[int, Node] = {}
        self.order = self._walk(roots)
        for tape in self.order:
            self._add(tape)

    @staticmethod
    def _walk(roots: Sequence[Any]) -> list[TapeNode]:
        order: list[TapeNode] = []
        seen: set[int] = set()
        stack: list[tuple[TapeNode, bool]] = [
            (r, False) for r in roots if isinstance(r, TapeNode)
        ]
        while stack:
            tape, ready = stack.pop()
            if ready:
                order.append(tape)
            elif id(tape) not in seen:
                seen.add(id(tape))
                if tape.freed and not (tape.op.linear or tape.op.name in _SAVES_NOTHING):
                    raise RuntimeError(
                        "Trying to backward through the graph a second time (or directly access "
                        "saved tensors after they have already been freed). Specify "
                        "retain_graph=True if you need to backward through the graph a second time."
                    )
                stack.append((tape, True))
                stack.extend((p, False) for p in tape.parents if p is not None)
        return order

    def _add(self, tape: TapeNode) -> None:
        operands = [
            self.nodes[id(p)] if p is not None else self.input(s)
            for p, s in zip(tape.parents, tape.saved, strict=True)
        ]
        node = self._node(tape, operands)
        self.nodes[id(tape)] = node
        if tape.op is ops.call and self.inline_calls:
            return
        self.tape_of.setdefault(node, tape)
        self.known.setdefault(node, tape.output)
        for operand, parent, saved in zip(operands, tape.parents, tape.saved, strict=True):
            if parent is None or _same_memory(parent.output, saved.array):
                earlier = self.saved.get(operand)
                if earlier is None or saved.version < earlier.version:
                    self.saved[operand] = saved

    def _node(self, tape: TapeNode, operands: list[Node]) -> Node:
        """Add the node of a recorded op; a call is expanded if its inside is differentiated."""
        if self.inline_calls and tape.op is ops.call:
            outputs = inline(self.graph, tape.attrs["graph"], operands)
            self._inlined[outputs[0]] = outputs
            return outputs[0]
        if self.inline_calls and tape.op is ops.get:
            return self._inlined[operands[0]][tape.attrs["index"]]
        return self.graph.add(tape.op, operands, **tape.attrs)

    def input(self, saved: Saved) -> Node:
        """The graph input that stands for a leaf or constant value."""
        key = (id(saved.leaf), id(saved.storage), saved.version)
        if saved.leaf is None:
            key = (0, id(saved.array), saved.version)
        node = self._inputs.get(key)
        if node is None:
            node = self.graph.add_input(saved.type, f"v{len(self._inputs)}")
            self._inputs[key] = node
            self.known[node] = saved.array
            self.saved[node] = saved
            if saved.leaf is not None:
                self.leaf_nodes.setdefault(id(saved.leaf), []).append(node)
                self.leaves[id(saved.leaf)] = saved.leaf
        return node

    def check_intact(self, wanted: Sequence[Node]) -> None:
        """Raise RuntimeError if a value that the wanted nodes need was overwritten in place.

        Only what they need counts: a rule may also have added cotangents that nobody asked for.
        """
        stack, seen = list(wanted), set(wanted)
        while stack:
            node = stack.pop()
            if node in self.known:
                continue
            for source in node.inputs:
                saved = self.saved.get(source)
                if saved is not None and not saved.intact and source in self.known:
                    raise RuntimeError(
                        "one of the variables needed for gradient computation has been modified by "
                        f"an inplace operation: a tensor of {saved.type}, read by {node.op.name}, "
                        f"is at version {saved.storage.version}; expected version {saved.version}"
                    )
                if source not in seen:
                    seen.add(source)
                    stack.append(source)


def _same_memory(output: Any, array: Any) -> bool:
    """Whether a tensor still shows the output of the op that made it, or was written to since.

    After a write in place the output is an array of its own, which nothing can overwrite.
    """
    return isinstance(output, tuple) or bool(np.may_share_memory(output, array))


Evaluator = Callable[[Recording, list[Node]], list[Any]]
CallRunner = Callable[[Graph, Sequence[Any]], tuple[Any, ...]]
_call_runner: list[CallRunner] = []


def set_call_runner(runner: CallRunner) -> None:
    """Say how sub-graphs (gradients of compiled calls) are run; by default interpreted."""
    _call_runner[:] = [runner]


def evaluate_arrays(recording: Recording, wanted: list[Node]) -> list[np.ndarray]:
    """Evaluate nodes with numpy rules; sub-graphs as compiled code."""
    for node in recording.graph.nodes:
        if node.op is ops.call and _call_runner:
            node.attrs["graph"].runner = _call_runner[0]
    evaluate(recording.graph, recording.known, wanted)
    return [recording.known[n] for n in wanted]


def pull_back(
    root: TapeNode | Saved, seed: Any, targets: Sequence[Any] | None, evaluator: Evaluator,
    retain: bool, seed_type: Any, create_graph: bool = False,
) -> list[tuple[Any, Any]]:
    """Return (leaf, cotangent) pairs of a backward pass from one root.

    With ``create_graph`` compiled calls are expanded, so that their inside can be differentiated.
    ``targets`` are leaf tensors or tape nodes to differentiate for; None means every leaf. The
    cotangent is None where the root does not depend on a target. ``seed`` goes in as an input and
    is what the evaluator reads it as.
    """
    recording = Recording([root], inline_calls=create_graph)
    graph = recording.graph
    root_node = recording.nodes[id(root)] if isinstance(root, TapeNode) else recording.input(root)
    seed_node = graph.add_input(seed_type, "seed")
    recording.known[seed_node] = seed
    keys = (
        [(leaf, recording.leaf_nodes[k]) for k, leaf in recording.leaves.items()]
        if targets is None
        else [(t, _target_nodes(recording, t)) for t in targets]
    )
    wrt = [n for _, nodes in keys for n in nodes]
    found = vjp(graph, [root_node], [seed_node], wrt)
    present = [n for n in found if n is not None]
    recording.check_intact(present)
    values = iter(evaluator(recording, present))
    by_node = [None if n is None else next(values) for n in found]
    if not retain:
        for tape in recording.order:
            tape.freed = True
    result, at = [], 0
    for leaf, nodes in keys:
        parts = [v for v in by_node[at : at + len(nodes)] if v is not None]
        at += len(nodes)
        total = parts[0] if parts else None
        for part in parts[1:]:
            total = total + part
        result.append((leaf, total))
    return result


def _target_nodes(recording: Recording, target: Any) -> list[Node]:
    tape = target.tape
    if tape is not None:
        node = recording.nodes.get(id(tape))
        return [] if node is None else [node]
    return recording.leaf_nodes.get(id(target), [])


__all__ = ["Recording", "Saved", "TapeNode", "evaluate_arrays", "pick", "pull_back"]
