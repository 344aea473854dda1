"""Kernel: a scheduled loop nest, one grammar for every target.

::

    kernel = name, buffer*, scratch*, body, finish
    body   = stmt*      run once for each chunk of the outermost axis, chunks in parallel
    finish = stmt*      run once after all chunks, serially; combines per-chunk partials
    stmt   = Loop(axis, bind, stmt*) | Let(var, expr) | Accumulator(var, start)
           | Update(var, kind, expr) | Store(buffer, index, expr, mode) | Check(expr, code)
           | Bind(symbol, index or expr) | Owned(symbol, stmt*)
    bind   = chunk | serial | vector
    expr   = Var | Constant | Load(buffer, index) | Apply(template, expr*) | Cast(expr)
           | IndexValue(index) | Guard(conditions, expr, expr)
    index  = affine sum of axes, with // and % by constants (ir/index.py)

``bind`` says what an axis means; how it is spelled belongs to a target. ``chunk`` is the axis that
is cut into chunks (a range of it is one task of a CPU worker, or one CUDA block); ``vector`` is
the contiguous innermost axis (SIMD lanes, or the threads of a block); ``serial`` runs in order.

Chunks are fixed by the shape alone, never by the number of threads, so that results have the same
bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.types import DType

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Var:
    """A scalar bound once by Let, or an accumulator."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Constant:
    """A typed scalar constant."""

    value: float | int | bool
    dtype: DType


@dataclass(frozen=True, slots=True)
class Load:
    """One element of a buffer."""

    buffer: str
    index: Index
    dtype: DType


@dataclass(frozen=True, slots=True)
class Apply:
    """Scalar arithmetic: a template such as ``{0} + {1}`` or ``tanh({0})`` from the op's row."""

    template: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Cast:
    """Conversion to another dtype."""

    arg: Expr
    dtype: DType


@dataclass(frozen=True, slots=True)
class IndexValue:
    """An index as an int64 scalar value."""

    index: Index
    dtype: DType


@dataclass(frozen=True, slots=True)
class Guard:
    """``value`` where every ``low <= index < high`` holds, else ``otherwise``.

    The value is evaluated only where the conditions hold, so its loads may be out of bounds
    elsewhere.
    """

    conditions: tuple[tuple[Index, Any, Any], ...]
    value: Expr
    otherwise: Expr
    dtype: DType


Expr: TypeAlias = Var | Constant | Load | Apply | Cast | IndexValue | Guard

# ----------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Let:
    """Bind a name, once, to a value."""

    var: Var
    expr: Expr


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Start a scalar reduction; ``kind`` is sum, max, min, any, argmax or argmin.

    For argmax and argmin ``position`` is the variable that receives the index.
    """

    var: Var
    kind: str
    position: Var | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Combine a value into an accumulator. ``at`` is the position, for argmax and argmin.

    ``kind`` set gives a variable that Let bound before the loop at hand its value for the next
    iteration: the loop carries it.
    """

    var: Var
    kind: str
    expr: Expr
    position: Var | None = None
    at: Index | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Write one element. ``mode``: ``set``, or ``sum`` / ``prod`` / ``max`` / ``min`` into what is
    there."""

    buffer: str
    index: Index
    expr: Expr
    mode: str = "set"


@dataclass(frozen=True, slots=True)
class Check:
    """If ``failed`` is true, write ``code`` to the status buffer.

    ``failed`` is usually an accumulator of kind ``any``, so that checked loops still vectorise.
    """

    failed: Expr
    code: int


@dataclass(frozen=True, slots=True)
class Loop:
    """Run the body for each value of an axis.

    A ``chunk`` loop runs over ``lo <= axis < hi``, the range of the chunk at hand; other loops run
    over ``0 <= axis < axis.extent``. ``origin`` of a loop is not stored: see ``Kernel.origins``.
    ``interleave`` says how many vectors of a vectorised loop are computed side by side, so that
    one does not wait for the other's latency; 0 leaves it to the target, 1 asks for vectors of
    this very loop where a compiler might unroll it away. ``in_order`` asks that machine code keeps
    the vectors beside each other, step by step, even if it must then spill more registers.
    """

    axis: Symbol
    bind: str
    body: tuple[Stmt, ...]
    interleave: int = 0
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Bind:
    """Name an integer index expression (a row's sub-indices, an index loaded from memory)."""

    symbol: Symbol
    value: Index | Expr


@dataclass(frozen=True, slots=True)
class Owned:
    """Run the body if ``lo <= symbol < hi``: the chunk at hand owns that row."""

    symbol: Symbol
    body: tuple[Stmt, ...]


Stmt: TypeAlias = Loop | Let | Accumulator | Update | Store | Check | Bind | Owned

# --------------------------------------------------------------------- kernel


@dataclass(frozen=True, slots=True)
class Buffer:
    """A parameter of a kernel: contiguous memory, indexed flat.

    ``role``: ``in`` | ``out`` | ``inout`` | ``partial`` (one slice of ``size`` elements a chunk)
    | ``scratch`` (private to a worker) | ``status`` (int64, written by Check) | ``sizes`` (int64,
    the values of ``Kernel.dims``).
    ``size`` counts elements; 0 in a flat kernel, whose extent is known at the launch alone. A
    partial of an open kernel counts those of one chunk.
    """

    name: str
    dtype: DType
    size: Any
    role: str


@dataclass(frozen=True)
class Kernel:
    """A loop nest that computes one or more buffers.

    ``extent`` is the size of the chunked axis and ``chunk`` how much of it one task takes; in a
    ``flat`` kernel, one elementwise loop over contiguous buffers, both belong to the launch, and
    the same kernel serves buffers of every size. ``cost`` estimates scalar operations per value
    of the chunked axis.

    Where sizes are symbolic, index arithmetic reads the Dims named by ``dims`` from the buffer of
    role ``sizes``, and a ``chunk`` of 0 makes the kernel open: how its axis is cut belongs to the
    launch, and its finish runs ``lo <= chunk < hi`` over the chunks that there are.
    """

    name: str
    buffers: tuple[Buffer, ...]
    body: tuple[Stmt, ...]
    finish: tuple[Stmt, ...] = ()
    extent: Any = 1
    chunk: int = 1
    flat: bool = False
    cost: Any = 1.0
    dims: tuple[str, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()  # (variable or buffer name, the user's line)
    title: str = ""

    @property
    def open(self) -> bool:
        """Whether the launch says how the axis is cut."""
        return self.chunk == 0 and not self.flat

    @property
    def chunks(self) -> int:
        """Number of tasks of one launch over ``extent``."""
        return max(1, -(-self.extent // self.chunk))

    @property
    def parameters(self) -> tuple[Buffer, ...]:
        """Buffers that a launch passes, in order."""
        return tuple(b for b in self.buffers if b.role != "scratch")

    @property
    def scratch(self) -> tuple[Buffer, ...]:
        """Buffers private to each worker, allocated by the runtime."""
        return tuple(b for b in self.buffers if b.role == "scratch")

    @property
    def checks(self) -> bool:
        """Whether the kernel can report a run-time error."""
        return any(b.role == "status" for b in self.buffers)


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Yield every statement, loops before what they hold."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, Loop | Owned):
            yield from walk(stmt.body)
