"""The text of kernels under construction, and how many threads and blocks run each."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinytorch.codegen.cuda.block import BlockPrinter, CudaExpressions, numpy_name
from tinytorch.codegen.cuda.finish import taken_apart
from tinytorch.codegen.cuda.prelude import LANES, DeviceFunctions
from tinytorch.codegen.cuda.threads import NARROW, independent, widest
from tinytorch.errors import CompileError
from tinytorch.ir.kernel import Buffer, Kernel

MAX_THREADS = 256
FLAT_ITEMS = 4
"""Elements a thread of a flat kernel."""
SHARED_BYTES = 32 << 10
"""Rows kept between loops stay in a block's own memory up to this size, else in global memory."""

IMPORTS = ("import math", "", "import numpy as np", "from numba import cuda")


@dataclass(frozen=True)
class Geometry:
    """How a kernel is launched: threads a block, and how much of the chunked axis a block takes.

    ``size`` None: the chunk of the launch's row, on which results depend.
    """

    threads: int
    size: int | None

    def of(self, chunk: int) -> int:
        """Values of the chunked axis a block, given the launch's chunk."""
        return chunk if self.size is None else self.size


def geometry(kernel: Kernel, threads: int | None = None) -> Geometry:
    """Choose the launch of a kernel, from its shape alone; ``threads`` overrules the block size."""
    width = widest(kernel)
    if threads is None:
        wanted = MAX_THREADS if kernel.flat or width <= NARROW else width
        threads = LANES * 2
        while threads < min(wanted, MAX_THREADS):
            threads *= 2
    if kernel.flat:
        return Geometry(threads, threads * FLAT_ITEMS)
    if independent(kernel):
        return Geometry(threads, threads if width <= NARROW else 1)
    return Geometry(threads, None)


@dataclass
class Text:
    """A text under construction: device functions and constants, shared by its kernels."""

    expressions: CudaExpressions = field(default_factory=lambda: CudaExpressions(DeviceFunctions()))
    threads: int | None = None
    kernels: list[str] = field(default_factory=list)
    origins: list[tuple[int, str]] = field(default_factory=list)

    def add(self, kernel: Kernel) -> str | None:
        """Print a kernel; return the name of its finish, or None if it has none.

        Raises CompileError for a kernel for any size: grids are planned from known sizes.
        """
        if kernel.open or kernel.dims:
            lines = ", ".join(dict.fromkeys(where for _, where in kernel.origins))
            place = f" (at {lines})" if lines else ""
            raise CompileError(
                f"kernel {kernel.name}{place} is for any size, and CUDA text is printed for known "
                "sizes alone: call a freshly compiled function with arguments of one size, without "
                "mark_dynamic, or fix the sizes of its graph (passes.graph.sizes.with_sizes)"
            )
        printer = BlockPrinter(kernel, self.expressions)
        printer.body(kernel.body, 1)
        start = ["chunk = cuda.blockIdx.x", "lo = chunk * size", "hi = min(extent, lo + size)"]
        self._function(kernel, kernel.name, printer, start)
        if not kernel.finish:
            return None
        printer = BlockPrinter(kernel, self.expressions)
        finish = taken_apart(kernel)
        for columns in finish.columns:
            printer.across_blocks[id(columns.inner)] = columns.by_thread
        printer.body(tuple(columns.nest for columns in finish.columns) or finish.rest, 1)
        if finish.columns and finish.rest:
            printer.emit(1, "if block == 0:")
            printer.body(finish.rest, 2)
        self._function(kernel, f"{kernel.name}_finish", printer, ["block = cuda.blockIdx.x"])
        return f"{kernel.name}_finish"

    def _function(
        self, kernel: Kernel, name: str, printer: BlockPrinter, start: list[str]
    ) -> None:
        names = [b.name for b in (*kernel.parameters, *global_scratch(kernel))]
        head = [
            "@cuda.jit", f"def {name}({', '.join([*names, 'extent', 'size'])}):",
            "    thread, threads = cuda.threadIdx.x, cuda.blockDim.x",
            *(f"    {line}" for line in start),
        ]  # fmt: skip
        block = geometry(kernel, self.threads).threads
        for array, compute in printer.arrays.items():
            head.append(f"    {array} = cuda.shared.array({block}, np.{compute})")
        for row in kernel.scratch if name == kernel.name else ():
            head.append(f"    {row.name} = {_row(row, kernel)}")
        shift = len(self.kernels) + len(head)
        self.origins += [(line + shift, where) for line, where in printer.origins()]
        self.kernels += [*head, *printer.lines, "", ""]

    def lines(self, title: str) -> tuple[list[str], int]:
        """The text so far, and how many lines stand before the kernels."""
        constants = self.expressions.globals()
        head = [f'"""{title}"""', "", *IMPORTS, "", *([*constants, ""] if constants else []), ""]
        head += self.expressions.device.lines()
        return [*head, *self.kernels], len(head)


def global_scratch(kernel: Kernel) -> tuple[Buffer, ...]:
    """Scratch rows too long for a block's shared memory; each block has its own part of them."""
    fits = sum(b.size * b.dtype.itemsize for b in kernel.scratch) <= SHARED_BYTES
    return () if fits else kernel.scratch


def _row(row: Buffer, kernel: Kernel) -> str:
    if global_scratch(kernel):
        return f"{row.name}[chunk * {row.size} : (chunk + 1) * {row.size}]"
    return f"cuda.shared.array({row.size}, np.{numpy_name(row.dtype.storage)})"
