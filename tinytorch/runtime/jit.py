"""Source text to object code, through numba. Imported on a miss of the compile cache only.

The one file that knows numba's internals. A kernel's text is executed as Python, which compiles
nothing; its entry is then compiled with explicit types, straight to an object file::

    entry(*buffers, *scratch, lo, hi, chunk)                           what the text defines
    void NAME.call(void **buffers, i64 lo, i64 hi, i64 chunk, char *scratch)   what is exported

Buffers are raw pointers that do not alias. No Python object, reference count or exception is left
in the code, and numbers follow numpy's rules (division by zero gives inf or nan).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import AOTCodeLibrary, AOTCPUCodegen
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu_options import FastMathOptions
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numba.np.numpy_support import from_dtype

from tinytorch.errors import CompileError
from tinytorch.ir.source import Source
from tinytorch.ir.types import DType
from tinytorch.runtime import loader
from tinytorch.runtime.interleave import ORDER_MARK, hinted, scheduling
from tinytorch.runtime.intrinsics import define
from tinytorch.runtime.objectcode import ObjectCode, call_symbol, scratch_offsets
from tinytorch.runtime.prelude import INTRINSICS
from tinytorch.runtime.prelude.primitive import FLOAT32

_INT64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()

# ------------------------------------------------------------------ buffers


class Buffer(types.Type):
    """A pointer to elements of ``dtype``.

    Unlike numba's CPointer it can hold bools (one byte each) and halves (float32 once loaded).
    """

    def __init__(self, dtype: DType) -> None:
        self.half = dtype.name if dtype.is_half else ""
        self.element = types.float32 if self.half else from_dtype(dtype.numpy)
        super().__init__(name=f"Buffer({dtype.name})")


@register_model(Buffer)
class _BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, buffer: Buffer) -> None:
        halves = {"float16": ir.HalfType(), "bfloat16": ir.IntType(16)}
        element = halves.get(buffer.half) or manager[buffer.element].get_data_type()
        super().__init__(manager, buffer, element.as_pointer())


@infer_global(operator.getitem)
class _TypeLoad(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Sequence[Any], kws: dict[str, Any]) -> Any:
        if len(args) == 2 and isinstance(args[0], Buffer) and isinstance(args[1], types.Integer):
            return signature(args[0].element, args[0], types.intp)
        return None


@infer_global(operator.setitem)
class _TypeStore(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Sequence[Any], kws: dict[str, Any]) -> Any:
        if len(args) == 3 and isinstance(args[0], Buffer) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.intp, args[0].element)
        return None


@lower_builtin(operator.getitem, Buffer, types.Integer)  # type: ignore[untyped-decorator]
def _lower_load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer, index = sig.args[0], args[1]
    place = builder.gep(args[0], [index])
    if buffer.half == "float16":
        return builder.fpext(builder.load(place), ir.FloatType())
    if buffer.half:
        high = builder.shl(builder.zext(builder.load(place), ir.IntType(32)), ir.IntType(32)(16))
        return builder.bitcast(high, ir.FloatType())
    return context.data_model_manager[buffer.element].load_from_data_pointer(builder, place)


@lower_builtin(operator.setitem, Buffer, types.Integer, types.Any)  # type: ignore[untyped-decorator]
def _lower_store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer, (base, index, value) = sig.args[0], args
    if buffer.half == "float16":
        data = builder.fptrunc(value, ir.HalfType())
    elif buffer.half:
        entry = INTRINSICS["float_to_bfloat16"]
        data = builder.call(define(builder.module, entry, (FLOAT32,)), [value])
    else:
        data = context.data_model_manager[buffer.element].as_data(builder, value)
    builder.store(data, builder.gep(base, [index]))
    return context.get_dummy_value()


# ----------------------------------------------------------------- compiling


class _Library(AOTCodeLibrary):  # type: ignore[misc]
    """numba's library of code, in which marked loops carry LLVM's hint."""

    in_order = False

    def add_ir_module(self, ir_module: Any) -> None:
        """Parse a module that numba has written."""
        text = cgutils.normalize_ir_text(str(ir_module))
        self.in_order = self.in_order or ORDER_MARK in text
        parsed = llvm.parse_assembly(hinted(text))
        parsed.name = ir_module.name
        parsed.verify()
        self.add_llvm_module(parsed)


class _HostCodegen(AOTCPUCodegen):  # type: ignore[misc]
    """numba's generator of object files, set to exactly this processor."""

    _library_class = _Library

    def _customize_tm_options(self, options: dict[str, Any]) -> None:
        options.update(loader.machine_options())

    def _customize_tm_features(self) -> str:
        return loader.host_cpu()[1]


@functools.cache
def _context() -> Any:
    return cpu_target.target_context.subtarget(
        _internal_codegen=_HostCodegen("tinytorch"), aot_mode=True
    )


def compile_flags() -> Flags:
    """Flags under which everything is compiled: no wrappers, no aliases, no reference counts.

    Of fastmath only ``contract`` (fused multiply-add) is on: NaN, infinity and the order of
    operations stay as written.
    """
    flags = Flags()
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.no_compile = True
    flags.noalias = True
    flags.nrt = False
    flags.release_gil = True
    flags.error_model = "numpy"
    flags.fastmath = FastMathOptions({"contract"})
    return flags


def compile_function(
    library: AOTCodeLibrary, function: Callable[..., Any], args: Sequence[Any], result: Any
) -> Any:
    """Compile a Python function into ``library``; return numba's description of it.

    Raises CompileError with numba's reason, cut to its first lines.
    """
    try:
        compiled = compile_extra(
            cpu_target.typing_context, _context(), function, tuple(args), result,
            compile_flags(), {}, library=library,
        )  # fmt: skip
    except NumbaError as error:
        reason = "\n".join(str(error).splitlines()[:12])
        raise CompileError(f"numba cannot compile {function.__name__}: {reason}") from error
    return compiled.fndesc


def functions(source: Source) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """Run a text; return its entry and its finish as plain Python functions.

    Raises CompileError if the text is not valid Python or lacks one of them.
    """
    space: dict[str, Any] = {"__name__": f"tinytorch.source.{source.name}"}
    try:
        exec(compile(source.text, f"<{source.name}>", "exec"), space)  # noqa: S102
        found = [space[name] for name in (source.entry, source.finish) if name is not None]
    except Exception as error:
        raise CompileError(f"the text of {source.name} does not run: {error!r}") from error
    plain = [getattr(function, "py_func", function) for function in found]
    return plain[0], plain[1] if len(plain) > 1 else None


def _library(source: Source) -> _Library:
    """Compile entry and finish of a source into one optimised library."""
    library = _context().codegen().create_library(source.name)
    entry, finish = functions(source)
    dtypes = [*source.buffers, *(dtype for dtype, _ in source.scratch)]
    args = [*(Buffer(d) for d in dtypes), types.int64, types.int64, types.int64]
    shims = library.create_ir_module(f"{source.name}.call")
    for name, function in ((source.entry, entry), (source.finish, finish)):
        if name is not None and function is not None:
            described = compile_function(library, function, args, types.none)
            _add_shim(shims, call_symbol(name), described, source)
    library.add_ir_module(shims)
    library.finalize()
    return library


def _add_shim(module: ir.Module, name: str, described: Any, source: Source) -> None:
    """Define the uniform entry: unpack pointers, then call numba's function."""
    context = _context()
    callee = context.declare_function(module, described)
    shim = ir.Function(
        module,
        ir.FunctionType(
            ir.VoidType(), [_BYTES.as_pointer(), _INT64, _INT64, _INT64, _BYTES]
        ),
        name,
    )
    table, lo, hi, chunk, scratch = shim.args
    builder = ir.IRBuilder(shim.append_basic_block())
    pointers = []
    for position, dtype in enumerate(source.buffers):
        place = builder.gep(table, [_INT64(position)])
        pointers.append((dtype, builder.load(place)))
    offsets, _ = scratch_offsets(source.scratch)
    for (dtype, _), offset in zip(source.scratch, offsets):
        pointers.append((dtype, builder.gep(scratch, [_INT64(offset)])))
    typed = [builder.bitcast(p, context.get_value_type(Buffer(d))) for d, p in pointers]
    call_by_convention(builder, callee, described, [*typed, lo, hi, chunk])
    builder.ret_void()


def call_by_convention(builder: ir.IRBuilder, callee: Any, described: Any, args: list[Any]) -> Any:
    """Call a function compiled by numba; return its result (its error status is never set)."""
    context = _context()
    _, result = context.call_conv.call_function(
        builder, callee, described.restype, described.argtypes, args
    )
    return result


def compile_source(source: Source) -> ObjectCode:
    """Compile a source to object code.

    Raises CompileError if numba refuses the text or the code needs a symbol that the process
    does not have.
    """
    with global_compiler_lock:
        library = _library(source)
        with scheduling(library.in_order):
            image = library.emit_native_object()
        declared = [f.name for f in library._final_module.functions if f.is_declaration]
    return loader.checked(source.name, image, declared)


def llvm_text(source: Source) -> str:
    """Optimised LLVM text of a source."""
    with global_compiler_lock:
        return str(_library(source).get_llvm_str())


def assembly_text(source: Source) -> str:
    """Assembly text of a source for this processor."""
    with global_compiler_lock:
        library = _library(source)
        with scheduling(library.in_order):
            return str(library.get_asm_str())
