"""The eager tape: links from a tensor to what it was computed from.

``Recording`` walks the links iteratively and builds an ``ir.Graph`` of them, which ``pullback``
differentiates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.types import TupleType
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


_serial = itertools.count()
RETAIN = 1 << 62
"""Key of the hook of ``retain_grad``: it comes after all others."""
Hooks = dict[int, Callable[[Any, bool], Any]]
"""What is done to a complete cotangent, by registration: from value and ``create_graph``."""


def next_serial() -> int:
    """A number above those of all entries so far and below those of all to come."""
    return next(_serial)


class TapeNode:
    """One recorded op: its operands' tape nodes (None for constants and leaves) and values.

    It is what ``grad_fn`` gives. ``serial`` grows with the time of recording; ``hooks`` are called
    with the complete cotangent of its value.
    """

    __slots__ = (
        "__weakref__", "attrs", "freed", "hooks", "made", "op", "output", "parents", "saved",
        "serial",
    )  # fmt: skip

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
        self.hooks: Hooks | None = None
        self.made: Saved | None = None  # the output as it was made, where others can write to it
        self.serial = next(_serial)

    def name(self) -> str:
        """PyTorch's way to name it, e.g. ``MulBackward0``."""
        if self.op is ops.get:
            return self.parents[0].name() if self.parents[0] is not None else "GetBackward0"
        if self.op.family == "python":
            return f"{self.op.name}Backward"
        return f"{self.op.name.title().replace('_', '')}Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each operand the node it comes from and which of its results it is.

        None stands for a constant, an ``AccumulateGrad`` for a leaf.
        """
        if self.op is ops.get and self.parents[0] is not None:
            return self.parents[0].next_functions
        return tuple(
            (p, p.attrs["index"] if p.op is ops.get else 0) if p is not None
            else (None if s.leaf is None else AccumulateGrad(s.leaf), 0)
            for p, s in zip(self.parents, self.saved, strict=True)
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class AccumulateGrad:
    """The end of a backward pass: where ``variable`` receives its gradient."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.next_functions: tuple[Any, ...] = ()

    def name(self) -> str:
        """Its name."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


def python_op(name: str) -> Op:
    """An op whose gradient is a Python function: the tape alone knows it, no graph is run of it.

    Its attributes are ``types``, those of its results; ``pull``, from the cotangents of the
    results (None where there is none) and ``create_graph`` to those of the operands; and
    ``release``, called after a backward pass that frees.
    """
    return Op(
        name, "python", "A Python function with a gradient of its own.",
        lambda types, attrs: TupleType(attrs["types"]), _not_run,
    )  # fmt: skip


def _not_run(*operands: Any, **attrs: Any) -> Any:
    raise AssertionError("what a Python function computes is known when it is recorded")


def pick(tape: TapeNode, index: int, array: Any) -> TapeNode:
    """Return the history of one result of a recorded op with several; ``array`` holds it."""
    items = tape.op.infer(tuple(s.type for s in tape.saved), tape.attrs)
    return TapeNode(
        ops.get, {"index": index}, (tape,), (Saved(tape.output, None, items, None),), array
    )


class Recording:
    """The tape behind some roots as a graph, with the known arrays."""

    def __init__(
        self, roots: Sequence[TapeNode | Saved], inline_calls: bool = False, since: int = 0
    ) -> None:
        """``since``: what was recorded before this serial number counts as an input."""
        self.inline_calls = inline_calls
        self.since = since
        self._inlined: dict[Node, list[Node]] = {}
        self.graph = Graph("tape")
        self.known: dict[Node, Any] = {}
        self.saved: dict[Node, Saved] = {}
        self.tape_of: dict[Node, TapeNode] = {}
        self.leaf_nodes: dict[int, list[Node]] = {}
        self.leaves: dict[int, Any] = {}
        self.nodes: dict[int, Node] = {}
        self._inputs: dict[tuple[int, int, int], Node] = {}
        self._reads: dict[tuple[int, int], Node] = {}
        self.history_of: dict[Node, TapeNode] = {}
        self.order = self._walk(roots)
        for tape in self.order:
            self._add(tape)

    def _walk(self, roots: Sequence[Any]) -> list[TapeNode]:
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
                if tape.serial < self.since:
                    order.append(tape)
                    continue
                if tape.freed and not saves_nothing(tape.op):
                    raise RuntimeError(
                        "Trying to backward through the graph a second time (or directly access "
                        "saved tensors after they have already been freed). Specify "
                        "retain_graph=True if you need to backward through the graph a second time."
                    )
                stack.append((tape, True))
                stack.extend((p, False) for p in tape.parents if p is not None)
        return order

    def _add(self, tape: TapeNode) -> None:
        if tape.serial < self.since:
            self._add_boundary(tape)
            return
        operands = [
            self._read(p, s) if p is not None else self.input(s)
            for p, s in zip(tape.parents, tape.saved, strict=True)
        ]
        node = self._node(tape, operands)
        self.nodes[id(tape)] = node
        if tape.op is ops.call and self.inline_calls:
            return
        self.tape_of.setdefault(node, tape)
        self.known.setdefault(node, tape.output)
        if tape.made is not None:
            self.saved.setdefault(node, tape.made)
        for operand, saved in zip(operands, tape.saved, strict=True):
            earlier = self.saved.get(operand)
            if earlier is None or saved.version < earlier.version:
                self.saved[operand] = saved

    def _read(self, tape: TapeNode, saved: Saved) -> Node:
        """The node of a recorded value as an op read it.

        Where the memory was written to in between, unrecorded, that is a value of its own, through
        which gradients flow unchanged.
        """
        node, made = self.nodes[id(tape)], tape.made
        if made is None or saved.storage is not made.storage or saved.version == made.version:
            return node
        key = (id(tape), saved.version)
        if key not in self._reads:
            read = self.graph.add_distinct(ops.reshape, [node], shape=node.type.shape)
            self._reads[key] = read
            self.known[read], self.saved[read] = saved.array, saved
            self.history_of[read] = tape
        return self._reads[key]

    def _add_boundary(self, tape: TapeNode) -> None:
        """Make the value of an op recorded earlier an input."""
        types = tuple(s.type for s in tape.saved)
        node = self.graph.add_input(tape.op.infer(types, tape.attrs), f"b{tape.serial}")
        self.nodes[id(tape)] = node
        self.known[node] = tape.output
        self.tape_of[node] = tape

    def _node(self, tape: TapeNode, operands: list[Node]) -> Node:
        """Add the node of a recorded op; a call is expanded if its inside is differentiated."""
        if self.inline_calls and tape.op is ops.call:
            outputs = inline(self.graph, tape.attrs["graph"], operands)
            self._inlined[outputs[0]] = outputs
            return outputs[0]
        if self.inline_calls and tape.op is ops.get and operands[0] in self._inlined:
            return self._inlined[operands[0]][tape.attrs["index"]]
        return self.graph.add_distinct(tape.op, operands, **tape.attrs)

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


def saves_nothing(op: Op) -> bool:
    """Whether an op's gradient needs no value, so that it may run backward again."""
    return op.linear or op.name in _SAVES_NOTHING or op.family == "python" or op is ops.get


__all__ = [
    "RETAIN", "AccumulateGrad", "Recording", "Saved", "TapeNode", "next_serial", "pick",
    "python_op", "saves_nothing",
]  # fmt: skip
