"""Kernels of ops that are a step of their own: scatters, and products too small for a library."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.extent import Extent, typical
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.kernel import (
    Apply,
    Bind,
    Buffer,
    Constant,
    Let,
    Load,
    Loop,
    Owned,
    Stmt,
    Store,
    Var,
)  # fmt: skip
from tinytorch.ir.ops.indexing import identity
from tinytorch.ir.target import Target
from tinytorch.ir.types import DType, int64
from tinytorch.passes.kernel.access import storage_of
from tinytorch.passes.kernel.contraction import Operand, product_operands
from tinytorch.passes.kernel.loops import Loops
from tinytorch.passes.kernel.lower import Lowered
from tinytorch.passes.kernel.schedule import chunk_of, sealed


def loop_axis(name: str, size: Any) -> tuple[Symbol, Index]:
    """A loop variable, and the index that it is."""
    symbol = Symbol(name, size)
    return symbol, Index(((symbol, 1),))


def nested(axes: list[Symbol], *body: Stmt) -> Stmt:
    """Loops inside each other, the last of them contiguous in memory."""
    nest: tuple[Stmt, ...] = body
    for position, axis in enumerate(reversed(axes)):
        nest = (Loop(axis, "serial" if position else "vector", nest),)
    return nest[0]


def finished(
    graph: Graph, node: Node, body: list[Stmt], buffers: list[Buffer], rows: Any, chunk: int,
    cost: Any, inputs: list[Node],
) -> Lowered:  # fmt: skip
    """The kernel of one node; ``buffers`` begin with its inputs and itself, scratch follows."""
    table = {b.name: b for b in buffers}
    where = graph.origin_of(node)
    origins = (("y0", where),) if where else ()
    kernel, order = sealed(
        body, [], table, Loops(rows, (1,)), chunk, cost, [node.op.name], origins
    )
    known = {b.name: storage_of(n) for b, n in zip(buffers, [*inputs, node])}
    return Lowered(kernel, [known.get(b.name) for b in order], [node], extent=rows, chunk=chunk)


def lower_scatter(graph: Graph, node: Node, target: Target) -> Lowered:
    """Scatters: identities, then values combined in order, so that bits never vary.

    A chunk owns a range of rows of the scattered axis and adds only what falls into it.
    """
    source, index = node.inputs
    axis, size, dtype = node.attrs["axis"], node.attrs["size"], node.type.dtype
    shape = source.type.shape
    last = axis + (index.type.ndim if node.op is ops.put_add else 1)
    before, count, after = (math.prod(s) for s in (shape[:axis], shape[axis:last], shape[last:]))
    row, i = loop_axis("i", size)
    pre, p = loop_axis("p", before)
    each, n = loop_axis("n", count)
    post, j = loop_axis("j", after)
    mode = _MODES.get(node.op.name, "sum")
    empty = (0.0 if dtype.kind == "f" else 0) if mode == "sum" else identity(node.op.name, dtype)
    own = Store("y0", p * (size * after) + i * after + j, Constant(empty, dtype))
    clear = Loop(row, "chunk", (nested([pre, post], own),))
    at = Symbol("at", size)
    here = n if node.op is ops.put_add else p * (count * after) + n * after + j
    value = Load("x0", p * (count * after) + n * after + j, dtype)
    to = p * (size * after) + Index(((at, after),)) + j
    add = Store("y0", to, value, mode)
    bind = Bind(at, Load("x1", here, int64))
    if node.op is ops.put_add:
        spread = Loop(each, "serial", (bind, Owned(at, (nested([pre, post], add),))))
    else:
        inner = Loop(post, "serial", (bind, Owned(at, (add,))))
        spread = Loop(pre, "serial", (Loop(each, "serial", (inner,)),))
    buffers = [
        Buffer("x0", dtype, source.type.size, "in"), Buffer("x1", int64, index.type.size, "in"),
        Buffer("y0", dtype, node.type.size, "out"),
    ]  # fmt: skip
    cost = max(1.0, typical(source.type.size) / max(typical(size), 1))
    chunk = chunk_of(size, cost, target, flat=False)
    return finished(graph, node, [clear, spread], buffers, size, chunk, cost, [source, index])


def _element(operand: Operand, name: str, row: Index, col: Index, rows: Any, cols: Any,
             batch: Index, dtype: DType) -> Load:  # fmt: skip
    inner = col * rows + row if operand.transposed else row * cols + col
    return Load(name, batch * operand.stride + inner, dtype)


def lower_product(graph: Graph, node: Node, target: Target) -> Lowered:
    """A matrix product as a loop nest: rows of the result, each a sum of scaled rows.

    Several terms are added at a time, so that a row of the result is loaded and stored once for
    all of them. On the CPU a transposed right factor is packed first: its rows are then contiguous.
    """
    left, right = product_operands(node)
    *batch_shape, m, n = node.type.shape
    k = node.inputs[0].type.shape[-1]
    dtype = node.type.dtype
    rows = math.prod(batch_shape) * m
    row, i = loop_axis("i", rows)
    col, j = loop_axis("j", n)
    batch, at_row = i.split(m)
    out = i * n + j
    before: list[Stmt] = []
    packs = target.name == "cpu" and right.transposed and rows == m and m > 1 and k * n > 0
    packs = packs and not isinstance(k * n, Extent)  # scratch has a size of its own
    name, packed = ("pack", replace(right, transposed=False)) if packs else ("x1", right)
    if packs:
        depth, at = loop_axis("p", k)
        copy = Store(name, at * n + j, _element(right, "x1", at, j, k, n, batch, dtype))
        before = [Loop(depth, "serial", (nested([col], copy),))]

    def terms(at: Index, count: int, mode: str) -> tuple[Stmt, ...]:
        """Add ``count`` scaled rows, from row ``at`` of the right factor on."""
        factors = [Var(f"factor_{u}", dtype) for u in range(count)]
        lets = [
            Let(f, _element(left, "x0", at_row, at + u, m, k, batch, dtype))
            for u, f in enumerate(factors)
        ]
        loads = [_element(packed, name, at + u, j, k, n, batch, dtype) for u in range(count)]
        template = " + ".join(f"{{{2 * u}}} * {{{2 * u + 1}}}" for u in range(count))
        arguments = tuple(e for pair in zip(factors, loads, strict=True) for e in pair)
        return (*lets, nested([col], Store("y0", out, Apply(template, arguments, dtype), mode)))

    together = 1 if isinstance(k, Extent) else _TERMS
    whole, rest = divmod(k, together)
    inside: list[Stmt] = []
    if whole:
        inside += terms(Index(), together, "set")
    if whole > 1:
        block, kk = loop_axis("k", whole - 1)
        inside.append(Loop(block, "serial", terms(kk * together + together, together, "sum")))
    if rest:
        inside += terms(Index((), whole * together), rest, "sum" if whole else "set")
    body = [*before, Loop(row, "chunk", tuple(inside))]
    buffers = [
        Buffer("x0", dtype, left.base.type.size, "in"),
        Buffer("x1", dtype, right.base.type.size, "in"),
        Buffer("y0", dtype, node.type.size, "out"),
        *([Buffer(name, dtype, k * n, "scratch")] if packs else []),
    ]
    cost = 2 * n * k
    cost = cost if isinstance(cost, Extent) else float(cost)
    chunk = chunk_of(rows, cost, target, flat=False)
    return finished(graph, node, body, buffers, rows, chunk, cost, [left.base, right.base])


_MODES = {"scatter_max": "max", "scatter_min": "min", "scatter_prod": "prod"}
_TERMS = 8
"""Scaled rows added at a time: enough to keep the multipliers busy, few enough for registers."""
