"""Kernels for the CPU: plain Python loops that numba compiles, and that run as they stand.

The function of a kernel computes one chunk, ``lo <= i < hi``; the runtime's threads call it for
every chunk. Below it stands what a whole call does, as ``prange`` over the chunks, so that the
text can be pasted into a file and run.
"""

from __future__ import annotations

from tinytorch.codegen.expression import size_text
from tinytorch.codegen.kernel import KernelPrinter
from tinytorch.ir.kernel import Kernel
from tinytorch.ir.source import Source

_FLAT_CHUNK = 65_536
_DECORATOR = '@njit(nogil=True, error_model="numpy", fastmath={"contract"})'


def emit(kernel: Kernel) -> Source:
    """Print a kernel."""
    printer = KernelPrinter(kernel)
    names = [b.name for b in kernel.parameters] + [b.name for b in kernel.scratch]
    arguments = ", ".join([*names, "lo", "hi", "chunk"])
    printer.emit(0, _DECORATOR)
    printer.emit(0, f"def {kernel.name}({arguments}):")
    printer.sizes(1)
    printer.body(kernel.body, 1)
    finish = f"{kernel.name}_finish" if kernel.finish else None
    if finish:
        printer.emit(0, "")
        printer.emit(0, "")
        printer.emit(0, _DECORATOR)
        printer.emit(0, f"def {finish}({arguments}):")
        printer.sizes(1)
        printer.body(kernel.finish, 1)
    header = _header(kernel, printer)
    driver = _driver(kernel, names, finish)
    shift = len(header)
    return Source(
        name=kernel.name,
        target="cpu",
        text="\n".join([*header, *printer.lines, "", "", *driver, ""]),
        entry=kernel.name,
        buffers=tuple(b.dtype for b in kernel.parameters),
        scratch=tuple((b.dtype, b.size) for b in kernel.scratch),
        finish=finish,
        origins=tuple((line + shift, where) for line, where in printer.origins()),
    )


def _header(kernel: Kernel, printer: KernelPrinter) -> list[str]:
    functions = sorted(printer.expressions.functions)
    rows = size_text(kernel.extent)
    shown = f"{rows} rows" if kernel.open else f"{rows} rows, {kernel.chunk} a chunk"
    title = f'"""{kernel.name}: {"one value of any extent" if kernel.flat else shown}."""'
    lines = [title, "", "import numpy as np", "from numba import njit, prange"]
    if functions:
        lines += ["", f"from tinytorch.runtime.intrinsics import {', '.join(functions)}"]
    constants = printer.expressions.globals()
    if constants:
        lines += ["", *constants]
    return [*lines, "", ""]


def _driver(kernel: Kernel, names: list[str], finish: str | None) -> list[str]:
    parameters = [b.name for b in kernel.parameters]
    given = [*parameters, *(["extent", "size"] if kernel.open else [])]
    lines = ["@njit(parallel=True)", f"def run_{kernel.name}({', '.join(given)}):"]
    if kernel.open:
        pass
    elif kernel.flat:
        out = next(b.name for b in kernel.parameters if b.role in ("out", "inout"))
        lines += [f"    extent, size = {out}.size, {_FLAT_CHUNK}"]
    else:
        lines += [f"    extent, size = {kernel.extent}, {kernel.chunk}"]
    lines += ["    chunks = (extent + size - 1) // size", "    for chunk in prange(chunks):"]
    for buffer in kernel.scratch:
        lines += [f"        {buffer.name} = np.empty({buffer.size}, np.{buffer.dtype.storage})"]
    call = ", ".join([*names, "chunk * size", "min(extent, chunk * size + size)", "chunk"])
    lines += [f"        {kernel.name}({call})"]
    if finish:
        scratch = [f"np.empty({b.size}, np.{b.dtype.storage})" for b in kernel.scratch]
        lines += [f"    {finish}({', '.join([*parameters, *scratch, '0', 'chunks', '0'])})"]
    return lines
