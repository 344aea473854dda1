"""The slow launcher: the emitted texts run as plain Python on numpy arrays.

It shows what a program means without machine code, threads or BLAS: what it computes must agree
with the native runner.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.ir.program import Branch, Copy, Launch, Loop, Product, Program, Slot, Step
from tinytorch.ir.source import Source
from tinytorch.ir.storage import stored, widened
from tinytorch.ir.types import from_numpy_dtype
from tinytorch.runtime import kernels

Array = npt.NDArray[Any]


def reference_runner(
    program: Program, sources: Mapping[str, Source], arena: int
) -> tuple[array[int], Callable[[], int]]:
    """Return a table of slot addresses and a function that runs the program on them."""
    runner = _Runner(program, sources, arena)
    return runner.table, runner.run


class _Runner:
    def __init__(self, program: Program, sources: Mapping[str, Source], arena: int) -> None:
        self.program = program
        self.sources = sources
        self.slots = {slot.id: slot for slot in program.slots}
        self.table = array("q", bytes(8 * (max(self.slots, default=-1) + 1)))
        for slot in program.slots:
            if slot.offset is not None:
                self.table[slot.id] = arena + slot.offset
        self.constants = [array("q", words) for _, words in program.constants]
        for (slot_id, _), words in zip(program.constants, self.constants, strict=True):
            self.table[slot_id] = words.buffer_info()[0]
        self.functions = {name: kernels.jit().functions(s) for name, s in sources.items()}

    def memory(self, slot: int) -> Array:
        return _view(self.slots[slot], self.table[slot])

    def run(self) -> int:
        status = self.program.status
        if status is not None:
            self.memory(status)[0] = 0
        with np.errstate(all="ignore"):
            return self.walk(self.program.steps)

    def walk(self, steps: tuple[Step, ...]) -> int:
        """Run steps; return the code of the check that failed, or 0."""
        for step in steps:
            code = 0
            if isinstance(step, Launch):
                name = step.kernel.name
                _launch(step, self.functions[name], self.sources[name], self.memory)
                if step.kernel.checks and self.program.status is not None:
                    code = int(self.memory(self.program.status)[0])
            elif isinstance(step, Product):
                slots = (step.left, step.right, step.out)
                _multiply(step, *(self.memory(slot) for slot in slots))
            elif isinstance(step, Copy):
                _copy(step, self.memory)
            elif isinstance(step, Branch):
                code = self.walk(step.true if self.memory(step.predicate)[0] else step.false)
            else:
                code = self.loop(step)
            if code:
                return code
        return 0

    def loop(self, step: Loop) -> int:
        table = self.table
        for c in step.carries:
            table[c.now], table[c.next] = table[c.first], table[c.second]
        done = 0
        while step.condition is not None or done < step.count:
            if step.condition is not None:
                code = self.walk(step.test)
                if code or not self.memory(step.condition)[0]:
                    return code
            index = step.count - 1 - done if step.reverse else done
            for s in step.slices:
                table[s.view] = table[s.whole] + index * s.stride
            code = self.walk(step.body)
            if code:
                return code
            for c in step.carries:
                table[c.now], table[c.next] = table[c.next], table[c.now]
            done += 1
        return 0


def _view(slot: Slot, address: int) -> Array:
    """The memory of a slot as an array, sharing it."""
    if slot.size == 0:
        return np.empty(0, slot.dtype.numpy)
    raw = memoryview((ctypes.c_char * slot.nbytes).from_address(address))
    return np.frombuffer(raw.cast("B"), slot.dtype.numpy)


class _Halves:
    """Memory of halves as a kernel sees it: float32 once loaded, rounded when stored."""

    def __init__(self, memory: Array) -> None:
        self.memory = memory
        self.dtype = from_numpy_dtype(memory.dtype)

    def __getitem__(self, index: int) -> Any:
        return widened(self.memory[index : index + 1])[0]

    def __setitem__(self, index: int, value: Any) -> None:
        self.memory[index : index + 1] = stored(np.asarray(value).reshape(1), self.dtype)


def _readable(memory: Array) -> Any:
    return _Halves(memory) if from_numpy_dtype(memory.dtype).is_half else memory


def _launch(
    launch: Launch,
    functions: tuple[Callable[..., Any], Callable[..., Any] | None],
    source: Source,
    memory: Callable[[int], Array],
) -> None:
    entry, finish = functions
    for row in launch.rows:
        arrays = [_readable(memory(slot)) for slot in row.slots]
        scratch = [_readable(np.zeros(size, dtype.numpy)) for dtype, size in source.scratch]
        for index in range(row.chunks):
            lo = index * row.chunk
            entry(*arrays, *scratch, lo, min(lo + row.chunk, row.extent), index)
        if finish is not None:
            finish(*arrays, *scratch, 0, row.chunks, 0)


def _multiply(step: Product, left: Array, right: Array, out: Array) -> None:
    for member in range(step.batch):
        a = left[member * step.left_stride :][: step.m * step.k]
        b = right[member * step.right_stride :][: step.k * step.n]
        c = out[member * step.m * step.n :][: step.m * step.n]
        a = a.reshape(step.k, step.m).T if step.transpose_left else a.reshape(step.m, step.k)
        b = b.reshape(step.n, step.k).T if step.transpose_right else b.reshape(step.k, step.n)
        c.reshape(step.m, step.n)[...] = a @ b


def _copy(step: Copy, memory: Callable[[int], Array]) -> None:
    source = memory(step.source).view(np.uint8)[: step.nbytes]
    memory(step.target).view(np.uint8)[: step.nbytes] = source
