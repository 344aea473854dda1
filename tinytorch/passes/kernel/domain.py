"""Domain: the iteration space that the members of one kernel share, and who lives where in it.

A domain has ``rows`` (the chunked axis) and ``cols`` (the inner axes). A member's *level* says how
its elements map to it; since reshapes keep row-major order, a level fixes the flat index whatever
the shape:

=======  ==========================  =====================================
level    elements                    typical member
=======  ==========================  =====================================
full     rows * cols                 elementwise on the whole
row      rows                        a reduction over the trailing axes
column   cols, known at the end      a reduction over the leading axes
total    1, known at the end         a reduction over everything
tail     1, known at the end         arithmetic on totals
=======  ==========================  =====================================
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from tinytorch.ir.extent import Extent, divided, surely_less, typical
from tinytorch.ir.graph import Node
from tinytorch.ir.index import Index, Symbol, delinearize
from tinytorch.passes.kernel.access import GUARDED_VIEWS, Access, bases, through_views

END_LEVELS = frozenset({"column", "total", "tail"})
_SPLIT_KINDS = ("row", "column")


@dataclass(frozen=True)
class Domain:
    """Iteration space: ``rows`` and ``cols`` counts, each factored for exact index arithmetic."""

    row_factors: tuple[Any, ...]
    col_factors: tuple[Any, ...]

    @property
    def rows(self) -> Any:
        """Extent of the chunked axis."""
        return math.prod(self.row_factors)

    @property
    def cols(self) -> Any:
        """Number of inner elements a row."""
        return math.prod(self.col_factors)

    def flat(self, level: str) -> Index:
        """Flat index of a member's element at a level."""
        return _flat_at(self.row_factors, self.col_factors, level)

    def indices(self, level: str, shape: tuple[Any, ...]) -> tuple[Index, ...]:
        """Multi-index of an element at a level, in a shape."""
        return _indices_at(self.row_factors, self.col_factors, level, tuple(shape))


# Plans are tried many times over the same few domains, so their index maps are kept.


@functools.lru_cache(maxsize=4096)
def _flat_at(row_factors: tuple[Any, ...], col_factors: tuple[Any, ...], level: str) -> Index:
    rows, cols = _flat(row_factors, "i"), _flat(col_factors, "j")
    if level == "full":
        return rows * math.prod(col_factors) + cols
    return {"row": rows, "column": cols}.get(level, Index())


@functools.lru_cache(maxsize=4096)
def _indices_at(
    row_factors: tuple[Any, ...], col_factors: tuple[Any, ...], level: str, shape: tuple[Any, ...]
) -> tuple[Index, ...]:
    return delinearize(_flat_at(row_factors, col_factors, level), shape)


def _flat(factors: Sequence[Any], name: str) -> Index:
    flat = Index()
    for position, size in enumerate(factors):
        axis = Index() if size == 1 else Index(((Symbol(f"{name}{position}", size), 1),))
        flat = flat * size + axis
    return flat


@dataclass(frozen=True)
class Plan:
    """A legal kernel: its domain and each member's level."""

    domain: Domain
    levels: dict[Node, str]


def reduction_kind(node: Node) -> str:
    """How a reduction lies in row-major order: row, column, total, or other."""
    shape = node.inputs[0].type.shape
    axes = sorted(a for a in node.attrs["axes"] if shape[a] != 1)
    kept = [i for i, s in enumerate(shape) if s != 1 and i not in axes]
    if not kept:
        return "row" if node.op.name.startswith("arg") else "total"
    if not axes or axes[0] > kept[-1]:
        return "row"
    if axes[-1] < kept[0] and not node.op.name.startswith("arg"):
        return "column"
    return "other"


def _split(members: Sequence[Node], size: Any) -> tuple[Any, Any] | None:
    """The (rows, cols) that all reductions of full-size members agree on; None if they differ."""
    found: set[tuple[Any, Any]] = set()
    for node in members:
        if node.op.family != "reduction":
            continue
        kind, taken = reduction_kind(node), node.inputs[0].type.size
        if kind == "other":
            return None
        if taken == size and kind in _SPLIT_KINDS:
            kept = node.type.size
            found.add((kept, size // kept) if kind == "row" else (size // kept, kept))
    if len(found) > 1:
        return None
    return found.pop() if found else (size, 1)


def make_plan(members: Sequence[Node], kept: AbstractSet[Node]) -> Plan | None:
    """Return the plan under which these nodes form one kernel, or None if they cannot.

    ``kept`` are nodes that have a buffer whatever is fused, views among them.
    """
    size = _largest({_iteration_size(n) for n in members})
    if size is None:
        return None
    if size == 0:
        return Plan(Domain((0,), ()), dict.fromkeys(members, "full")) if len(members) == 1 else None
    split = _split(members, size)
    if split is None:
        return None
    levels = _levels(members, kept, *split)
    if levels is None:
        return None
    domain = _factored(members, levels, *split)
    if all(_reads_in_place(n, levels, domain, kept) for n in members):
        return Plan(domain, levels)
    return None


def joined(
    first: Plan, second: Plan, readers: Iterable[Node], kept: AbstractSet[Node]
) -> Plan | None:
    """Return the plan of two kernels of one domain as one, if that is easy to see; else None.

    ``readers`` are the members of the second that read members of the first, while the first reads
    none of the second. If they read full values alone, nobody's level changes, and only what they
    read is new: a long chain is fused without looking at all of it again and again.
    """
    if first.domain != second.domain:
        return None
    levels = {**first.levels, **second.levels}
    for node in readers:
        read = [levels[b] for b in bases(node, kept) if b in first.levels]
        if any(level != "full" for level in read):
            return None
        if not _reads_in_place(node, levels, first.domain, kept):
            return None
    return Plan(first.domain, levels)


def _largest(sizes: set[Any]) -> Any:
    """The largest of some sizes; None if which one it is depends on symbolic ones."""
    if not any(isinstance(size, Extent) for size in sizes):
        return max(sizes)
    for size in sizes:
        if all(other is size or surely_less(other, size) for other in sizes):
            return size
    return None


def _iteration_size(node: Node) -> Any:
    return node.inputs[0].type.size if node.op.family == "reduction" else node.type.size


def _levels(
    members: Sequence[Node], kept: AbstractSet[Node], rows: Any, cols: Any
) -> dict[Node, str] | None:
    inside = set(members)
    levels: dict[Node, str] = {}
    for node in members:
        known = [levels[b] for b in bases(node, kept) if b in inside]
        level = _level(node, known, rows, cols)
        if level is None:
            return None
        levels[node] = level
    return levels


def _level(node: Node, operands: list[str], rows: Any, cols: Any) -> str | None:
    size = node.type.size
    if node.op.family == "reduction":
        kind, taken = reduction_kind(node), node.inputs[0].type.size
        if any(level in END_LEVELS for level in operands):
            return None
        if taken == rows * cols and kind in _SPLIT_KINDS:
            return kind
        if kind == "total" and taken in (rows * cols, rows):
            return "total"
        return None
    if any(level in END_LEVELS for level in operands):
        # A check reports from the chunks, so it cannot stand where only the end is known.
        ends = size == 1 and all(v in ("total", "tail") for v in operands)
        return "tail" if ends and not node.op.effect else None
    if size == rows * cols:
        return "full"
    return "row" if size == rows and cols > 1 else None


def _factored(
    members: Iterable[Node], levels: dict[Node, str], rows: Any, cols: Any
) -> Domain:
    """Factor rows and cols by the members' shapes, so that index maps between them are exact."""
    products = {1, cols, rows * cols}
    for node in members:
        level = levels[node]
        shapes = [node.type.shape] if level in ("full", "row") else []
        if node.op.family != "movement" or node.op.name == "reshape":
            shapes += [n.type.shape for n in node.inputs if n.type.size == rows * cols]
        for shape in shapes:
            step = cols if math.prod(shape) == rows and level == "row" else 1
            for size in reversed(shape):
                step *= size
                products.add(step)
    return Domain(
        _chain([q for p in products if (q := _times(p, cols)) is not None], rows),
        _chain(list(products), cols),
    )


def _times(whole: Any, part: Any) -> Any:
    """How often ``part`` goes into ``whole``; None if it does not, or not for every size."""
    quotient, rest = divided(whole, part)
    return quotient if isinstance(rest, int) and rest == 0 else None


def _chain(products: list[Any], total: Any) -> tuple[Any, ...]:
    """Factors, outermost first, of a chain of products each dividing the next, and the total."""
    factors: list[Any] = []
    last: Any = 1
    for product in sorted(products, key=lambda p: (typical(p), str(p))):
        factor = _times(product, last)
        if factor is not None and factor != 1 and _times(total, product) is not None:
            factors.append(factor)
            last = product
    return tuple(reversed(factors))


def operand_indices(node: Node, position: int, level: str, domain: Domain) -> tuple[Index, ...]:
    """Indices at which a member reads an operand, in the operand's own shape."""
    operand = node.inputs[position]
    if node.op.family == "reduction":
        # Reducing a full value reads it at (row, col), reducing a row value at (row).
        whole = "full" if operand.type.size == domain.rows * domain.cols else "row"
        return domain.indices(whole, operand.type.shape)
    return domain.indices(level, operand.type.shape)


def member_accesses(node: Node, level: str, domain: Domain) -> list[Access]:
    """Every value a member reads through pure views, with the indices."""
    if node.op.family in ("movement", "source"):
        return [through_views(node, domain.indices(level, node.type.shape))]
    if node.op.family not in ("elementwise", "reduction"):
        return []
    return [
        through_views(operand, operand_indices(node, position, level, domain))
        for position, operand in enumerate(node.inputs)
    ]


def _reads_in_place(
    node: Node, levels: dict[Node, str], domain: Domain, kept: AbstractSet[Node]
) -> bool:
    """Whether a member reads other members only at the element at hand."""
    level = levels[node]
    elsewhere = {b for b in bases(node, kept) if b in levels}
    for access in member_accesses(node, level, domain):
        if access.node is node:
            continue
        if access.node not in levels:
            if not levels.keys().isdisjoint(_behind(access.node, kept)):
                return False
            continue
        source = levels[access.node]
        if level not in END_LEVELS and source in END_LEVELS:
            return False
        if not access.flat.same(domain.flat(source)):
            return False
        elsewhere.discard(access.node)
    return not elsewhere


def _behind(node: Node, kept: AbstractSet[Node]) -> list[Node]:
    """What a node that is no member is read from: a guarded view picks from its operands."""
    return bases(node, kept) if node.op.name in GUARDED_VIEWS and node not in kept else []
