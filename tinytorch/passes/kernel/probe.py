"""Probe: which elements a kernel would read under some loops, before it is lowered."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.graph import Node
from tinytorch.ir.index import Index
from tinytorch.passes.kernel.access import GUARDED_VIEWS, PURE_VIEWS, through_views
from tinytorch.passes.kernel.domain import END_LEVELS
from tinytorch.passes.kernel.loops import Loops


def reduction_operand(node: Node, loops: Loops) -> str:
    """Level at which a reduction reads its operand."""
    return "full" if node.inputs[0].type.size == loops.rows * loops.cols else "row"


def probe_indices(
    members: list[Node], levels: dict[Node, str], loops: Loops, recomputed: set[Node]
) -> list[Index]:
    """Flat indices of every load that a kernel makes under some loops."""
    found: list[Index] = []
    for node in members:
        level = levels[node]
        if level in END_LEVELS and node.op.family != "reduction":
            continue
        if node.op.family == "reduction":
            level = reduction_operand(node, loops)
        stack = [(n, loops.indices(level, n.type.shape)) for n in _operands(node, levels)]
        if node.op.name in PURE_VIEWS or node.op.name in GUARDED_VIEWS:
            stack = [(node, loops.indices(level, node.type.shape))]
        while stack:
            access = through_views(*stack.pop())
            base = access.node
            if base.op is ops.pad:
                shifted = zip(access.indices, base.attrs["low"], strict=True)
                stack.append((base.inputs[0], tuple(x + -low for x, low in shifted)))
            elif base.op.name in GUARDED_VIEWS:
                stack.extend((n, access.indices) for n in base.inputs[:1])
            elif base in recomputed and base not in levels:
                stack.extend((n, access.indices) for n in base.inputs)
            found.extend(access.indices if base.op is ops.iota else [access.flat])
    return found


def _operands(node: Node, levels: dict[Node, str]) -> list[Node]:
    if node.op.name in ("take", "gather"):
        return []
    reduces = node.op.family == "reduction"
    return [n for n in node.inputs if reduces or n.type.ndim == node.type.ndim]
