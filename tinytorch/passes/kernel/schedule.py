"""Schedule: how a kernel's rows are cut into chunks, and the finished Kernel with its name."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from typing import Any

from tinytorch.errors import SizeError
from tinytorch.ir.extent import Extent, typical
from tinytorch.ir.graph import Node
from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.kernel import (
    Apply,
    Buffer,
    Guard,
    IndexValue,
    Kernel,
    Load,
    Loop,
    Owned,
    Stmt,
    Store,
    walk,
)  # fmt: skip
from tinytorch.ir.op import TABLE
from tinytorch.ir.target import Target
from tinytorch.ir.types import int64
from tinytorch.passes.kernel.loops import Loops

_LANES = 64
"""Chunks of flat kernels are multiples of this, so that no chunk starts inside a vector."""


def row_cost(members: list[Node], levels: dict[Node, str], cols: Any) -> Any:
    """Scalar operations of one value of the chunked axis, roughly."""
    total: Any = 0
    for node in members:
        full = levels[node] in ("full", "column") or node.op.family == "reduction"
        total += node.op.costly * (cols if full else 1)
    return total if isinstance(total, Extent) else max(float(total), 1.0)


def chunk_of(rows: Any, cost: Any, target: Target, flat: bool) -> int:
    """Rows a chunk: one chunk if the work is small, else enough for every core.

    A pure function of shape and target: results do not depend on the number of threads. It is 0
    where that depends on symbolic sizes: the launch, which knows them, asks again.
    """
    if isinstance(rows, Extent) or (isinstance(cost, Extent) and rows > 1):
        return 0
    if rows <= 1:
        return max(rows, 1)
    work = rows * cost
    if work <= target.parallel_work:
        return max(rows, 1)
    chunks = min(target.max_chunks, rows, max(2, int(work // target.parallel_work)))
    chunk = -(-rows // chunks)
    return -(-chunk // _LANES) * _LANES if flat else chunk


def sealed(
    body: list[Stmt], finish: list[Stmt], buffers: dict[str, Buffer], loops: Loops, chunk: int,
    cost: Any, names: list[str], origins: tuple[tuple[str, str], ...],
) -> tuple[Kernel, list[Buffer]]:  # fmt: skip
    """Return the kernel, named after what it does and a hash of its text, and its parameters."""
    dims = sorted(dims_in((body, finish)))
    if any(b.role == "scratch" and isinstance(b.size, Extent) for b in buffers.values()):
        raise SizeError(f"{', '.join(names)}: memory private to a thread has a size of its own")
    if dims:
        buffers["sizes"] = Buffer("sizes", int64, len(dims), "sizes")
    order = sorted(buffers.values(), key=lambda b: _ROLES.index(b.role))
    flat = _is_flat(loops, order, body, finish)
    if flat:
        order = [replace(b, size=0) if b.size > 1 or b.role == "out" else b for b in order]
        loops = Loops(1, ())
    kernel = Kernel(
        name="", buffers=tuple(order), body=interleaved(tuple(body), flat), finish=tuple(finish),
        extent=0 if flat else loops.rows, chunk=0 if flat else chunk, flat=flat, cost=cost,
        dims=tuple(dims),
    )  # fmt: skip
    digest = hashlib.sha256(repr(_neutral(kernel)).encode()).hexdigest()[:8]
    kernel = replace(kernel, name=f"{_stem(names)}_{digest}", origins=origins)
    return kernel, [b for b in order if b.role != "scratch"]


def interleaved(body: tuple[Stmt, ...], flat: bool) -> tuple[Stmt, ...]:
    """Say for each innermost loop how many vectors it computes side by side.

    What a processor can look ahead is shorter than one pass through a long body, so vectors that
    follow each other would wait for the latency of every step. Short bodies need no help, and a
    loop must be long enough to fill the vectors. A loop of few vectors is kept a loop: unrolled
    away, it would leave the loop around it to be vectorised, across rows.
    """
    done: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, Loop | Owned) and any(isinstance(s, Loop | Owned) for s in stmt.body):
            stmt = replace(stmt, body=interleaved(stmt.body, flat))
        elif isinstance(stmt, Loop) and stmt.bind != "serial":
            cost = sum(_cost(s) for s in stmt.body)
            count = _side_by_side(cost)
            while not flat and count > 1 and count * _LANES > 4 * typical(stmt.axis.extent):
                count //= 2
            few = stmt.bind == "vector" and _FEW[0] <= typical(stmt.axis.extent) <= _FEW[1]
            thin = count > 1 and len(stmt.body) >= _LONG and cost <= _THIN * len(stmt.body)
            stmt = replace(stmt, interleave=count if count > 1 else int(few), in_order=thin)
        done.append(stmt)
    return tuple(done)


def _side_by_side(cost: float) -> int:
    return next(count for limit, count in _INTERLEAVE if cost <= limit)


def _cost(stmt: Stmt) -> int:
    """Scalar operations of a statement."""
    return sum(_COST_OF.get(p.template, 1) for p in parts(stmt) if isinstance(p, Apply))


_INTERLEAVE = ((16, 1), (1000, 4), (math.inf, 1))
_FEW = (8, 128)
_LONG, _THIN = 100, 3
"""Statements of a body, and operations in one, of a chain that waits for latency alone: compilers
would save registers by computing one vector after the other, which then wait for each other."""
_COST_OF = {op.expr: op.costly for op in TABLE.values() if op.expr is not None}
_ROLES = ("in", "sizes", "out", "inout", "partial", "status", "scratch")


def _neutral(kernel: Kernel) -> tuple[object, ...]:
    """What decides the text: in a flat kernel the extent of the axis does not."""
    text = repr((kernel.buffers, kernel.body, kernel.finish, kernel.extent, kernel.chunk))
    if kernel.flat:
        for stmt in walk(kernel.body):
            axis = getattr(stmt, "axis", None)
            if axis is not None and axis.name == "i":
                text = text.replace(repr(axis), "i")
    return (text, kernel.flat)


def _stem(names: list[str]) -> str:
    """A readable name from the ops: what is rarest and costliest says most."""
    counts = Counter(n for n in names if n not in ("cast", "where", "eq", "gt", "neg"))
    telling = [n for n in dict.fromkeys(names) if n in _TELLING]
    chosen = telling[:3] or [n for n, _ in counts.most_common(2)] or names[:1]
    return "_".join(chosen)


_TELLING = ("max", "exp", "log", "tanh", "sigmoid", "erf", "sqrt", "rsqrt", "sum", "argmax", "relu",
            "take", "gather", "random_bits", "sin", "cos", "pow")  # fmt: skip


def _is_flat(loops: Loops, buffers: list[Buffer], body: list[Stmt], finish: list[Stmt]) -> bool:
    """Whether a kernel is one loop in which every buffer is read at the axis itself."""
    if loops.inner or finish or any(b.role in ("partial", "status", "scratch") for b in buffers):
        return False
    row = loops.flat("row")
    for stmt in walk(tuple(body)):
        for index in _indices(stmt):
            if index.symbols() and not index.same(row):
                return False
        if isinstance(stmt, Store) and not stmt.index.symbols():
            return False
    return True


def dims_in(item: Any) -> set[str]:
    """Names of the Dims that the text of statements, expressions and indices needs."""
    if isinstance(item, Extent):
        return {d.name for d in item.dims}
    if isinstance(item, Symbol):  # what bounds a variable is written where its loop begins
        return set()
    if isinstance(item, Loop):
        return dims_in(item.body) | (set() if item.bind == "chunk" else dims_in(item.axis.extent))
    if isinstance(item, tuple | list):
        return {name for part in item for name in dims_in(part)}
    return {found for name in _field_names(item) for found in dims_in(getattr(item, name))}


_names: dict[type[Any], tuple[str, ...]] = {}


def _field_names(item: object) -> tuple[str, ...]:
    """Names of a dataclass's fields; of anything else, none. Asked often, so kept by class."""
    kind = type(item)
    if kind not in _names:
        _names[kind] = tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()
    return _names[kind]


def parts(item: object) -> list[object]:
    """A statement or expression and all expressions in it; loops are not entered."""
    found: list[object] = []
    stack = [item]
    while stack:
        item = stack.pop()
        found.append(item)
        for name in ("expr", "arg", "value", "otherwise", "failed"):
            part = getattr(item, name, None)
            if _field_names(part):
                stack.append(part)
        stack.extend(getattr(item, "args", ()))
    return found


def loads_of(stmt: Stmt) -> list[Load]:
    """Every load in a statement."""
    return [p for p in parts(stmt) if isinstance(p, Load)]


def _indices(stmt: Stmt) -> list[Index]:
    found: list[Index] = []
    for part in parts(stmt):
        if isinstance(part, Load | Store):
            found.append(part.index)
        elif isinstance(part, IndexValue):
            found.append(part.index * 2)  # a value of the axis: its meaning depends on the extent
        elif isinstance(part, Guard):
            found.extend(index * 2 for index, _, _ in part.conditions)
    return found
