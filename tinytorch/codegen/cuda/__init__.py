"""Kernels for CUDA: numba.cuda text from the same loop nests as the CPU's.

A block runs one chunk and its threads share the loops out; what chunks leave behind is combined by
a second kernel. Sums and extremes are combined in an order that the shape alone
fixes, and no atomics are used, so that results have the same bits on every run. The text can be
pasted into a file and run, on a GPU or in numba-cuda's simulator.
"""

from __future__ import annotations

from tinytorch.codegen.cuda.finish import taken_apart
from tinytorch.codegen.cuda.product import emit_product
from tinytorch.codegen.cuda.program import emit_program
from tinytorch.codegen.cuda.text import Geometry, Text, geometry, global_scratch
from tinytorch.ir.kernel import Kernel
from tinytorch.ir.source import Source

__all__ = ["emit", "emit_product", "emit_program"]


def emit(kernel: Kernel, threads: int | None = None) -> Source:
    """Print a kernel with ``run_NAME(buffers..., scratch..., stream)``, which launches it."""
    text = Text(threads=threads)
    finish = text.add(kernel)
    shape = "any extent" if kernel.flat else f"{kernel.extent} rows"
    lines, shift = text.lines(f"{kernel.name}: {shape}.")
    return Source(
        name=kernel.name,
        target="cuda",
        text="\n".join([*lines, *_launcher(kernel, finish, geometry(kernel, threads)), ""]),
        entry=kernel.name,
        buffers=tuple(b.dtype for b in kernel.parameters),
        scratch=tuple((b.dtype, b.size) for b in global_scratch(kernel)),
        finish=finish,
        origins=tuple((line + shift, where) for line, where in text.origins),
    )


def _launcher(kernel: Kernel, finish: str | None, shape: Geometry) -> list[str]:
    names = ", ".join(b.name for b in (*kernel.parameters, *global_scratch(kernel)))
    out = next((b.name for b in kernel.parameters if b.role in ("out", "inout")), "")
    extent = f"{out}.size" if kernel.flat else str(kernel.extent)
    lines = [
        f"def run_{kernel.name}({names}, stream=0):",
        f"    extent, size = {extent}, {shape.of(kernel.chunk)}",
        "    chunks = max(1, (extent + size - 1) // size)",
        f"    {kernel.name}[chunks, {shape.threads}, stream]({names}, extent, size)",
    ]
    if finish:
        last = taken_apart(kernel).blocks(shape.threads)
        lines += [f"    {finish}[{last}, {shape.threads}, stream]({names}, chunks, chunks)"]
    return lines
