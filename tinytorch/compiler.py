"""The one corridor: Graph -> passes -> codegen -> runtime. The only file that sees all three."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinytorch.codegen import cpu
from tinytorch.config import codegen_key, config
from tinytorch.ir.graph import Graph
from tinytorch.ir.program import Program
from tinytorch.ir.source import Source
from tinytorch.ir.target import CPU, Target
from tinytorch.ir.verify import verify
from tinytorch.passes.base import Observer, PassManager
from tinytorch.passes.observe import interpreting, verifying
from tinytorch.passes.pipeline import lower_program, optimize
from tinytorch.runtime.executable import Executable, load


@dataclass
class Compiled:
    """Every representation of one program, and the executable."""

    graph: Graph
    optimized: Graph
    program: Program
    sources: dict[str, Source]
    executable: Executable = field(repr=False)


def build(graph: Graph, target: Target = CPU, observers: list[Observer] | None = None) -> Compiled:
    """Compile a graph for the CPU; raise CompileError or VerifyError."""
    watching = [verifying, interpreting] if config.verify else []
    manager = PassManager([*watching, *(observers or [])])
    if config.verify:
        verify(graph)
    optimized = optimize(graph, manager)
    program = lower_program(optimized, target, config.fuse, manager)
    sources = emit(program, target)
    return Compiled(graph, optimized, program, sources, load(program, sources))


def emit(program: Program, target: Target = CPU) -> dict[str, Source]:
    """Print every kernel of a program."""
    return {k.name: cpu.emit(k) for k in program.kernels}


__all__ = ["Compiled", "build", "codegen_key", "emit"]
