"""A whole program as one CUDA text: every kernel, and functions that launch them in order."""

from __future__ import annotations

import json

from tinytorch.codegen.cuda.block import numpy_name
from tinytorch.codegen.cuda.finish import taken_apart
from tinytorch.codegen.cuda.product import (
    product_grid,
    product_name,
    product_sizes,
    product_text,
)
from tinytorch.codegen.cuda.text import Text, geometry, global_scratch
from tinytorch.errors import CompileError
from tinytorch.ir.kernel import Kernel
from tinytorch.ir.program import Branch, Launch, Loop, Product, Program, Row, Slot

_ALIGN = 256
_COPY = """\
@cuda.jit
def copy_bytes(source, target):
    for n in range(cuda.grid(1), source.size, cuda.gridsize(1)):
        target[n] = source[n]
"""
_RUN = '''\
def run({arguments}, stream=0):
    """Launch everything, in order, on one stream; return without waiting for it."""
    for kernel, blocks, threads, values in plan({arguments}):
        kernel[blocks, threads, stream](*values)'''


class _ProgramText:
    def __init__(self, program: Program, threads: int | None) -> None:
        self.program = program
        self.threads = threads
        self.text = Text(threads=threads)
        self.slots = {s.id: s for s in program.slots}
        self.names = self._name_slots()
        self.finish: dict[str, str | None] = {}
        self.products: dict[str, str] = {}
        self.top = program.arena_bytes
        self.scratch: dict[tuple[str, int], str] = {}
        self.views: dict[str, str] = {}
        self.launches: list[str] = []

    def _name_slots(self) -> dict[int, str]:
        """A name for each slot: the caller's buffers by what they are, the arena's by number."""
        names: dict[int, str] = {}
        for stem, ids in (("input", self.program.inputs), ("output", self.program.outputs)):
            for n, number in enumerate(ids):
                names.setdefault(number, f"{stem}_{n}")
        for slot in self.program.slots:
            names.setdefault(slot.id, "status" if slot.id == self.program.status else f"s{slot.id}")
        return names

    def print(self) -> str:
        for step in self.program.steps:
            if isinstance(step, Launch):
                for row in step.rows:
                    self._launch(step.kernel, row)
            elif isinstance(step, Product):
                self._product(step)
            elif isinstance(step, Branch | Loop):
                raise _control_flow(self.program.name, step)
            else:
                views = [f"{self._use(s)}.view(np.uint8)" for s in (step.source, step.target)]
                blocks = min(1024, max(1, -(-step.nbytes // 256)))
                self.launches.append(f"(copy_bytes, {blocks}, 256, ({', '.join(views)})),")
        return self._assembled()

    # -------------------------------------------------------------- launches

    def _launch(self, kernel: Kernel, row: Row) -> None:
        if kernel.name not in self.finish:
            self.finish[kernel.name] = self.text.add(kernel)
        shape = geometry(kernel, self.threads)
        size = shape.of(row.chunk)
        chunks = max(1, -(-row.extent // size))
        names = [self._use(slot) for slot in row.slots] + self._scratch_of(kernel, chunks)
        self._add(kernel.name, chunks, shape.threads, [*names, str(row.extent), str(size)])
        finish = self.finish[kernel.name]
        if finish:
            blocks = taken_apart(kernel).blocks(shape.threads)
            self._add(finish, blocks, shape.threads, [*names, str(chunks), str(chunks)])

    def _product(self, product: Product) -> None:
        name = product_name(product)
        self.products.setdefault(name, product_text(product))
        blocks, threads = product_grid(product)
        names = [self._use(slot) for slot in (product.left, product.right, product.out)]
        self._add(name, blocks, threads, [*names, *map(str, product_sizes(product))])

    def _add(self, name: str, blocks: object, threads: object, values: list[str]) -> None:
        self.launches.append(f"({name}, {blocks}, {threads}, ({', '.join(values)})),")

    # ---------------------------------------------------------------- memory

    def _use(self, number: int) -> str:
        slot = self.slots[number]
        name = self.names[number]
        if slot.offset is not None:
            self.views.setdefault(name, _view(slot.offset, slot.nbytes, slot.dtype.storage))
        return name

    def _scratch_of(self, kernel: Kernel, chunks: int) -> list[str]:
        """Rows of blocks that do not fit in shared memory: one place for every launch."""
        names = []
        for row in global_scratch(kernel):
            key = (f"{kernel.name}_{row.name}", chunks)
            if key not in self.scratch:
                offset = -(-self.top // _ALIGN) * _ALIGN
                nbytes = row.size * row.dtype.itemsize * chunks
                self.top = offset + nbytes
                self.scratch[key] = f"scratch_{len(self.scratch)}"
                self.views[self.scratch[key]] = _view(offset, nbytes, row.dtype.storage)
            names.append(self.scratch[key])
        return names

    # ------------------------------------------------------------------ text

    def _assembled(self) -> str:
        lines, _ = self.text.lines(f"Program {self.program.name}: {len(self.launches)} launches.")
        for text in (*self.products.values(), *([_COPY] if self._copies() else [])):
            lines += [*text.split("\n"), ""]
        outside = [s for s in self.program.slots if s.offset is None]
        arguments = ", ".join([*(self.names[s.id] for s in outside), "arena"])
        lines += [f"ARENA_BYTES = {self.top}", *self._messages(), "", ""]
        lines += [f"def plan({arguments}):"]
        lines += ['    """Return every launch: kernel, blocks, threads, arguments.', ""]
        lines += [f"    {self.names[s.id]}: {_described(s)}" for s in outside]
        lines += ["    arena: uint8[ARENA_BYTES], of any content", '    """']
        lines += [f"    {name} = {view}" for name, view in self.views.items()]
        lines += ["    return [", *(f"        {launch}" for launch in self.launches), "    ]"]
        return "\n".join([*lines, "", "", _RUN.format(arguments=arguments), ""])

    def _copies(self) -> bool:
        return any(not isinstance(s, Launch | Product) for s in self.program.steps)

    def _messages(self) -> list[str]:
        """What a code in the status word means, less the user's lines."""
        rows = [
            f"    ({json.dumps(error)}, {json.dumps(message)}),"
            for error, message, _ in self.program.messages
        ]
        return ["MESSAGES = [", *rows, "]"] if rows else []


def _control_flow(name: str, step: Branch | Loop) -> CompileError:
    """The error for a step that decides on the host what runs next."""
    if isinstance(step, Branch):
        kind, remedy = "cond", "compute both values and choose with where(pred, a, b)"
    elif step.condition is None:
        kind, remedy = "scan", "write the loop in Python, which unrolls it, or as one op on an axis"
    else:
        kind, remedy = "while_loop", "write a loop of a fixed number of steps in Python"
    place = f" (at {step.where})" if step.where else ""
    return CompileError(
        f"program {name}: a {kind} cannot be printed for CUDA{place}: cond, scan and while_loop "
        f"are no plain list of launches; {remedy}, or run it on the CPU"
    )


def _view(offset: int, nbytes: int, storage: str) -> str:
    return f"arena[{offset}:{offset + nbytes}].view(np.{numpy_name(storage)})"


def _described(slot: Slot) -> str:
    note = f" ({slot.note})" if slot.note else ""
    return f"{slot.dtype.storage}[{slot.size}]{note}"


def emit_program(program: Program, threads: int | None = None) -> str:
    """Print a program: its kernels, ``plan(buffers, arena)`` and ``run(buffers, arena, stream)``.

    Buffers are flat device arrays: inputs, outputs, then what else the caller owns, each once, in
    the order of the program's slots; the arena is one device array of ARENA_BYTES bytes. ``plan``
    may be called once and its launches repeated. No state is kept between calls. ``threads``
    overrules the size of blocks (a power of two from 16): small ones suit the simulator.
    """
    return _ProgramText(program, threads).print()
