"""Steps: kernels, products and their dependencies, before memory is planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import networkx as nx

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.target import Target
from tinytorch.passes.graph.rebuild import CONTROL
from tinytorch.passes.kernel.access import awaited, storage_of
from tinytorch.passes.kernel.contraction import Operand, by_library, product_operands
from tinytorch.passes.kernel.fuse import Fused, is_opaque
from tinytorch.passes.kernel.lower import Lowered, lower
from tinytorch.passes.kernel.names import Element
from tinytorch.passes.kernel.opaque import lower_product, lower_scatter
from tinytorch.passes.kernel.ordering import lower_argsort
from tinytorch.passes.kernel.scan import lower_scan


@dataclass(eq=False)
class Nested:
    """A sub-graph of control flow with its steps, in order."""

    graph: Graph
    batches: list[list[PlannedStep]]

    @property
    def can_fail(self) -> bool:
        """Whether a step may report a run-time error."""
        return any(step.can_fail for batch in self.batches for step in batch)

    @property
    def can_stop(self) -> bool:
        """Whether a step may end the run early."""
        return any(step.can_stop for batch in self.batches for step in batch)


@dataclass(eq=False)
class PlannedStep:
    """One kernel, library product or piece of control flow: what it reads and writes, by node."""

    reads: list[Node]
    writes: list[Node]
    lowered: Lowered | None = None
    product: Node | None = None
    operands: tuple[Operand, ...] = ()
    in_place: dict[Node, Node] = field(default_factory=dict)
    """Written node -> state input whose memory it takes over."""
    control: Node | None = None
    nested: dict[str, Nested] = field(default_factory=dict)
    """The sub-graphs of ``control``, by attribute."""
    members: list[Node] = field(default_factory=list)
    """What is computed: beside the nodes written those that no other step reads."""
    waits: list[Node] = field(default_factory=list)
    """Values that have to be there before, though they are not read."""

    @property
    def can_fail(self) -> bool:
        """Whether the step may report a run-time error."""
        if any(nested.can_fail for nested in self.nested.values()):
            return True
        return self.lowered is not None and self.lowered.kernel.checks


    @property
    def can_stop(self) -> bool:
        """Whether the run may end here: by an error, or the user's hand in a loop without end."""
        endless = self.control is not None and self.control.op is ops.while_
        return endless or self.can_fail or any(n.can_stop for n in self.nested.values())


def plan_steps(
    graph: Graph, fused: Fused, target: Target, inner: Callable[[Graph], Nested]
) -> list[PlannedStep]:
    """Lower every group, product and piece of control flow; ``inner`` plans a sub-graph."""
    steps = [_kernel_step(lower(graph, group, fused, target)) for group in fused.groups]
    live = graph.live()
    waiting = any(node.op is ops.barrier for node in live)
    for step, group in zip(steps, fused.groups, strict=True):
        step.members = group.members
    for node in graph:
        if node not in live or not is_opaque(node):
            continue
        if node.op is ops.get:
            continue
        if node.op.name in CONTROL:
            steps.append(_control_step(graph, node, live, inner))
        elif node.op.family == "scan":
            steps.append(_kernel_step(lower_scan(graph, node, target)))
        elif node.op.family == "ordering":
            steps.append(_kernel_step(lower_argsort(graph, node, target)))
        elif node.op is not ops.matmul:
            steps.append(_kernel_step(lower_scatter(graph, node, target)))
        elif by_library(node):
            operands = product_operands(node)
            reads = [storage_of(o.base) for o in operands]
            steps.append(PlannedStep(reads, [node], product=node, operands=operands))
        else:
            steps.append(_kernel_step(lower_product(graph, node, target)))
        steps[-1].members = [node]
    for step in steps if waiting else ():
        taken = [n for member in step.members for n in member.inputs]
        step.waits = awaited(taken, fused.recomputed)
    return steps


def _kernel_step(lowered: Lowered) -> PlannedStep:
    written = set(lowered.outputs)
    bound = [b.node if isinstance(b, Element) else b for b in lowered.bindings]
    reads = [n for n in bound if n is not None and n not in written]
    return PlannedStep(reads, lowered.outputs, lowered=lowered)


def _control_step(
    graph: Graph, node: Node, live: set[Node], inner: Callable[[Graph], Nested]
) -> PlannedStep:
    """Values without elements take no memory, so nobody reads or writes them."""
    reads = [storage_of(n) for n in node.inputs]
    writes = [n for n in graph.users(node) if n in live]
    nested = {k: inner(v) for k, v in node.attrs.items() if isinstance(v, Graph)}
    reads, writes = ([n for n in nodes if n.type.size != 0] for nodes in (reads, writes))
    return PlannedStep(reads, writes, control=node, nested=nested)


def dependencies(steps: list[PlannedStep]) -> nx.DiGraph:
    """The order that values impose: writer before reader, and before what waits for it."""
    flow: nx.DiGraph = nx.DiGraph()
    writer: dict[Node, PlannedStep] = {}
    for step in steps:
        flow.add_node(step)
        for node in (*step.members, *step.writes):
            writer[node] = step
    for step in steps:
        for node in (*step.reads, *step.waits):
            source = writer.get(node)
            if source is not None and source is not step:
                flow.add_edge(source, step)
    return flow
