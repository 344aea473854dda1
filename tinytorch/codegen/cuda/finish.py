"""How a kernel's finish is dealt out: columns to all blocks, what is left to one block.

The grammar adds partial columns chunk by chunk into memory. Here each column is added up in a
register, in the same order of chunks if one thread does it, in the fixed order of a block reduction
if a block does. Columns do not depend on each other, so any number of blocks may share them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytorch.codegen.cuda.threads import accesses
from tinytorch.ir.kernel import Accumulator, Kernel, Loop, Stmt, Store, Update, Var

MANY = 2048
"""From so many columns on a thread takes one; fewer are given to a block each."""
MAX_BLOCKS = 1024


@dataclass(frozen=True)
class Columns:
    """A loop over columns that may be cut across blocks; ``by_thread``: and across threads."""

    nest: Loop
    inner: Loop
    by_thread: bool


@dataclass(frozen=True)
class Finish:
    """A finish taken apart. ``rest`` runs in one block and needs no column."""

    columns: tuple[Columns, ...]
    rest: tuple[Stmt, ...]

    def blocks(self, threads: int) -> int:
        """How many blocks have work."""
        wanted = 1
        for one in self.columns:
            extent = one.inner.axis.extent
            wanted = max(wanted, -(-extent // threads) if one.by_thread else extent)
        return min(wanted, MAX_BLOCKS)


def _innermost(loop: Loop) -> tuple[list[Loop], Stmt | None]:
    """A perfect nest's loops, and the one statement inside; None if it is not one."""
    loops = [loop]
    while len(loops[-1].body) == 1:
        (inner,) = loops[-1].body
        if not isinstance(inner, Loop):
            return loops, inner
        loops.append(inner)
    return loops, None


def _gathered(fill: Stmt, add: Stmt, number: int) -> Columns | None:
    """One nest for the pair: fill with the identity, then add chunk by chunk."""
    if not (isinstance(fill, Loop) and isinstance(add, Loop) and add.bind == "serial"):
        return None
    outer, start = _innermost(fill)
    inner, step = _innermost(add)
    axes = [loop.axis for loop in outer]
    if not isinstance(start, Store) or not isinstance(step, Store):
        return None
    same = start.buffer == step.buffer and start.index == step.index and start.mode == "set"
    if not same or step.mode == "set" or [loop.axis for loop in inner[1:]] != axes:
        return None
    var = Var(f"column_{number}", step.expr.dtype)
    body: tuple[Stmt, ...] = (
        Accumulator(var, step.mode),
        Loop(add.axis, "serial", (Update(var, step.mode, step.expr),)),
        Store(step.buffer, step.index, var),
    )
    many = axes[-1].extent >= MANY
    last = Loop(axes[-1], "vector" if many else "serial", body)
    nest = last
    for axis in reversed(axes[:-1]):
        nest = Loop(axis, "serial", (nest,))
    return Columns(nest, last, many)


def taken_apart(kernel: Kernel) -> Finish:
    """Find the columns in a kernel's finish."""
    columns: list[Columns] = []
    rest: list[Stmt] = []
    stmts = list(kernel.finish)
    while stmts:
        found = _gathered(stmts[0], stmts[1], len(columns)) if len(stmts) > 1 else None
        if found is None:
            rest.append(stmts.pop(0))
        else:
            columns.append(found)
            del stmts[:2]
    written = {a.buffer for one in columns for a in accesses(one.nest) if a.write}
    if any(a.buffer in written for stmt in rest for a in accesses(stmt)):
        return Finish((), kernel.finish)  # what reads a column must come after it, in one block
    return Finish(tuple(columns), tuple(rest))
