"""Which thread of a block touches what: how loops are dealt out to threads, and where to wait.

A block runs one chunk. A loop is *shared out* if its iterations go to the threads in turn
(iteration n to thread n modulo the size of the block); every other statement is run by all threads
alike, except that one thread alone stores.

A loop may be shared out if the address of every store in it tells which iteration made it: then
no two threads write one element, and a sum into memory needs no atomics. The same rule tells where
no barrier is needed: if two loops reach an element through the same map from address to iteration,
it was the same thread both times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinytorch.ir.index import Index, atom_extent
from tinytorch.ir.kernel import (
    Check,
    Expr,
    Guard,
    Kernel,
    Let,
    Load,
    Loop,
    Owned,
    Stmt,
    Store,
    Update,
    walk,
)  # fmt: skip

NARROW = 32
"""Rows up to this long are given to one thread each; longer ones to a block."""


@dataclass(frozen=True)
class Owner:
    """The map from an address to the iteration, and so the thread, that touches it.

    Iteration ``(address - offset) // stride % extent`` of a loop over ``kind``. ``all``: every
    thread; ``first``: thread 0.
    """

    kind: str
    stride: int = 0
    extent: int = 0
    offset: int = 0


ALL = Owner("all")
FIRST = Owner("first")


@dataclass(frozen=True)
class Access:
    """One read or write of a buffer; ``owner`` None where the thread cannot be told."""

    buffer: str
    write: bool
    owner: Owner | None


def owner_of(index: Index, loop: Loop) -> Owner | None:
    """Return which iteration of a loop an address belongs to; None if the address cannot tell."""
    stride = index.coefficient(loop.axis)
    extent = loop.axis.extent
    kind = "chunk" if loop.bind == "chunk" else "loop"
    if extent == 1 and loop.bind != "chunk":
        return Owner(kind, 1, 1, 0)
    if not stride or stride < 0:
        return None
    period = stride * extent
    low = high = 0
    for atom, coefficient in index.terms:
        if atom == loop.axis or coefficient % period == 0:
            continue
        top = coefficient * (atom_extent(atom) - 1)
        low, high = low + min(0, top), high + max(0, top)
    if (low, high) == (0, 0):
        return Owner(kind, stride, extent, index.offset % period)
    inside = low + index.offset >= 0 and high + index.offset < stride
    return Owner(kind, stride, extent, 0) if inside else None


def expressions(stmt: Stmt) -> Iterator[Expr]:
    """Yield every expression in a statement, without those of inner statements."""
    stack: list[object] = []
    for name in ("expr", "failed", "value"):
        part = getattr(stmt, name, None)
        if part is not None and not isinstance(part, Index):
            stack.append(part)
    while stack:
        expr = stack.pop()
        yield expr  # type: ignore[misc]
        stack.extend(getattr(expr, "args", ()))
        if isinstance(expr, Guard):
            stack += [expr.value, expr.otherwise]
        elif hasattr(expr, "arg"):
            stack.append(expr.arg)


def accesses(stmt: Stmt, loop: Loop | None = None) -> list[Access]:
    """Every access of a statement and the statements in it, dealt out by ``loop`` (None: not)."""
    found: list[Access] = []
    for inner in walk((stmt,)):
        for expr in expressions(inner):
            if isinstance(expr, Load):
                owner = owner_of(expr.index, loop) if loop else ALL
                found.append(Access(expr.buffer, False, owner))
        if isinstance(inner, Store):
            owner = owner_of(inner.index, loop) if loop else FIRST
            found.append(Access(inner.buffer, True, owner))
            if inner.mode != "set":
                found.append(Access(inner.buffer, False, owner))
        elif isinstance(inner, Check):
            found.append(Access("status", True, FIRST))
    return found


def can_share(loop: Loop) -> bool:
    """Whether the iterations of a loop are independent but for reductions."""
    if _carries(loop):
        return False
    touched = accesses(loop, loop)
    owners: dict[str, Owner] = {}
    for access in touched:
        if not access.write:
            continue
        if access.owner is None or access.owner is FIRST:
            return False
        if owners.setdefault(access.buffer, access.owner) != access.owner:
            return False
    return all(owners.get(a.buffer, a.owner) == a.owner for a in touched)


def _carries(loop: Loop) -> bool:
    """Whether an iteration reads what the one before it left in a variable."""
    inside = list(walk(loop.body))
    fresh = {s.var.name for s in inside if isinstance(s, Let)}
    return any(
        isinstance(s, Update) and s.kind == "set" and s.var.name not in fresh for s in inside
    )


class Sharing:
    """Decides which loops of a kernel are shared out to the threads of a block."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._chosen: dict[int, bool] = {}
        self._buffers = {b.name: b for b in kernel.buffers}

    def shared(self, loop: Loop) -> bool:
        """Whether a loop, met where all threads run alike, is shared out."""
        key = id(loop)
        if key not in self._chosen:
            self._chosen[key] = self._choose(loop)
        return self._chosen[key]

    def _choose(self, loop: Loop) -> bool:
        inner = [s for s in walk(loop.body) if isinstance(s, Loop)]
        lanes = [s.axis.extent for s in inner if s.bind == "vector"]
        if loop.bind == "vector":
            return can_share(loop)
        if loop.bind == "chunk":
            return max(lanes, default=1) <= NARROW and can_share(loop)
        if lanes or not can_share(loop):
            return False
        # Of loops inside each other that could all be shared out, the longest is.
        return all(s.axis.extent <= loop.axis.extent for s in inner if can_share(s))

    def partial(self, body: tuple[Stmt, ...], name: str) -> bool:
        """Whether an accumulator that all threads start is updated by each with its own share."""
        return any(self._updates(stmt, name, False) for stmt in body)

    def _updates(self, stmt: Stmt, name: str, dealt: bool) -> bool:
        if isinstance(stmt, Update):
            return dealt and stmt.var.name == name
        if isinstance(stmt, Loop):
            dealt = dealt or self.shared(stmt)
        if isinstance(stmt, Loop | Owned):
            return any(self._updates(inner, name, dealt) for inner in stmt.body)
        return False

    def conflict(self, before: list[Access], after: list[Access]) -> bool:
        """Whether threads must wait for each other between two groups of accesses."""
        return any(
            (a.write or b.write) and (a.owner is None or a.owner != b.owner or a.owner is ALL)
            and self._overlap(a.buffer, b.buffer)
            for a in before for b in after
        )  # fmt: skip

    def _overlap(self, one: str, other: str) -> bool:
        """Whether two names may stand for one memory: an update may be written in place."""
        if one == other:
            return True
        a, b = self._buffers[one], self._buffers[other]
        roles = {a.role, b.role}
        return "in" in roles and len(roles) == 2 and (a.dtype, a.size) == (b.dtype, b.size)


def independent(kernel: Kernel) -> bool:
    """Whether rows may be cut into chunks of any size without a trace in the results."""
    if kernel.finish or any(b.role == "partial" for b in kernel.buffers):
        return False
    loops = [s for s in kernel.body if isinstance(s, Loop)]
    kinds = {getattr(s, "kind", "any") for s in kernel.body}
    stores = any(isinstance(s, Store) for s in kernel.body)
    return len(loops) == 1 and loops[0].bind == "chunk" and kinds == {"any"} and not stores


def widest(kernel: Kernel) -> int:
    """Longest vector loop of a kernel."""
    loops = (s for s in walk((*kernel.body, *kernel.finish)) if isinstance(s, Loop))
    return max((s.axis.extent for s in loops if s.bind == "vector"), default=1)

