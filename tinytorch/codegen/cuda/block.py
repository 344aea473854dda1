"""A loop nest as the text of one CUDA block: the CPU's grammar, dealt out to threads.

Where the CPU's printer writes a loop, this one decides who runs it (``threads``), adds up
what threads gathered apart, and writes a barrier where one thread reads what another wrote.
"""

from __future__ import annotations

import re

from tinytorch.codegen.cuda.prelude import BUILTIN, DeviceFunctions
from tinytorch.codegen.cuda.threads import Access, Sharing, accesses
from tinytorch.codegen.expression import ExpressionPrinter, index_text
from tinytorch.codegen.kernel import KernelPrinter
from tinytorch.ir.index import Index
from tinytorch.ir.kernel import (
    Accumulator,
    Apply,
    Bind,
    Check,
    Expr,
    Kernel,
    Load,
    Loop,
    Owned,
    Stmt,
    Store,
    Update,
    walk,
)  # fmt: skip
from tinytorch.ir.types import DType, bfloat16

_CALLS = re.compile(r"\b([a-z_][a-z_0-9]*)\(")


def numpy_name(dtype: str) -> str:
    """Name of a numpy scalar type, as every version of numpy has it."""
    return "bool_" if dtype == "bool" else dtype


class CudaExpressions(ExpressionPrinter):
    """Expressions whose calls go to device functions of the operands' dtype."""

    def __init__(self, device: DeviceFunctions) -> None:
        super().__init__()
        self.device = device

    def text(self, expr: Expr) -> str:
        """An expression; halves are widened as they are read."""
        if isinstance(expr, Load) and expr.dtype.is_half:
            return self.widened(f"{expr.buffer}[{index_text(expr.index)}]", expr.dtype)
        if isinstance(expr, Apply):
            dtype = expr.args[-1].dtype
            own = _CALLS.sub(lambda m: f"{self.call(m[1], dtype)}(", expr.template)
            return super().text(Apply(own, expr.args, expr.dtype))
        return super().text(expr)

    def widened(self, place: str, dtype: DType) -> str:
        """An element of memory in its compute dtype."""
        if dtype is bfloat16:
            return f"{self.call('bfloat16_to_float', dtype)}({place})"
        return f"np.{dtype.compute}({place})" if dtype.is_half else place

    def narrowed(self, value: str, dtype: DType) -> str:
        """A value as it is stored."""
        if dtype is bfloat16:
            return f"{self.call('float_to_bfloat16', dtype)}({value})"
        return f"np.{dtype.storage}({value})" if dtype.is_half else value

    def call(self, name: str, dtype: DType) -> str:
        """The name under which the text defines a function."""
        return name if name in BUILTIN else self.device.spelled(name, dtype)


class BlockPrinter(KernelPrinter):
    """Prints what one block does with its chunk."""

    expressions: CudaExpressions

    def __init__(self, kernel: Kernel, expressions: CudaExpressions) -> None:
        super().__init__(kernel)
        self.device = expressions.device
        self.expressions = expressions
        self.sharing = Sharing(kernel)
        self.across_blocks: dict[int, bool] = {}
        """Loops that blocks share, by id; true where the threads of each share them too."""
        self.arrays: dict[str, str] = {}
        """Shared memory of the block reductions: name -> numpy type."""
        self._dealt = False
        self._partial: set[str] = set()
        self._pending: list[Access] = []

    # ------------------------------------------------------------- statements

    def body(self, stmts: tuple[Stmt, ...], depth: int) -> None:
        """Print statements; where all threads run alike, with reductions and barriers."""
        if self._dealt:
            super().body(stmts, depth)
            return
        closing = self._reductions(stmts)
        for position, stmt in enumerate(stmts):
            if not isinstance(stmt, Loop | Owned) or self._shares(stmt):
                self._wait_for(accesses(stmt, stmt if isinstance(stmt, Loop) else None), depth)
            self.stmt(stmt, depth)
            for start in closing.get(position, ()):
                self._reduce(start, depth)
        if not stmts:
            self.emit(depth, "pass")

    def stmt(self, stmt: Stmt, depth: int) -> None:
        """Print one statement."""
        if self._dealt or not isinstance(stmt, Check | Owned):
            if isinstance(stmt, Bind) and not isinstance(stmt.value, Index):
                self._loaded_index(stmt, depth)
            else:
                super().stmt(stmt, depth)
        elif isinstance(stmt, Check):
            self.emit(depth, f"if thread == 0 and {self.expressions.text(stmt.failed)}:")
            self.emit(depth + 1, f"status[0] = {stmt.code}")
        else:
            before = list(self._pending)
            super().stmt(stmt, depth)
            self._pending += before

    def _loaded_index(self, stmt: Bind, depth: int) -> None:
        """An index from memory, kept in range: a bad one is reported, but must not be followed."""
        assert not isinstance(stmt.value, Index)
        value, top = self.expressions.text(stmt.value), stmt.symbol.extent - 1
        if stmt.symbol in self._owned():
            self.emit(depth, f"{stmt.symbol.name} = {value}")
        else:
            self.emit(depth, f"{stmt.symbol.name} = min(max({value}, 0), {top})")

    def _owned(self) -> set[object]:
        return {s.symbol for s in walk(self.kernel.body) if isinstance(s, Owned)}

    def loop(self, loop: Loop, depth: int) -> None:
        """Print a loop: shared out to the threads, or run by all of them."""
        name = loop.axis.name
        across = self.across_blocks.get(id(loop))
        first, last = ("lo", "hi") if loop.bind == "chunk" else ("0", str(loop.axis.extent))
        if self._shares(loop):
            start = "thread" if first == "0" else f"{first} + thread"
            step = "threads"
            if across:
                start, step = "block * threads + thread", "threads * cuda.gridDim.x"
            self.emit(depth, f"for {name} in range({start}, {last}, {step}):")
            self._dealt = True
            super().body(loop.body, depth + 1)
            self._dealt = False
            return
        bounds = f"{first}, {last}" if across is None else f"block, {last}, cuda.gridDim.x"
        self.emit(depth, f"for {name} in range({bounds}):")
        if self._dealt:
            super().body(loop.body, depth + 1)
            return
        before = list(self._pending)
        self.body(loop.body, depth + 1)
        # The next iteration must not begin while this one's values are still to be read.
        self._wait_for(self._all_accesses(loop.body), depth + 1)
        self._pending = before + self._pending

    def _shares(self, stmt: Stmt) -> bool:
        if not isinstance(stmt, Loop) or self._dealt:
            return False
        return self.across_blocks.get(id(stmt), True) and self.sharing.shared(stmt)

    def store(self, stmt: Store, depth: int) -> None:
        """Print a write; outside shared loops one thread makes it."""
        if not self._dealt:
            self.emit(depth, "if thread == 0:")
            depth += 1
        place = f"{stmt.buffer}[{index_text(stmt.index)}]"
        dtype = next(b.dtype for b in self.kernel.buffers if b.name == stmt.buffer)
        value = self.expressions.text(stmt.expr)
        if stmt.mode != "set":
            value = self.combined(stmt.mode, self.expressions.widened(place, dtype), value, dtype)
        value = self.expressions.narrowed(value, dtype)
        self.emit(depth, f"{place} = {value}", stmt.buffer)

    # ------------------------------------------------------------- reductions

    def combined(self, kind: str, total: str, value: str, dtype: DType) -> str:
        """One step of a sum, product, max or min as an expression; small integers wrap."""
        if kind not in ("sum", "prod"):
            return f"{self.device.spelled(f'{kind}imum', dtype)}({total}, {value})"
        if dtype.kind == "b":
            return f"{total} {'or' if kind == 'sum' else 'and'} ({value})"
        sign = "+" if kind == "sum" else "*"
        text = f"{total} {sign} {value}" if value.isidentifier() else f"{total} {sign} ({value})"
        return f"np.{dtype.compute}({text})" if dtype.kind == "i" and dtype.bits < 64 else text

    def update(self, stmt: Update, depth: int) -> None:
        """Print one step of a reduction, by one thread where others hold parts of it."""
        if not self._dealt and stmt.var.name in self._partial:
            self.emit(depth, "if thread == 0:")
            depth += 1
        if stmt.kind == "any":
            name, value = stmt.var.name, self.expressions.text(stmt.expr)
            self.emit(depth, f"{name} = {name} or ({value})")
        else:
            super().update(stmt, depth)

    def _reductions(self, stmts: tuple[Stmt, ...]) -> dict[int, list[Accumulator]]:
        """After which statement each accumulator started here is combined over the threads."""
        found: dict[int, list[Accumulator]] = {}
        for start in stmts:
            if not isinstance(start, Accumulator):
                continue
            name = start.var.name
            last = [
                n for n, stmt in enumerate(stmts)
                if any(isinstance(s, Update) and s.var.name == name for s in walk((stmt,)))
            ]  # fmt: skip
            if last and self.sharing.partial(stmts, name):
                self._partial.add(name)
                found.setdefault(last[-1], []).append(start)
        return found

    def _reduce(self, start: Accumulator, depth: int) -> None:
        name, dtype = start.var.name, start.var.dtype
        shared = self._array(dtype.short, numpy_name(dtype.compute))
        function = self.device.spelled(f"block_{start.kind}", dtype)
        if start.position is None:
            value = f"{function}({name}, {shared})"
            if dtype.kind == "i" and dtype.bits < 64:
                value = f"np.{dtype.compute}({value})"
            self.emit(depth, f"{name} = {value}")
        else:
            at, places = start.position.name, self._array("i64", "int64")
            if places == shared:
                places = self._array("places", "int64")
            self.emit(depth, f"{name}, {at} = {function}({name}, {at}, {shared}, {places})")
        self._partial.discard(name)
        self._pending.clear()

    def _array(self, stem: str, compute: str) -> str:
        self.arrays[f"shared_{stem}"] = compute
        return f"shared_{stem}"

    # --------------------------------------------------------------- barriers

    def _all_accesses(self, stmts: tuple[Stmt, ...]) -> list[Access]:
        found: list[Access] = []
        for stmt in stmts:
            if self._shares(stmt) and isinstance(stmt, Loop):
                found += accesses(stmt, stmt)
            elif isinstance(stmt, Loop | Owned):
                found += self._all_accesses(stmt.body)
            else:
                found += accesses(stmt)
        return found

    def _wait_for(self, coming: list[Access], depth: int) -> None:
        """Write a barrier if what is coming meets what threads did since the last one."""
        if self.sharing.conflict(self._pending, coming):
            self.emit(depth, "cuda.syncthreads()")
            self._pending.clear()
        self._pending += coming

