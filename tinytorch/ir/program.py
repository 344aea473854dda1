"""Program: launches in order over numbered memory slots. Plain data, run by one native call.

::

    program = slot*, step*, inputs, outputs, updates
    step    = Launch(kernel, row*) | Product(slots, sizes) | Copy(slots)
            | Branch(slot, step*, step*) | Loop(count or test, step*)
    slot    = external (the caller's memory) | arena (an offset in one allocation)
            | pointer (set by the loop that owns it)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tinytorch.ir.kernel import Kernel
from tinytorch.ir.types import DType


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in memory. ``offset`` is None for the caller's memory, else bytes in the arena.

    Where a ``pointer`` slot lies changes while the program runs.
    """

    id: int
    dtype: DType
    size: int
    offset: int | None = None
    note: str = ""
    pointer: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the slot."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Row:
    """One set of arguments of a launch: slot ids for the kernel's parameters, and its extent."""

    slots: tuple[int, ...]
    extent: int
    chunk: int

    @property
    def chunks(self) -> int:
        """Number of tasks."""
        return max(1, -(-self.extent // self.chunk))


@dataclass(frozen=True, slots=True)
class Launch:
    """Run a kernel over every chunk of every row, in one parallel region, then its finish.

    Rows are independent of each other: an optimizer's update of fifty tensors is one launch.
    ``parallel`` false runs all tasks on the calling thread.
    """

    kernel: Kernel
    rows: tuple[Row, ...]
    parallel: bool


@dataclass(frozen=True, slots=True)
class Product:
    """``out[b] = op(left[b]) @ op(right[b])`` by the BLAS library, single-threaded per panel.

    ``out`` is (m, n) row-major, ``left`` (m, k) or its transpose, ``right`` (k, n) or its
    transpose. ``panels`` cuts the rows of ``out`` (``panel_rows`` each); like chunks they depend
    on the shape alone. Offsets count elements from the slot's start; strides are elements from one
    batch member to the next (0: the same one each time).
    """

    left: int
    right: int
    out: int
    dtype: DType
    m: int
    n: int
    k: int
    transpose_left: bool
    transpose_right: bool
    batch: int
    left_stride: int
    right_stride: int
    panel_rows: int
    parallel: bool
    origin: str = ""

    @property
    def panels(self) -> int:
        """Number of tasks."""
        return self.batch * -(-self.m // self.panel_rows)


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy ``source`` to ``target`` byte for byte (an update that could not be made in place)."""

    source: int
    target: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Run the steps of one of two lists, by the bool in slot ``predicate``.

    ``where`` is the user's line.
    """

    predicate: int
    true: tuple[Step, ...]
    false: tuple[Step, ...]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Carry:
    """A value handed from one run of a loop's body to the next, in two places that take turns.

    The body reads pointer slot ``now`` and writes pointer slot ``next``. At the start they are
    ``first``, which holds the initial value, and ``second``; after each run they trade places.
    """

    first: int
    second: int
    now: int
    next: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A pointer slot that run i of a loop's body finds ``stride`` times i bytes into ``whole``."""

    view: int
    whole: int
    stride: int


@dataclass(frozen=True, slots=True)
class Loop:
    """Run ``body`` ``count`` times, or as long as slot ``condition`` holds after ``test``.

    ``where`` is the user's line.
    """

    body: tuple[Step, ...]
    carries: tuple[Carry, ...]
    slices: tuple[Slice, ...] = ()
    count: int = 0
    reverse: bool = False
    condition: int | None = None
    test: tuple[Step, ...] = ()
    where: str = ""


Step: TypeAlias = Launch | Product | Copy | Branch | Loop


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Yield every step, branches and loops before what they hold."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from walk(step.true + step.false)
        elif isinstance(step, Loop):
            yield from walk(step.test + step.body)


@dataclass(frozen=True)
class Program:
    """A whole compiled call.

    ``inputs[i]`` is the slot of graph input i, ``outputs[i]`` that of output i (an output may be
    an input's own slot). ``updates`` pairs an input's position with the slot that holds its new
    value at the end (the input's own slot: written in place). ``status`` is the slot of the status
    word (int64) or None; ``messages[code - 1]`` describes a failed check as (error class name,
    message, user's line). No step before the last that can fail writes to an input's slot.
    """

    name: str
    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    updates: tuple[tuple[int, int], ...]
    arena_bytes: int
    status: int | None = None
    messages: tuple[tuple[str, str, str], ...] = ()
    constants: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Slots of int64 words that never change: the sizes that kernels for any size read."""

    @property
    def launches(self) -> tuple[Launch, ...]:
        """The kernel launches, those in branches and loops too, without library calls, copies."""
        return tuple(s for s in walk(self.steps) if isinstance(s, Launch))

    @property
    def products(self) -> tuple[Product, ...]:
        """The library calls."""
        return tuple(s for s in walk(self.steps) if isinstance(s, Product))

    def written_after_checks(self, slot: int) -> bool:
        """Whether a run that fails or is interrupted leaves a slot as it was."""
        written = False
        for step in self.steps:
            checks = any(_may_stop(s) for s in walk((step,)))
            written = written or slot in _written(step)
            if checks and written:
                return False
        return True

    @property
    def endless(self) -> bool:
        """Whether a loop may run for ever, and can therefore be interrupted."""
        return any(isinstance(s, Loop) and s.condition is not None for s in walk(self.steps))

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Distinct kernels in order of first use."""
        return tuple({s.kernel.name: s.kernel for s in self.launches}.values())


def _may_stop(step: Step) -> bool:
    """Whether a run may end in a step: by a check, or interrupted in a loop without end."""
    if isinstance(step, Loop):
        return step.condition is not None
    return isinstance(step, Launch) and step.kernel.checks


def _written(step: Step) -> set[int]:
    """Slots that a step writes."""
    if isinstance(step, Product):
        return {step.out}
    if isinstance(step, Copy):
        return {step.target}
    if isinstance(step, Branch):
        return {slot for inner in step.true + step.false for slot in _written(inner)}
    if isinstance(step, Loop):
        inside = {slot for inner in step.test + step.body for slot in _written(inner)}
        return inside | {s.whole for s in step.slices if s.view in inside}
    places = [i for i, b in enumerate(step.kernel.parameters) if b.role in ("out", "inout")]
    return {row.slots[i] for row in step.rows for i in places}
