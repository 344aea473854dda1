"""The table of passes: what happens to a program between the trace and its text."""

from __future__ import annotations

from tinytorch.ir.graph import Graph
from tinytorch.ir.program import Program
from tinytorch.ir.target import Target
from tinytorch.passes.base import PassManager
from tinytorch.passes.graph.reductions import split_reductions
from tinytorch.passes.graph.simplify import simplify
from tinytorch.passes.kernel.fuse import fuse
from tinytorch.passes.program.donate import donate
from tinytorch.passes.program.memory import plan_memory
from tinytorch.passes.program.order import ordered
from tinytorch.passes.program.steps import dependencies, plan_steps


def optimize(graph: Graph, manager: PassManager) -> Graph:
    """Graph to graph."""
    graph = manager.run("simplify", simplify, graph)
    return manager.run("split_reductions", split_reductions, graph)


def lower_program(graph: Graph, target: Target, fusing: bool = True) -> Program:
    """Optimised graph to launches with memory."""
    fused = fuse(graph, fusing)
    steps = plan_steps(graph, fused, target)
    flow = dependencies(steps)
    donate(graph, steps, flow)
    return plan_memory(graph, ordered(steps, flow), target)
