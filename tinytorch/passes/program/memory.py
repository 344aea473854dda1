"""Memory: slots for every value, an arena planned by liveness, and the finished Program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinytorch.ir.extent import value_at
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.kernel import Buffer, Check, Kernel
from tinytorch.ir.program import Copy, Launch, Product, Program, Row, Slot, Step
from tinytorch.ir.target import Target
from tinytorch.ir.types import DType, int64
from tinytorch.passes.graph.sizes import known
from tinytorch.passes.kernel.access import storage_of
from tinytorch.passes.kernel.lower import Lowered
from tinytorch.passes.kernel.names import Element
from tinytorch.passes.kernel.rename import Merged, merge_buffers
from tinytorch.passes.kernel.schedule import chunk_of
from tinytorch.passes.program.control import ControlPlanner
from tinytorch.passes.program.steps import PlannedStep

_ALIGN = 64
_PANEL_FLOPS = 1 << 19
"""Work worth a panel of its own: below it, waking another thread costs more than it saves."""
_PANEL_ROWS = 16


@dataclass
class _Arena:
    """Offsets for values with lifetimes, smallest fitting gap first."""

    free: list[tuple[int, int]] = field(default_factory=list)  # (offset, size), by offset
    top: int = 0

    def take(self, size: int) -> int:
        """Return the offset of a free block of at least ``size`` bytes."""
        size = -(-max(size, 1) // _ALIGN) * _ALIGN
        fitting = [block for block in self.free if block[1] >= size]
        if not fitting:
            offset, self.top = self.top, self.top + size
            return offset
        block = min(fitting, key=lambda b: b[1])
        self.free.remove(block)
        if block[1] > size:
            self.give(block[0] + size, block[1] - size)
        return block[0]

    def give(self, offset: int, size: int) -> None:
        """Return a block, merged with its neighbours."""
        size = -(-max(size, 1) // _ALIGN) * _ALIGN
        self.free.append((offset, size))
        self.free.sort()
        merged: list[tuple[int, int]] = []
        for start, length in self.free:
            if merged and sum(merged[-1]) == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((start, length))
        self.free = merged


class Planner:
    """Plans one program."""

    def __init__(
        self, graph: Graph, batches: list[list[PlannedStep]], target: Target,
        sizes: Mapping[str, int], merged: Merged,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.batches = batches
        self.target = target
        self.sizes = sizes
        self.merged = merged
        self.slots: list[Slot] = []
        self.slot_of: dict[Node, int] = {}
        self.arena = _Arena()
        self.messages: list[tuple[str, str, str]] = []
        self.status: int | None = None
        self.pinned: set[Node] = set()
        self.behind: dict[int, tuple[int, ...]] = {}
        """Slots that take turns behind a pointer slot."""
        self.constants: dict[tuple[str, ...], int] = {}

    def at(self, size: Any) -> Any:
        """A size for this program: the value where it is symbolic."""
        return value_at(size, self.sizes)

    def nbytes(self, node: Node) -> int:
        """Bytes of a value."""
        return int(self.at(node.type.nbytes))

    def new_slot(
        self, dtype: DType, size: int, offset: int | None, note: str, pointer: bool = False
    ) -> int:
        """Add a slot; return its id."""
        self.slots.append(Slot(len(self.slots), dtype, size, offset, note, pointer))
        return len(self.slots) - 1

    def arena_slot(self, node: Node, note: str) -> int:
        """Add a slot in the arena for a value like a node's."""
        offset = self.arena.take(self.nbytes(node))
        return self.new_slot(node.type.dtype, self.at(node.type.size), offset, note)

    def pointer_slot(self, node: Node, note: str) -> int:
        """Add a slot whose place a loop sets, for values like a node's."""
        return self.new_slot(node.type.dtype, self.at(node.type.size), None, note, pointer=True)

    def free_slot(self, slot_id: int) -> None:
        """Give a slot's memory back."""
        slot = self.slots[slot_id]
        if slot.offset is not None:
            self.arena.give(slot.offset, slot.nbytes)

    def run(self) -> Program:
        """Plan the whole program."""
        inputs = tuple(self._external(n, self.graph.names.get(n, "")) for n in self.graph.inputs)
        self.slot_of.update(zip(self.graph.inputs, inputs))
        outputs = self._outputs()
        updates = self._updates()
        if any(step.can_fail for batch in self.batches for step in batch):
            self.status = self.new_slot(int64, 1, None, "status")
        steps = self.steps_of(self.batches)
        steps += [
            Copy(self.slot_of[source], slot, nbytes) for source, slot, nbytes in self._late_copies
        ]
        moves = [
            Copy(self.slot_of[storage_of(value)], self.slot_of[state], self.nbytes(state))
            for state, value in self.graph.updates.items()
            if self.nbytes(state)
        ]
        copies = self._at_once([m for m in moves if m.source != m.target])
        constants = [
            (slot, tuple(self.sizes[name] for name in dims))
            for dims, slot in self.constants.items()
        ]
        return Program(
            name=self.graph.name, slots=tuple(self.slots), steps=(*steps, *copies),
            inputs=inputs, outputs=outputs, updates=updates,
            arena_bytes=self.arena.top, status=self.status, messages=tuple(self.messages),
            constants=tuple(constants),
        )  # fmt: skip

    def _at_once(self, moves: list[Copy]) -> list[Copy]:
        """An order of copies, one a target, that acts as if all were made at the same time.

        A target that another copy still reads waits; where all wait (states that trade places),
        one old value is set aside first.
        """
        order: list[Copy] = []
        while moves:
            read = {m.source for m in moves}
            free = [m for m in moves if m.target not in read]
            if free:
                order += free
                moves = [m for m in moves if m.target in read]
                continue
            first = moves[0]
            old = self.slots[first.target]
            aside = self.new_slot(old.dtype, old.size, self.arena.take(old.nbytes), "set aside")
            order.append(Copy(old.id, aside, first.nbytes))
            moves = [
                replace(m, source=aside) if m.source == old.id else m for m in moves
            ]
        return order

    def _external(self, node: Node, note: str) -> int:
        return self.new_slot(node.type.dtype, self.at(node.type.size), None, note)

    def _outputs(self) -> tuple[int, ...]:
        """Slots of outputs; a value returned twice, or also an update, is copied."""
        donated = {n for batch in self.batches for s in batch for n in s.in_place}
        found = []
        for number, node in enumerate(self.graph.outputs):
            slot = self._external(node, f"output {number}")
            source = storage_of(node)
            if source in self.slot_of or source in donated or source.op.name == "input":
                self.pinned.add(source)
                self._late_copies.append((source, slot, self.nbytes(node)))
            else:
                self.slot_of[source] = slot
            found.append(slot)
        return tuple(found)

    @property
    def _late_copies(self) -> list[tuple[Node, int, int]]:
        return self.__dict__.setdefault("_late", [])

    def _updates(self) -> tuple[tuple[int, int], ...]:
        position = {n: i for i, n in enumerate(self.graph.inputs)}
        self.pinned.update(storage_of(v) for v in self.graph.updates.values())
        return tuple((position[s], self.slot_of[s]) for s in self.graph.updates)

    # ---------------------------------------------------------------- steps

    def steps_of(self, batches: list[list[PlannedStep]]) -> list[Step]:
        """Steps with their memory; what a value took is given back after its last use."""
        last_use: dict[Node, int] = {}
        for when, batch in enumerate(batches):
            for step in batch:
                for node in (*step.reads, *step.writes):
                    last_use[node] = when
        steps: list[Step] = []
        for when, batch in enumerate(batches):
            for step in batch:
                self._place_results(step)
            steps.extend(self._step(batch))
            for node in [n for n, last in last_use.items() if last == when]:
                self._release(node)
        return steps

    def _place_results(self, step: PlannedStep) -> None:
        if step.control is not None:
            return
        for node in step.writes:
            if node in step.in_place:
                self.slot_of[node] = self.slot_of[step.in_place[node]]
            elif node not in self.slot_of:
                self.slot_of[node] = self.arena_slot(node, self.graph.origin_of(node))

    def _release(self, node: Node) -> None:
        slot = self.slot_of[node]
        if node not in self.pinned:
            for place in self.behind.get(slot, (slot,)):
                self.free_slot(place)

    def _step(self, batch: list[PlannedStep]) -> list[Step]:
        """A product, or one launch a kernel: a row written in place has a kernel of its own."""
        if batch[0].control is not None:
            return ControlPlanner(self, batch[0]).run()
        if batch[0].product is not None:
            return [self._product(batch[0])]
        launches: dict[str, tuple[Kernel, list[Row]]] = {}
        partials: list[int] = []
        for step in batch:
            assert step.lowered is not None
            kernel, slots = self._bind(step, partials)
            row = Row(slots, self.at(step.lowered.extent), self._chunk(step.lowered))
            launches.setdefault(kernel.name, (kernel, []))[1].append(row)
        for slot in partials:
            self.arena.give(self.slots[slot].offset or 0, self.slots[slot].nbytes)
        return [Launch(k, tuple(rows), self._parallel(k, rows)) for k, rows in launches.values()]

    def _chunk(self, lowered: Lowered) -> int:
        """Rows a chunk; chosen now if sizes had to be known."""
        if lowered.chunk:
            return lowered.chunk
        kernel = lowered.kernel
        flat = kernel.flat or lowered.flat
        return chunk_of(self.at(lowered.extent), self.at(kernel.cost), self.target, flat)

    def _parallel(self, kernel: Kernel, rows: list[Row]) -> bool:
        work = sum(row.extent for row in rows) * self.at(kernel.cost)
        return sum(row.chunks for row in rows) > 1 and work > self.target.parallel_work

    def _bind(self, step: PlannedStep, partials: list[int]) -> tuple[Kernel, tuple[int, ...]]:
        """Slots of a launch's parameters; buffers that share memory become one parameter."""
        lowered = step.lowered
        assert lowered is not None
        kernel = lowered.kernel
        slot_by_name: dict[str, int] = {}
        for buffer, node in zip(kernel.parameters, lowered.bindings, strict=True):
            slot_by_name[buffer.name] = self._slot(buffer, node, partials, lowered)
        if kernel.checks:
            kernel = self._number_messages(kernel, lowered.messages)
        kernel, names = merge_buffers(kernel, slot_by_name, self.merged)
        return kernel, tuple(slot_by_name[name] for name in names)

    def _slot(
        self, buffer: Buffer, node: Node | Element | None, partials: list[int], lowered: Lowered
    ) -> int:
        if isinstance(node, Element):
            whole = self.slots[self.slot_of[node.node]]
            assert whole.offset is not None
            position = self.at(node.position)
            offset = whole.offset + position * whole.dtype.itemsize
            return self.new_slot(whole.dtype, 1, offset, f"element {position} of s{whole.id}")
        if node is not None:
            return self.slot_of[node]
        if buffer.role == "status":
            assert self.status is not None
            return self.status
        if buffer.role == "sizes":
            return self._constant(lowered.kernel.dims)
        size = self.at(buffer.size)
        if lowered.kernel.open:  # the buffer's size is that of one chunk
            size *= max(1, -(-self.at(lowered.extent) // self._chunk(lowered)))
        offset = self.arena.take(size * buffer.dtype.itemsize)
        slot = self.new_slot(buffer.dtype, size, offset, "partial")
        partials.append(slot)
        return slot

    def _constant(self, dims: tuple[str, ...]) -> int:
        """The slot that holds the values of some Dims."""
        if dims not in self.constants:
            self.constants[dims] = self.new_slot(int64, len(dims), None, f"sizes {', '.join(dims)}")
        return self.constants[dims]

    def _number_messages(self, kernel: Kernel, messages: list[tuple[str, str, str]]) -> Kernel:
        from_one = len(self.messages)
        self.messages.extend(known(message, self.sizes) for message in messages)
        return replace_codes(kernel, from_one)

    def _product(self, step: PlannedStep) -> Product:
        node = step.product
        assert node is not None
        left, right = step.operands
        *batch, m, n = (self.at(size) for size in node.type.shape)
        k = self.at(node.inputs[0].type.shape[-1])
        flops = 2 * m * n * k
        panels = max(1, min(8 if flops >> 26 else 4, flops // _PANEL_FLOPS, m // _PANEL_ROWS))
        count = 1
        for size in batch:
            count *= size
        rows = -(-m // panels)
        return Product(
            self.slot_of[storage_of(left.base)], self.slot_of[storage_of(right.base)],
            self.slot_of[node], node.type.dtype, m, n, k, left.transposed, right.transposed,
            count, self.at(left.stride), self.at(right.stride), rows,
            parallel=count * -(-m // rows) > 1 and count * flops >= _PANEL_FLOPS,
            origin=self.graph.origin_of(node),
        )  # fmt: skip


def replace_codes(kernel: Kernel, offset: int) -> Kernel:
    """Shift the codes of a kernel's checks, so that they are unique in a program."""
    if offset == 0:
        return kernel
    body = tuple(
        replace(s, code=s.code + offset) if isinstance(s, Check) else s for s in kernel.body
    )
    return replace(kernel, body=body, name=f"{kernel.name}_{offset}")


def plan_memory(
    graph: Graph, batches: list[list[PlannedStep]], target: Target,
    sizes: Mapping[str, int] | None = None, merged: Merged | None = None,
) -> Program:  # fmt: skip
    """Return the program for steps in order; ``sizes`` are the values of symbolic Dims, by name.

    ``merged`` keeps rewritten kernels from one plan of the same steps to the next.
    """
    return Planner(graph, batches, target, sizes or {}, {} if merged is None else merged).run()
