"""A loop nest as Python text. A target overrides how loops and reductions are spelled."""

from __future__ import annotations

from tinytorch.codegen.expression import ExpressionPrinter, index_text, size_text
from tinytorch.ir.dim import variable
from tinytorch.ir.index import Index
from tinytorch.ir.kernel import (
    Accumulator,
    Bind,
    Check,
    Constant,
    Kernel,
    Let,
    Loop,
    Owned,
    Stmt,
    Store,
    Update,
)  # fmt: skip
from tinytorch.ir.types import DType

_STEPS = {"sum": "sum_step", "max": "max_step", "min": "min_step"}


class KernelPrinter:
    """Prints statements, one line each, and remembers which line came from which variable."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.expressions = ExpressionPrinter()
        self.lines: list[str] = []
        self.line_of: dict[str, int] = {}

    def emit(self, depth: int, text: str, name: str = "") -> None:
        """Add a line."""
        self.lines.append("    " * depth + text)
        if name:
            self.line_of.setdefault(name, len(self.lines))

    def sizes(self, depth: int) -> None:
        """Name the symbolic sizes that the text uses."""
        for position, name in enumerate(self.kernel.dims):
            self.emit(depth, f"{variable(name)} = sizes[{position}]")

    def body(self, stmts: tuple[Stmt, ...], depth: int) -> None:
        """Print statements."""
        if not stmts:
            self.emit(depth, "pass")
        for stmt in stmts:
            self.stmt(stmt, depth)

    def stmt(self, stmt: Stmt, depth: int) -> None:
        """Print one statement."""
        text = self.expressions.text
        if isinstance(stmt, Loop):
            self.loop(stmt, depth)
        elif isinstance(stmt, Let):
            self.emit(depth, f"{stmt.var.name} = {text(stmt.expr)}", stmt.var.name)
        elif isinstance(stmt, Accumulator):
            self.accumulator(stmt, depth)
        elif isinstance(stmt, Update):
            self.update(stmt, depth)
        elif isinstance(stmt, Store):
            self.store(stmt, depth)
        elif isinstance(stmt, Check):
            self.emit(depth, f"if {text(stmt.failed)}:")
            self.emit(depth + 1, f"status[0] = {stmt.code}")
        elif isinstance(stmt, Bind):
            value = stmt.value
            shown = index_text(value) if isinstance(value, Index) else text(value)
            self.emit(depth, f"{stmt.symbol.name} = {shown}")
        elif isinstance(stmt, Owned):
            self.emit(depth, f"if lo <= {stmt.symbol.name} < hi:")
            self.body(stmt.body, depth + 1)

    def loop(self, loop: Loop, depth: int) -> None:
        """Print a loop; targets say what a bind means."""
        bounds = "lo, hi" if loop.bind == "chunk" else size_text(loop.axis.extent)
        self.emit(depth, f"for {loop.axis.name} in range({bounds}):")
        if loop.interleave:
            self.expressions.functions.add("interleave")
            self.emit(depth + 1, f"interleave({loop.interleave})")
        if loop.in_order:
            self.expressions.functions.add("in_order")
            self.emit(depth + 1, "in_order()")
        self.body(loop.body, depth + 1)

    def accumulator(self, stmt: Accumulator, depth: int) -> None:
        """Print the start of a reduction."""
        start = start_value(stmt.kind, stmt.var.dtype)
        self.emit(depth, f"{stmt.var.name} = {self.expressions.text(start)}", stmt.var.name)
        if stmt.position is not None:
            self.emit(depth, f"{stmt.position.name} = 0", stmt.position.name)

    def update(self, stmt: Update, depth: int) -> None:
        """Print one step of a reduction."""
        name, value = stmt.var.name, self.expressions.text(stmt.expr)
        if stmt.kind == "set":
            self.emit(depth, f"{name} = {value}")
        elif stmt.kind == "any":
            self.emit(depth, f"{name} = {name} | ({value})")
        elif stmt.position is not None and stmt.at is not None:
            sign = ">" if stmt.kind == "argmax" else "<"
            self.emit(depth, f"candidate = {value}")
            # A NaN wins once, over anything that is not one.
            first_nan = f"(candidate != candidate and {name} == {name})"
            self.emit(depth, f"if candidate {sign} {name} or {first_nan}:")
            self.emit(depth + 1, f"{name} = candidate")
            self.emit(depth + 1, f"{stmt.position.name} = {index_text(stmt.at)}")
        else:
            self.emit(depth, f"{name} = {self.combined(stmt.kind, name, value, stmt.var.dtype)}")

    def combined(self, kind: str, total: str, value: str, dtype: DType) -> str:
        """One step of a sum, max or min as an expression."""
        if dtype.kind == "f":
            function = _STEPS[kind]
        elif kind == "sum":
            return f"{total} + {value}" if dtype.kind == "i" else f"{total} | {value}"
        else:
            function = "maximum" if kind == "max" else "minimum"
        self.expressions.functions.add(function)
        return f"{function}({total}, {value})"

    def store(self, stmt: Store, depth: int) -> None:
        """Print a write."""
        place = f"{stmt.buffer}[{index_text(stmt.index)}]"
        value = self.expressions.text(stmt.expr)
        if stmt.mode in ("sum", "prod"):
            sign = "+" if stmt.mode == "sum" else "*"
            self.emit(depth, f"{place} {sign}= {value}", stmt.buffer)
        elif stmt.mode in ("max", "min"):
            function = "maximum" if stmt.mode == "max" else "minimum"
            self.expressions.functions.add(function)
            self.emit(depth, f"{place} = {function}({place}, {value})", stmt.buffer)
        else:
            self.emit(depth, f"{place} = {value}", stmt.buffer)

    def origins(self) -> tuple[tuple[int, str], ...]:
        """User lines by line of the text printed so far."""
        found = {
            self.line_of[name]: where for name, where in self.kernel.origins if name in self.line_of
        }
        return tuple(sorted(found.items()))


def start_value(kind: str, dtype: DType) -> Constant:
    """What a reduction starts from."""
    if kind == "any":
        return Constant(False, dtype)
    if kind == "sum":
        return Constant({"f": 0.0, "i": 0, "b": False}[dtype.kind], dtype)
    largest = kind in ("max", "argmax")
    if dtype.kind == "f":
        return Constant(float("-inf") if largest else float("inf"), dtype)
    if dtype.kind == "b":
        return Constant(not largest, dtype)
    high = (1 << (dtype.bits - (1 if dtype.signed else 0))) - 1
    low = -high - 1 if dtype.signed else 0
    return Constant(low if largest else high, dtype)
