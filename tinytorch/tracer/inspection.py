"""Inspection: every representation of a compiled function as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tinytorch.compiler import Compiled as Built
from tinytorch.ir.kernel import Kernel
from tinytorch.ir.kernel_text import format_kernel
from tinytorch.ir.printer import format_graph
from tinytorch.ir.program_text import format_program
from tinytorch.ir.source import Source

STAGES = ("graph", "optimized", "kernels", "program", "source", "replay", "llvm", "asm")


class CacheInfo(NamedTuple):
    """Counts of a compiled function."""

    compiles: int
    hits: int
    retraces: int
    kinds: int
    kernels_compiled: int


@dataclass(frozen=True)
class KernelView:
    """One kernel: its loop nest and its text."""

    kernel: Kernel
    generated: Source

    @property
    def name(self) -> str:
        """Name of the kernel."""
        return self.kernel.name

    @property
    def source(self) -> str:
        """numba Python, with the user's line behind each line that came from one."""
        return self.generated.annotated()

    @property
    def text(self) -> str:
        """numba Python as it is compiled: pasted into a file it runs."""
        return self.generated.text

    @property
    def loops(self) -> str:
        """The loop nest before it is printed for a target."""
        return format_kernel(self.kernel)

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


class Stages(Mapping[str, str]):
    """Texts by stage: graph, optimized, kernels, program, source, replay, llvm, asm.

    ``llvm`` and ``asm`` are made when asked for.
    """

    def __init__(self, built: Built, replay: str) -> None:
        self._built = built
        self._replay = replay

    def __getitem__(self, stage: str) -> str:
        built = self._built
        if stage == "graph":
            return format_graph(built.graph)
        if stage == "optimized":
            return format_graph(built.optimized)
        if stage == "kernels":
            return "\n\n".join(format_kernel(k) for k in built.program.kernels)
        if stage == "program":
            return format_program(built.program)
        if stage == "source":
            return "\n\n".join(s.annotated() for s in built.sources.values())
        if stage == "replay":
            return self._replay
        if stage == "llvm":
            return built.executable.llvm
        if stage == "asm":
            return built.executable.asm
        raise KeyError(f"{stage!r}: the stages are {', '.join(STAGES)}")

    def __iter__(self) -> Iterator[str]:
        return iter(STAGES)

    def __len__(self) -> int:
        return len(STAGES)
