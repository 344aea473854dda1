"""The table of passes: what happens to a program between the trace and its text.

=================  ======================  ==================================================
phase              pass                    does
=================  ======================  ==================================================
graph              simplify                calls expanded, constants folded, algebra
                   widen_sums              sums of halves in float32
                   split_reductions        each reduction, of windows too, over axes together
kernel             fuse                    which nodes share a kernel
                   plan_steps              groups to loop nests, products to library calls
program            order                   donation of state memory, then a sequence of steps
                   plan_memory             slots, an arena planned by liveness, the Program
=================  ======================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinytorch.ir.graph import Graph
from tinytorch.ir.program import Program
from tinytorch.ir.target import Target
from tinytorch.passes.base import PassManager
from tinytorch.passes.graph.precision import widen_sums
from tinytorch.passes.graph.rebuild import deep, rebuild
from tinytorch.passes.graph.reductions import split_reductions
from tinytorch.passes.graph.simplify import simplify
from tinytorch.passes.kernel.fuse import Fused, fuse
from tinytorch.passes.kernel.rename import Merged
from tinytorch.passes.program.donate import donate
from tinytorch.passes.program.memory import plan_memory
from tinytorch.passes.program.order import ordered
from tinytorch.passes.program.steps import Nested, PlannedStep, dependencies, plan_steps


def optimize(graph: Graph, manager: PassManager) -> Graph:
    """Graph to graph. Every pass may be left out, so that a faulty one can be found."""
    graph = manager.optional("simplify", simplify, graph)
    graph = manager.optional("widen_sums", deep(widen_sums), graph)
    return manager.optional("split_reductions", deep(split_reductions), graph)


def lower_program(
    graph: Graph, target: Target, fusing: bool = True, manager: PassManager | None = None
) -> Program:
    """Optimised graph to launches with memory."""
    return lower_for_any_size(graph, target, fusing, manager)({})


def lower_for_any_size(
    graph: Graph, target: Target, fusing: bool = True, manager: PassManager | None = None
) -> Callable[[Mapping[str, int]], Program]:
    """Optimised graph to steps, and a function that plans their memory for given sizes.

    The kernels are the same for all sizes; what is planned anew is where values lie and how
    launches are cut into tasks. Raises SizeError where kernels would depend on a size.
    """
    manager = manager or PassManager()

    def inner(sub: Graph) -> Nested:
        """The steps of a sub-graph of control flow; a copy has nodes of its own."""
        own = rebuild(sub)
        steps = plan_steps(own, fuse(own, fusing), target, inner)
        return Nested(own, ordered(steps, dependencies(steps)))

    fused: Fused = manager.run("fuse", fuse, graph, fusing)
    steps: list[PlannedStep] = manager.run(
        "plan_steps", lambda unit: plan_steps(graph, unit, target, inner), fused
    )
    batches = manager.run("order", lambda unit: _order(graph, unit), steps)

    merged: Merged = {}

    def plan(sizes: Mapping[str, int]) -> Program:
        return manager.run(
            "plan_memory", lambda unit: plan_memory(graph, unit, target, sizes, merged), batches
        )

    return plan


def _order(graph: Graph, steps: list[PlannedStep]) -> list[list[PlannedStep]]:
    flow = dependencies(steps)
    donate(graph, steps, flow)
    return ordered(steps, flow)
