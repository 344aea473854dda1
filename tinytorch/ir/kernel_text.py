"""Kernel to text: the loop nest with its buffers, before any target's spelling."""

from __future__ import annotations

from typing import Any

from tinytorch.ir.extent import Extent
from tinytorch.ir.index import Index, Quotient
from tinytorch.ir.kernel import (
    Accumulator,
    Apply,
    Bind,
    Cast,
    Check,
    Constant,
    Expr,
    Guard,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    Owned,
    Stmt,
    Store,
    Update,
    Var,
)  # fmt: skip


def format_kernel(kernel: Kernel) -> str:
    """Return a kernel as indented text."""
    chunk = kernel.chunk or "what the launch says"
    extent = "any extent" if kernel.flat else f"{kernel.extent} in chunks of {chunk}"
    cost = kernel.cost if isinstance(kernel.cost, Extent) else f"{kernel.cost:.0f}"
    lines = [f"kernel {kernel.name}  # {extent}, about {cost} operations a row"]
    for b in kernel.buffers:
        size = "" if kernel.flat and b.size == 0 else f"[{b.size}]"
        lines.append(f"  {b.role} {b.name}: {b.dtype.short}{size}")
    where = dict(kernel.origins)
    _body(kernel.body, 1, lines, where)
    if kernel.finish:
        lines.append("  finish")
        _body(kernel.finish, 2, lines, where)
    return "\n".join(lines)


def _body(body: tuple[Stmt, ...], depth: int, lines: list[str], where: dict[str, str]) -> None:
    for stmt in body:
        text, name = _stmt(stmt)
        line = "  " * depth + text
        lines.append(f"{line:<60}  # {where[name]}" if name in where else line)
        if isinstance(stmt, Loop | Owned):
            _body(stmt.body, depth + 1, lines, where)


def _stmt(stmt: Stmt) -> tuple[str, str]:
    if isinstance(stmt, Loop):
        wide = f" x {stmt.interleave}" if stmt.interleave else ""
        wide += " in order" if stmt.in_order else ""
        return f"loop {stmt.axis.name} < {stmt.axis.extent}: {stmt.bind}{wide}", ""
    if isinstance(stmt, Let):
        return f"{stmt.var.name}: {stmt.var.dtype.short} = {_expr(stmt.expr)}", stmt.var.name
    if isinstance(stmt, Accumulator):
        return f"accumulate {stmt.kind} {stmt.var.name}: {stmt.var.dtype.short}", stmt.var.name
    if isinstance(stmt, Update):
        at = f" at {_index(stmt.at)}" if stmt.at is not None else ""
        return f"{stmt.var.name} <- {stmt.kind} {_expr(stmt.expr)}{at}", ""
    if isinstance(stmt, Store):
        arrow = "=" if stmt.mode == "set" else f"{stmt.mode}="
        return f"{stmt.buffer}[{_index(stmt.index)}] {arrow} {_expr(stmt.expr)}", stmt.buffer
    if isinstance(stmt, Check):
        return f"check {_expr(stmt.failed)}: code {stmt.code}", ""
    if isinstance(stmt, Bind):
        value = stmt.value
        shown = _index(value) if isinstance(value, Index) else _expr(value)
        return f"{stmt.symbol.name} < {stmt.symbol.extent} = {shown}", ""
    return f"if {stmt.symbol.name} is owned by the chunk", ""


def _index(index: Index) -> str:
    parts = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Quotient):
            divisor = _factor(atom.divisor)
            text = f"({_index(atom.index)}) {'%' if atom.remainder else '//'} {divisor}"
        else:
            text = atom.name
        parts.append(text if coefficient == 1 else f"{_factor(coefficient)}*{text}")
    if index.offset or not parts:
        parts.append(str(index.offset))
    return " + ".join(parts)


def _factor(size: Any) -> str:
    return f"({size})" if isinstance(size, Extent) and len(size.terms) > 1 else str(size)


def _expr(expr: Expr) -> str:
    if isinstance(expr, Var):
        return expr.name
    if isinstance(expr, Constant):
        return f"{expr.value}:{expr.dtype.short}"
    if isinstance(expr, Load):
        return f"{expr.buffer}[{_index(expr.index)}]"
    if isinstance(expr, Apply):
        return expr.template.format(*(_expr(a) for a in expr.args))
    if isinstance(expr, Cast):
        return f"{expr.dtype.short}({_expr(expr.arg)})"
    if isinstance(expr, IndexValue):
        return f"index({_index(expr.index)})"
    assert isinstance(expr, Guard)
    tests = " and ".join(f"{low} <= {_index(i)} < {high}" for i, low, high in expr.conditions)
    return f"({_expr(expr.value)} if {tests} else {_expr(expr.otherwise)})"
