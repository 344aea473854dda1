"""What the machine can do and Python cannot say: memory, atomics, calls through an address.

Addresses are words. Atomics are sequentially consistent.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from tinytorch.runtime.native.words import WORD, Primitive

_INT = ir.IntType(32)
_BYTE = ir.IntType(8)
_YIELD = ("llvm.aarch64.hint", [_INT(1)])
_PAUSE: dict[str, tuple[str, list[Any]]] = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "amd64": ("llvm.x86.sse2.pause", []),
    "aarch64": _YIELD,
    "arm64": _YIELD,
}


def _primitive(emit: Callable[..., Any]) -> Primitive:
    return Primitive(emit.__name__, emit)


def _place(builder: ir.IRBuilder, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


def _declared(builder: ir.IRBuilder, name: str, kind: ir.FunctionType) -> Any:
    known = builder.module.globals.get(name)
    return ir.Function(builder.module, kind, name) if known is None else known


@_primitive
def load(builder: ir.IRBuilder, address: Any) -> Any:
    """The word at an address."""
    return builder.load(_place(builder, address))


@_primitive
def load_byte(builder: ir.IRBuilder, address: Any) -> Any:
    """The byte at an address, as a word."""
    return builder.zext(builder.load(builder.inttoptr(address, _BYTE.as_pointer())), WORD)


@_primitive
def store(builder: ir.IRBuilder, address: Any, value: Any) -> None:
    """Write a word."""
    builder.store(value, _place(builder, address))


@_primitive
def atomic_load(builder: ir.IRBuilder, address: Any) -> Any:
    """The word at an address that other threads write."""
    return builder.load_atomic(_place(builder, address), "seq_cst", 8)


@_primitive
def atomic_store(builder: ir.IRBuilder, address: Any, value: Any) -> None:
    """Write a word that other threads read."""
    builder.store_atomic(value, _place(builder, address), "seq_cst", 8)


@_primitive
def atomic_add(builder: ir.IRBuilder, address: Any, amount: Any) -> Any:
    """Add to a word; return what it was before."""
    return builder.atomic_rmw("add", _place(builder, address), amount, "seq_cst")


@_primitive
def compare_and_swap(builder: ir.IRBuilder, address: Any, expected: Any, new: Any) -> Any:
    """Write ``new`` if the word is ``expected``; return whether it was."""
    place = _place(builder, address)
    return builder.extract_value(builder.cmpxchg(place, expected, new, "seq_cst", "monotonic"), 1)


@_primitive
def pause(builder: ir.IRBuilder) -> None:
    """Tell the processor that this thread is waiting."""
    name, numbers = _PAUSE.get(platform.machine().lower(), ("", []))
    if name:
        kind = ir.FunctionType(ir.VoidType(), [n.type for n in numbers])
        builder.call(_declared(builder, name, kind), numbers)


@_primitive
def copy_bytes(builder: ir.IRBuilder, target: Any, source: Any, nbytes: Any) -> None:
    """Copy memory; the two places may overlap."""
    pointer = _BYTE.as_pointer()
    kind = ir.FunctionType(pointer, [pointer, pointer, WORD])
    places = [builder.inttoptr(a, pointer) for a in (target, source)]
    builder.call(_declared(builder, "memmove", kind), [*places, nbytes])


@_primitive
def call(builder: ir.IRBuilder, function: Any, *args: Any) -> Any:
    """Call a C function of words through its address; return its result as a word."""
    kind = ir.FunctionType(WORD, [WORD] * len(args))
    return builder.call(builder.inttoptr(function, kind.as_pointer()), args)


def _gemm(name: str, scalar: Any, size: Any) -> Primitive:
    """A call of cblas_?gemm with ``alpha`` 1 and ``beta`` 0, for one width of its integers.

    Arguments: function, order, two transposes, m, n, k, left, lda, right, ldb, out, ldc.
    """
    kinds = [_INT, _INT, _INT, size, size, size, scalar, WORD, size, WORD, size, scalar, WORD,
             size]  # fmt: skip

    def emit(builder: ir.IRBuilder, function: Any, *words: Any) -> None:
        args = [*words[:6], scalar(1.0), *words[6:10], scalar(0.0), *words[10:]]
        for i, kind in enumerate(kinds):
            if isinstance(kind, ir.IntType) and kind.width < WORD.width:
                args[i] = builder.trunc(args[i], kind)
        pointer = ir.FunctionType(ir.VoidType(), kinds).as_pointer()
        builder.call(builder.inttoptr(function, pointer), args)

    return Primitive(name, emit)


sgemm_64 = _gemm("sgemm_64", ir.FloatType(), WORD)
dgemm_64 = _gemm("dgemm_64", ir.DoubleType(), WORD)
sgemm_32 = _gemm("sgemm_32", ir.FloatType(), _INT)
dgemm_32 = _gemm("dgemm_32", ir.DoubleType(), _INT)
