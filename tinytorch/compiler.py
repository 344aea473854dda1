"""The one corridor: Graph -> passes -> codegen -> runtime. The only file that sees all three."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tinytorch.codegen import cpu, cuda
from tinytorch.config import codegen_key, config
from tinytorch.ir.graph import Graph
from tinytorch.ir.program import Program
from tinytorch.ir.source import Source
from tinytorch.ir.target import CPU, CUDA, Target
from tinytorch.ir.verify import verify
from tinytorch.passes.base import Observer, PassManager
from tinytorch.passes.observe import interpreting, verifying
from tinytorch.passes.pipeline import lower_for_any_size, lower_program, optimize
from tinytorch.runtime.executable import Executable, load


@dataclass
class Compiled:
    """Every representation of one program, and the executable."""

    graph: Graph
    optimized: Graph
    program: Program
    sources: dict[str, Source]
    executable: Executable = field(repr=False)


@dataclass
class ForAnySize:
    """A graph with symbolic sizes, compiled once: kernels for any size, memory planned for each."""

    graph: Graph
    optimized: Graph
    plan: Callable[[Mapping[str, int]], Program] = field(repr=False)
    sources: dict[str, Source] = field(default_factory=dict)

    def at(self, sizes: Mapping[str, int]) -> Compiled:
        """The program for given values of the Dims, by name."""
        program = self.plan(sizes)
        for kernel in program.kernels:
            if kernel.name not in self.sources:
                self.sources[kernel.name] = cpu.emit(kernel)
        executable = load(program, self.sources)
        return Compiled(self.graph, self.optimized, program, self.sources, executable)


def build_for_any_size(graph: Graph, observers: list[Observer] | None = None) -> ForAnySize:
    """Compile a graph with symbolic sizes for the CPU.

    Raises SizeError where that needs a size to be known, else as ``build``.
    """
    manager = _manager(graph, observers)
    optimized = optimize(graph, manager)
    plan = lower_for_any_size(optimized, CPU, config.fuse, manager)
    return ForAnySize(graph, optimized, plan)


def _manager(graph: Graph, observers: list[Observer] | None) -> PassManager:
    if config.verify:
        verify(graph)
    watching = [verifying, interpreting] if config.verify else []
    return PassManager([*watching, *(observers or [])])


def build(graph: Graph, target: Target = CPU, observers: list[Observer] | None = None) -> Compiled:
    """Compile a graph for the CPU; raise CompileError or VerifyError."""
    manager = _manager(graph, observers)
    optimized = optimize(graph, manager)
    program = lower_program(optimized, target, config.fuse, manager)
    sources = emit(program, target)
    return Compiled(graph, optimized, program, sources, load(program, sources))


def emit(program: Program, target: Target = CPU) -> dict[str, Source]:
    """Print every kernel of a program."""
    return {k.name: cpu.emit(k) for k in program.kernels}


def print_cuda(graph: Graph, threads: int | None = None) -> tuple[Program, str]:
    """Compile a graph for CUDA; return its program and the text that ``runtime.cuda`` runs.

    ``threads``: see ``codegen.cuda.emit_program``. Raises CompileError for control flow and for
    symbolic sizes.
    """
    manager = _manager(graph, None)
    program = lower_program(optimize(graph, manager), CUDA, config.fuse, manager)
    return program, cuda.emit_program(program, threads)


__all__ = ["Compiled", "build", "codegen_key", "emit", "print_cuda"]
