"""Public functions made from one row of the op table, with PyTorch's argument names."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tinytorch.ir.op import Op
from tinytorch.ir.operators import weak_type
from tinytorch.ir.types import float32, result_type
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    """Return a function under a name of its own, with a doc."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def unary(op: Op, name: str = "") -> Callable[[Tensor], Tensor]:
    """The function of one tensor that an op is."""

    def function(input: Tensor) -> Tensor:
        return op(check_tensor(input, name or op.name))

    return named(function, name or op.name, op.doc)


def binary(op: Op, name: str = "") -> Callable[[Any, Any], Tensor]:
    """The function of two operands (tensors, or one tensor and a number) that an op is."""

    def function(input: Any, other: Any) -> Tensor:
        return op(input, other)

    return named(function, name or op.name, op.doc)


def in_float32(function: F) -> F:
    """Make a composition compute halves in float32 and round its results once, as one op does.

    The result's dtype is that of arithmetic on all tensors among the arguments.
    """

    def is_half(x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype.is_half

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if not any(is_half(x) for x in given):
            return function(*args, **kwargs)
        found = result_type([x.aval for x in given if isinstance(x, Tensor)], float32)
        wide = [x.to(float32) if is_half(x) else x for x in args]
        options = {k: x.to(float32) if is_half(x) else x for k, x in kwargs.items()}
        out = function(*wide, **options)
        return out.to(found) if out.dtype is float32 else out

    return cast(F, run)


def promoted(*operands: Any) -> list[Tensor]:
    """Return operands (tensors and numbers) as tensors of the floating dtype of them all."""
    like = next(x for x in operands if isinstance(x, Tensor))
    types = [x.aval if isinstance(x, Tensor) else weak_type(x) for x in operands]
    dtype = result_type(types, mode.default_dtype)
    if not dtype.is_floating_point:
        dtype = mode.default_dtype
    return [
        x.to(dtype) if isinstance(x, Tensor) else like.constant(x, shape=(), dtype=dtype)
        for x in operands
    ]


def check_tensors(name: str, input: Any, other: Any) -> None:
    """Raise TypeError unless both operands are tensors."""
    check_tensor(input, name)
    check_tensor(other, name, "other")


def is_bool(x: Any) -> bool:
    """Whether an operand is a bool: a tensor of them, or a Python one."""
    return x.dtype.kind == "b" if isinstance(x, Tensor) else isinstance(x, bool)


def is_float(x: Any) -> bool:
    """Whether an operand is a floating-point tensor or a Python float."""
    return x.dtype.is_floating_point if isinstance(x, Tensor) else isinstance(x, float)


def kind_of(x: Any) -> str:
    """The dtype of an operand as an error names it."""
    return str(x.dtype.name) if isinstance(x, Tensor) else type(x).__name__


def refuse_integers(name: str, *operands: Tensor) -> None:
    """Raise TypeError unless all are tensors, NotImplementedError if none is floating-point."""
    for x in operands:
        check_tensor(x, name)
    if not any(is_float(x) for x in operands):
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind_of(operands[0])}'")
