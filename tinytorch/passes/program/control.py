"""Control flow in a Program: memory of branches and loops, and of the values that pass through.

The steps of a sub-graph are planned in the arena at hand: whatever is alive around a loop or a
branch stays, and what lives inside is given back at its end. A carry lies in two places that take
turns, so that a run of the body reads the old value while it writes the new one. Slices of stacked
values are pointers into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.program import Branch, Carry, Copy, Loop, Slice, Step
from tinytorch.passes.kernel.access import storage_of
from tinytorch.passes.program.steps import Nested, PlannedStep


class Memory(Protocol):
    """What the planner of a whole program offers."""

    slot_of: dict[Node, int]
    pinned: set[Node]
    behind: dict[int, tuple[int, ...]]
    graph: Graph

    def at(self, size: Any) -> Any:
        """A size where it is symbolic."""

    def nbytes(self, node: Node) -> int:
        """Bytes of a value."""

    def arena_slot(self, node: Node, note: str) -> int:
        """A new slot in the arena."""

    def pointer_slot(self, node: Node, note: str) -> int:
        """A new slot that a loop points somewhere."""

    def free_slot(self, slot_id: int) -> None:
        """Give a slot's memory back."""

    def steps_of(self, batches: list[list[PlannedStep]]) -> list[Step]:
        """Steps with their memory."""


class ControlPlanner:
    """Plans one step of control flow; its results are placed here, too."""

    def __init__(self, memory: Memory, step: PlannedStep) -> None:
        assert step.control is not None
        self.memory = memory
        self.step = step
        self.node = step.control
        self.results: dict[int, Node] = {}
        for user in memory.graph.users(self.node):
            if user in step.writes:
                self.results[user.attrs["index"]] = user
        self.temporary: list[int] = []
        self._where = self.memory.graph.origin_of(self.node)

    def run(self) -> list[Step]:
        """The steps: copies of initial values, the branch or loop, copies of results."""
        rule = {"cond": self._branch, "scan": self._scan, "while": self._while}
        steps = rule[self.node.op.name]()
        for slot in self.temporary:
            self.memory.free_slot(slot)
        return steps

    def _operand(self, node: Node) -> int:
        """Slot of an operand; values without elements get one that nobody reads."""
        source = storage_of(node)
        if source not in self.memory.slot_of:
            self.memory.slot_of[source] = self.memory.arena_slot(source, "empty")
        return self.memory.slot_of[source]

    def _result(self, index: int, like: Node) -> int:
        """Slot of a whole result; one that nobody reads still needs a place to be written to."""
        node = self.results.get(index)
        if node is None:
            self.temporary.append(self.memory.arena_slot(like, "unused"))
            return self.temporary[-1]
        if node not in self.memory.slot_of:
            self.memory.slot_of[node] = self.memory.arena_slot(node, self._where)
        return self.memory.slot_of[node]

    def _nested(self, nested: Nested, inputs: Sequence[int], outputs: Sequence[int]) -> list[Step]:
        """Steps of a sub-graph that reads and writes given slots."""
        memory, graph = self.memory, nested.graph
        memory.slot_of.update(zip(graph.inputs, inputs, strict=True))
        memory.pinned.update(graph.inputs)
        late: list[tuple[Node, int, int]] = []
        kept: set[Node] = set()
        for node, slot in zip(graph.outputs, outputs, strict=True):
            source = storage_of(node)
            if memory.nbytes(node) == 0:
                continue
            if source in memory.slot_of:
                late.append((source, slot, memory.nbytes(node)))
            else:
                memory.slot_of[source] = slot
                kept.add(source)
        memory.pinned.update(kept)
        around, memory.graph = memory.graph, graph
        steps = memory.steps_of(nested.batches)
        memory.graph = around
        steps += [Copy(memory.slot_of[source], slot, nbytes) for source, slot, nbytes in late]
        return steps

    # --------------------------------------------------------------- branches

    def _branch(self) -> list[Step]:
        predicate, *operands = (self._operand(n) for n in self.node.inputs)
        nested = self.step.nested
        likes = nested["true"].graph.outputs
        results = [self._result(i, like) for i, like in enumerate(likes)]
        true, false = (self._nested(nested[b], operands, results) for b in ("true", "false"))
        return [Branch(predicate, tuple(true), tuple(false), self._where)]

    # ------------------------------------------------------------------ loops

    def _carries(self, starts: Sequence[Node]) -> tuple[list[Carry], list[Step], list[Step]]:
        """Places of the carry; copies of its initial values; copies of its final ones."""
        carries: list[Carry] = []
        before: list[Step] = []
        after: list[Step] = []
        memory = self.memory
        for index, start in enumerate(starts):
            first, second = (memory.arena_slot(start, f"carry {index}") for _ in range(2))
            now, following = (memory.pointer_slot(start, f"carry {index}") for _ in range(2))
            carries.append(Carry(first, second, now, following))
            nbytes = memory.nbytes(start)
            source = self._operand(start)
            before += [Copy(source, first, nbytes)] if nbytes else []
            result = self.results.get(index)
            if result is not None and result not in memory.slot_of:
                memory.slot_of[result] = now
                memory.behind[now] = (first, second)
                continue
            self.temporary += [first, second]
            if result is not None:
                after.append(Copy(now, memory.slot_of[result], nbytes))
        return carries, before, after

    def _scan(self) -> list[Step]:
        attrs = self.node.attrs
        body = self.step.nested["body"]
        count = attrs["carries"]
        starts, xs, constants = ops.scan_parts(self.node.inputs, attrs)
        carries, before, after = self._carries(starts)
        inner = ops.scan_parts(body.graph.inputs, attrs)
        read = [self._slice(self._operand(x), n) for x, n in zip(xs, inner.xs, strict=True)]
        written = [
            self._slice(self._result(count + i, like), like, count + i in self.results)
            for i, like in enumerate(body.graph.outputs[count:])
        ]
        inputs = [
            *(c.now for c in carries), *(s.view for s in read),
            *(self._operand(n) for n in constants),
        ]  # fmt: skip
        outputs = [*(c.next for c in carries), *(s.view for s in written)]
        steps = self._nested(body, inputs, outputs)
        length = int(self.memory.at(attrs["length"]))
        loop = Loop(tuple(steps), tuple(carries), (*read, *written), length, attrs["reverse"],
                    where=self._where)  # fmt: skip
        return [*before, loop, *after]

    def _slice(self, whole: int, inner: Node, moving: bool = True) -> Slice:
        """One run's part of a stacked value; all runs write what nobody reads to one place."""
        stride = self.memory.nbytes(inner) if moving else 0
        return Slice(self.memory.pointer_slot(inner, "slice"), whole, stride)

    def _while(self) -> list[Step]:
        nested = self.step.nested
        count = self.node.attrs["carries"]
        carries, before, after = self._carries(self.node.inputs[:count])
        constants = [self._operand(n) for n in self.node.inputs[count:]]
        inputs = [*(c.now for c in carries), *constants]
        condition = self.memory.arena_slot(nested["condition"].graph.outputs[0], "condition")
        self.temporary.append(condition)
        test = self._nested(nested["condition"], inputs, [condition])
        body = self._nested(nested["body"], inputs, [c.next for c in carries])
        loop = Loop(tuple(body), tuple(carries), condition=condition, test=tuple(test),
                    where=self._where)  # fmt: skip
        return [*before, loop, *after]
