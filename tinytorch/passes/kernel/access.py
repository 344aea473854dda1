"""Index maps: which element of which stored value an op reads, through any chain of views."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from tinytorch.ir import ops
from tinytorch.ir.graph import Node
from tinytorch.ir.index import Index, constant, delinearize, linearize

Indices: TypeAlias = tuple[Index, ...]

PURE_VIEWS = frozenset(
    {"reshape", "broadcast_to", "permute", "slice", "flip", "barrier", "strided", "window"}
)
"""Movement ops that read exactly one element of one operand, always."""
GUARDED_VIEWS = frozenset({"pad", "cat", "update_slice"})
"""Movement ops that read one operand or another (or zero), by index."""
SOURCES = frozenset({"full", "iota", "extent"})


@dataclass(frozen=True)
class Access:
    """Element ``indices`` of ``node``, which is no pure view."""

    node: Node
    indices: Indices

    @property
    def flat(self) -> Index:
        """Row-major position in the node's buffer."""
        return linearize(self.indices, self.node.type.shape)


def through_views(node: Node, indices: Indices) -> Access:
    """Follow pure views down to what is really read."""
    while node.op.name in PURE_VIEWS:
        indices = map_view(node, indices)
        node = node.inputs[0]
    return Access(node, indices)


def map_view(node: Node, indices: Indices) -> Indices:
    """Indices into a pure view's operand, from indices into its result."""
    source = node.inputs[0].type.shape
    name = node.op.name
    if name == "barrier":
        return indices
    if name == "reshape":
        return delinearize(linearize(indices, node.type.shape), source)
    if name == "broadcast_to":
        lead = len(node.type.shape) - len(source)
        return tuple(
            constant(0) if size == 1 else indices[lead + axis] for axis, size in enumerate(source)
        )
    if name == "permute":
        inverse = ops.inverse(tuple(node.attrs["order"]))
        return tuple(indices[i] for i in inverse)
    if name == "slice":
        return tuple(
            index * step + start
            for index, start, step in zip(
                indices, node.attrs["starts"], node.attrs["steps"], strict=True
            )
        )
    if name == "strided":
        moved = []
        for offset, row in zip(node.attrs["offsets"], node.attrs["steps"], strict=True):
            at = constant(offset)
            for index, step in zip(indices, row, strict=True):
                at = at + index * step
            moved.append(at)
        return tuple(moved)
    if name == "window":
        inside = [*indices[: len(source)]]
        for position, (axis, step, gap) in enumerate(
            zip(node.attrs["axes"], node.attrs["steps"], node.attrs["gaps"], strict=True)
        ):
            inside[axis] = inside[axis] * step + indices[len(source) + position] * gap
        return tuple(inside)
    flipped = set(node.attrs["axes"])
    return tuple(
        index * -1 + (source[axis] - 1) if axis in flipped else index
        for axis, index in enumerate(indices)
    )


def base_of(node: Node) -> Node:
    """What a chain of pure views reads from."""
    while node.op.name in PURE_VIEWS:
        node = node.inputs[0]
    return node


def bases(node: Node, kept: AbstractSet[Node] = frozenset()) -> list[Node]:
    """All values that a node reads through views, in any order; sources left out.

    Guarded views are looked through like pure ones, but for those ``kept`` in a buffer.
    """
    return bases_of(node.inputs, kept)


def bases_of(operands: Iterable[Node], kept: AbstractSet[Node] = frozenset()) -> list[Node]:
    """All values that are read where these operands are."""
    found: list[Node] = []
    stack = list(operands)
    while stack:
        base = base_of(stack.pop())
        if base.op.name in GUARDED_VIEWS and base not in kept:
            stack.extend(base.inputs)
        elif base.op.name not in SOURCES and base not in found:
            found.append(base)
    return found


def awaited(operands: Iterable[Node], again: AbstractSet[Node] = frozenset()) -> list[Node]:
    """Values that have to be there before something reads these operands: barriers say so.

    Values ``again`` are computed by their readers, who wait for what those wait for.
    """
    found: list[Node] = []
    stack, seen = list(operands), set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op is ops.barrier:
            found += node.inputs[1:]
        if node.op.name in PURE_VIEWS:
            stack.append(node.inputs[0])
        elif node.op.name in GUARDED_VIEWS or node in again:
            stack.extend(node.inputs)
    return [base for base in bases_of(found) if base.op.name != "input"]


def storage_of(node: Node) -> Node:
    """The node whose buffer holds this one's elements in the same order."""
    while node.op in (ops.reshape, ops.barrier):
        node = node.inputs[0]
    return node
