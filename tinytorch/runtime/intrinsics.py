"""The intrinsics of ``runtime/prelude``, known to numba: the module that kernel texts import.

An intrinsic is turned into machine code by running its Python function once on
:class:`~tinytorch.runtime.prelude.primitive.Register` operands, each of which writes LLVM
instructions. So numba neither types nor compiles anything for it: a call costs a few milliseconds
at most, and LLVM sees straight-line code that it can vectorise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable
from numba.np.numpy_support import as_dtype, from_dtype

from tinytorch.runtime.interleave import MARK, ORDER_MARK
from tinytorch.runtime.prelude import *  # noqa: F403 - the names that texts import
from tinytorch.runtime.prelude import INTRINSICS, Intrinsic
from tinytorch.runtime.prelude.primitive import BOOL, Register

# numba gives its own fast-math flags to every instruction that carries none; with `contract` LLVM
# would fuse products into sums wherever it can, and results would depend on the code around them.
# `arcp` (a division may use a reciprocal) means nothing on these, and keeps others away.
_STRICT = ("arcp",)

_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_REFLECTED = {
    "radd": "add", "rsub": "sub", "rmul": "mul", "rtruediv": "truediv",
    "rand": "and", "ror": "or", "rxor": "xor",
}  # fmt: skip


def llvm_type(dtype: np.dtype[Any]) -> ir.Type:
    """Return the LLVM type of a scalar in a register."""
    if dtype.kind == "f":
        return {2: ir.HalfType(), 4: ir.FloatType(), 8: ir.DoubleType()}[dtype.itemsize]
    return ir.IntType(1 if dtype == BOOL else 8 * dtype.itemsize)


class LLVMRegister(Register):
    """A Register whose operations are written at a builder's position."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, dtype: np.dtype[Any]) -> None:
        self.builder = builder
        self.value = value
        self.dtype = dtype

    def emit(self, name: str, *operands: Any) -> Any:
        """Write one operation; a number among the operands takes the dtype of a Register."""
        if name in _REFLECTED:
            name, operands = _REFLECTED[name], operands[::-1]
        return _EMITTERS[name](*operands)

    def of(self, value: ir.Value, dtype: np.dtype[Any] | None = None) -> LLVMRegister:
        """Wrap a value written by the same builder; by default of the same dtype."""
        return LLVMRegister(self.builder, value, self.dtype if dtype is None else dtype)

    def lift(self, operand: Any, dtype: np.dtype[Any] | None = None) -> LLVMRegister:
        """Return the operand itself, or a number as a constant of a dtype."""
        if isinstance(operand, LLVMRegister):
            return operand
        dtype = self.dtype if dtype is None else dtype
        number = dtype.type(operand).item()
        return self.of(ir.Constant(llvm_type(dtype), number), dtype)

    def call(self, name: str, *operands: LLVMRegister, flags: tuple[str, ...] = ()) -> LLVMRegister:
        """Call an LLVM intrinsic that is overloaded on the type of its operands."""
        kind = llvm_type(self.dtype)
        function = self.builder.module.declare_intrinsic(
            name, [kind], ir.FunctionType(kind, [kind] * len(operands))
        )
        return self.of(self.builder.call(function, [x.value for x in operands], fastmath=flags))


Emitter = Callable[..., LLVMRegister]


def _common(operands: tuple[Any, ...]) -> list[LLVMRegister]:
    """Bring operands to the dtype of the first Register among them."""
    known = next(x for x in operands if isinstance(x, LLVMRegister))
    return [known.lift(x) for x in operands]


def _arithmetic(integer: str, floating: str) -> Emitter:
    def emit(*operands: Any) -> LLVMRegister:
        a, b = _common(operands)
        if a.dtype.kind == "f":
            flags = _STRICT if floating != "fdiv" else ()
            return a.of(getattr(a.builder, floating)(a.value, b.value, flags=flags))
        return a.of(getattr(a.builder, integer)(a.value, b.value))

    return emit


def _comparison(symbol: str) -> Emitter:
    def emit(*operands: Any) -> LLVMRegister:
        a, b = _common(operands)
        if a.dtype.kind == "f":
            compare = a.builder.fcmp_unordered if symbol == "!=" else a.builder.fcmp_ordered
        else:
            compare = a.builder.icmp_signed if a.dtype.kind == "i" else a.builder.icmp_unsigned
        return a.of(compare(symbol, a.value, b.value), BOOL)

    return emit


def _float_intrinsic(name: str, flags: tuple[str, ...] = ()) -> Emitter:
    def emit(*operands: Any) -> LLVMRegister:
        first, *rest = _common(operands)
        return first.call(name, first, *rest, flags=flags)

    return emit


def _negate(x: LLVMRegister) -> LLVMRegister:
    return x.of(x.builder.fneg(x.value) if x.dtype.kind == "f" else x.builder.neg(x.value))


def _shift_right(x: LLVMRegister, places: Any) -> LLVMRegister:
    shift = x.builder.ashr if x.dtype.kind == "i" else x.builder.lshr
    return x.of(shift(x.value, x.lift(places).value))


def _select(condition: Any, chosen: Any, otherwise: Any) -> LLVMRegister:
    known = next(x for x in (condition, chosen, otherwise) if isinstance(x, LLVMRegister))
    dtype = next(x.dtype for x in (chosen, otherwise) if hasattr(x, "dtype"))
    chosen, otherwise = known.lift(chosen, dtype), known.lift(otherwise, dtype)
    condition = known.lift(condition, BOOL)
    value = known.builder.select(condition.value, chosen.value, otherwise.value)
    return known.of(value, dtype)


def _bitcast(x: LLVMRegister) -> LLVMRegister:
    kind = "u" if x.dtype.kind == "f" else "f"
    dtype = np.dtype(f"{kind}{x.dtype.itemsize}")
    return x.of(x.builder.bitcast(x.value, llvm_type(dtype)), dtype)


def _convert(x: LLVMRegister, dtype: np.dtype[Any]) -> LLVMRegister:
    if dtype == x.dtype:
        return x
    build, old, new = x.builder, x.dtype, dtype
    if new == BOOL:
        return _comparison("!=")(x, 0)
    if old.kind == "f" and new.kind == "f":
        cast = build.fpext if new.itemsize > old.itemsize else build.fptrunc
    elif old.kind == "f":
        cast = build.fptosi if new.kind == "i" else build.fptoui
    elif new.kind == "f":
        cast = build.sitofp if old.kind == "i" else build.uitofp
    elif old == BOOL or new.itemsize > old.itemsize:
        cast = build.sext if old.kind == "i" else build.zext
    else:
        cast = build.trunc if new.itemsize < old.itemsize else build.bitcast
    return x.of(cast(x.value, llvm_type(new)), new)


def _look_up(table: np.ndarray[Any, Any], index: LLVMRegister) -> LLVMRegister:
    """Read a constant array, which the module gets once however often it is read."""
    module, content = index.builder.module, table.tobytes()
    name = f"tinytorch.table.{hashlib.sha256(content).hexdigest()[:16]}"
    constant = module.globals.get(name)
    if constant is None:
        kind = ir.ArrayType(ir.IntType(8), len(content))  # as text, bytes parse fastest
        constant = ir.GlobalVariable(module, kind, name)
        constant.linkage = "internal"
        constant.global_constant = True
        constant.align = table.itemsize
        constant.initializer = ir.Constant(kind, bytearray(content))
    first = index.builder.bitcast(constant, llvm_type(table.dtype).as_pointer())
    place = index.builder.gep(first, [index.value], inbounds=True)
    return index.of(index.builder.load(place), table.dtype)


def _remainder(*operands: Any) -> LLVMRegister:
    a, b = _common(operands)
    return a.of(a.builder.frem(a.value, b.value))


def _divide_integers(*operands: Any) -> LLVMRegister:
    a, b = _common(operands)
    divide = a.builder.sdiv if a.dtype.kind == "i" else a.builder.udiv
    return a.of(divide(a.value, b.value))


def _power_by_squaring(*operands: Any) -> LLVMRegister:
    base, exponent = _common(operands)
    build, kind = base.builder, llvm_type(base.dtype)
    before = build.block
    loop, after = build.append_basic_block("square"), build.append_basic_block("power")
    build.branch(loop)
    build.position_at_end(loop)
    value, square, left = (build.phi(kind) for _ in range(3))
    bit = build.trunc(left, ir.IntType(1))
    results = (
        build.select(bit, build.mul(value, square), value),
        build.mul(square, square),
        build.lshr(left, ir.Constant(kind, 1)),
    )
    for phi, start, result in zip(
        (value, square, left), (ir.Constant(kind, 1), base.value, exponent.value), results
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(result, loop)
    build.cbranch(build.icmp_unsigned("!=", results[2], ir.Constant(kind, 0)), loop, after)
    build.position_at_end(after)
    return base.of(results[0])


def _sum_step(*operands: Any) -> LLVMRegister:
    total, x = _common(operands)
    if total.dtype.kind != "f":
        return total.of(total.builder.add(total.value, x.value))
    flags = ("reassoc", "nsz", "contract")
    return total.of(total.builder.fadd(total.value, x.value, flags=flags))


_EMITTERS: dict[str, Emitter] = {
    "add": _arithmetic("add", "fadd"),
    "sub": _arithmetic("sub", "fsub"),
    "mul": _arithmetic("mul", "fmul"),
    "truediv": _arithmetic("", "fdiv"),
    "and": _arithmetic("and_", ""),
    "or": _arithmetic("or_", ""),
    "xor": _arithmetic("xor", ""),
    "lshift": _arithmetic("shl", ""),
    "rshift": _shift_right,
    "neg": _negate,
    "invert": lambda x: x.of(x.builder.not_(x.value)),
    **{name: _comparison(symbol) for name, symbol in _COMPARISONS.items()},
    "select": _select,
    "to_bits": _bitcast,
    "from_bits": _bitcast,
    "convert": _convert,
    "lookup": _look_up,
    "fma": _float_intrinsic("llvm.fma"),
    "sqrt": _float_intrinsic("llvm.sqrt"),
    "rint": _float_intrinsic("llvm.rint"),
    "floor": _float_intrinsic("llvm.floor"),
    "ceil": _float_intrinsic("llvm.ceil"),
    "trunc": _float_intrinsic("llvm.trunc"),
    "fabs": _float_intrinsic("llvm.fabs"),
    "copysign": _float_intrinsic("llvm.copysign"),
    "fmod": _remainder,
    "divide_integers": _divide_integers,
    "power_by_squaring": _power_by_squaring,
    "sum_step": _sum_step,
    # Without the flag a maximum orders -0 below +0, at twice the instructions.
    "max_step": _float_intrinsic("llvm.maximum", ("nsz",)),
    "min_step": _float_intrinsic("llvm.minimum", ("nsz",)),
}


def define(module: ir.Module, entry: Intrinsic, operands: tuple[np.dtype[Any], ...]) -> ir.Function:
    """Return the LLVM function of an intrinsic on operands of these dtypes, written on first use.

    It is private to the module and always inlined: a caller's loop vectorises through it.
    """
    result = entry.result_type(operands)
    name = ".".join(("tinytorch", entry.name, *(d.name for d in operands)))
    known = module.globals.get(name)
    if known is not None:
        return known
    signature = ir.FunctionType(llvm_type(result), [llvm_type(d) for d in operands])
    function = ir.Function(module, signature, name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    registers = [LLVMRegister(builder, x, d) for x, d in zip(function.args, operands)]
    value = registers[0].lift(entry.function(*registers), result)
    if value.dtype != result:
        raise TypeError(f"{name} gives {value.dtype}, declared {result}")
    builder.ret(value.value)
    return function


def _typer(entry: Intrinsic) -> Callable[..., Any]:
    """Return the typing rule of an intrinsic, with as many parameters as it has operands."""

    def typed(*given: Any) -> Any:
        if not all(isinstance(t, (types.Number, types.Boolean)) for t in given):
            return None
        operands = entry.operand_types(tuple(as_dtype(types.unliteral(t)) for t in given))
        if operands is None:
            return None
        return from_dtype(entry.result_type(operands))(*(from_dtype(d) for d in operands))

    rules: dict[int, Callable[..., Any]] = {
        1: lambda a: typed(a),
        2: lambda a, b: typed(a, b),
        3: lambda a, b, c: typed(a, b, c),
    }
    return rules[entry.arity]


def _register(entry: Intrinsic) -> None:
    type_callable(entry.function)(lambda context: _typer(entry))

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: tuple[ir.Value, ...]) -> Any:
        function = define(builder.module, entry, tuple(as_dtype(t) for t in sig.args))
        return builder.call(function, args)

    lower_builtin(entry.function, types.VarArg(types.Any))(lower)


for _entry in INTRINSICS.values():
    _register(_entry)


def interleave(count: int) -> None:
    """Wish that the loop around computes ``count`` vectors side by side; plain Python need not."""


@type_callable(interleave)  # type: ignore[untyped-decorator]
def _type_interleave(context: Any) -> Callable[..., Any]:
    def typed(count: Any) -> Any:
        literal = isinstance(count, types.IntegerLiteral)
        return types.none(count) if literal else None  # None: asked again with literals

    return typed


@lower_builtin(interleave, types.IntegerLiteral)  # type: ignore[untyped-decorator]
def _mark_loop(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
    builder.comment(f"{MARK} {sig.args[0].literal_value}")
    return context.get_dummy_value()


def in_order() -> None:
    """Wish that the vectors of the loop around advance together; plain Python need not."""


@type_callable(in_order)  # type: ignore[untyped-decorator]
def _type_in_order(context: Any) -> Callable[..., Any]:
    return lambda: types.none()


@lower_builtin(in_order)  # type: ignore[untyped-decorator]
def _mark_order(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
    builder.comment(ORDER_MARK)
    return context.get_dummy_value()
