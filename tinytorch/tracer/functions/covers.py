"""Public functions made from one row of the op table, with PyTorch's argument names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.ir.op import Op
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


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


def is_bool(x: Any) -> bool:
    """Whether an operand is a bool: a tensor of them, or a Python one."""
    return x.dtype.kind == "b" if isinstance(x, Tensor) else isinstance(x, bool)


def is_float(x: Any) -> bool:
    """Whether an operand is a floating-point tensor or a Python float."""
    return x.dtype.is_floating_point if isinstance(x, Tensor) else isinstance(x, float)


def kind_of(x: Any) -> str:
    """The dtype of an operand as an error names it."""
    return str(x.dtype.name) if isinstance(x, Tensor) else type(x).__name__


def as_operand(x: Any, like: Tensor) -> Any:
    """Return a tensor for an operand that may be a number, in its own category of dtype."""
    if isinstance(x, Tensor):
        return x
    dtype = like.dtype if like.dtype.is_floating_point or not is_float(x) else None
    return like.constant(x, shape=(), dtype=dtype)


def refuse_integers(name: str, *operands: Tensor) -> None:
    """Raise NotImplementedError if no operand is floating-point."""
    if not any(is_float(x) for x in operands):
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind_of(operands[0])}'")
