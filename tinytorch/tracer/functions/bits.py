"""Bits of integers, and logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_
from tinytorch.tracer.functions.covers import check_tensors, is_bool, is_float, kind_of, named
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def _bitwise(op: Op, name: str = "", bools: bool = True) -> Callable[[Any, Any], Tensor]:
    name = name or op.name

    def function(input: Any, other: Any) -> Tensor:
        for x in (input, other):
            if is_float(x):
                raise NotImplementedError(f"\"{name}\" not implemented for '{kind_of(x)}'")
        if not bools and is_bool(input) and is_bool(other):
            raise NotImplementedError(f"\"{name}\" not implemented for 'bool'")
        return op(input, other)

    return named(function, name, f"{op.doc} Raises RuntimeError for floats.")


bitwise_and = _bitwise(ops.bitwise_and)
bitwise_or = _bitwise(ops.bitwise_or)
bitwise_xor = _bitwise(ops.bitwise_xor)
bitwise_left_shift = _bitwise(ops.shift_left, "bitwise_left_shift", bools=False)
bitwise_right_shift = _bitwise(ops.shift_right, "bitwise_right_shift", bools=False)


def bitwise_not(input: Tensor) -> Tensor:
    """Bitwise not; of a bool, logical not; raises RuntimeError for floats."""
    if is_float(check_tensor(input, "bitwise_not")):
        raise NotImplementedError(f"\"bitwise_not\" not implemented for '{kind_of(input)}'")
    return ops.logical_not(input) if input.dtype is bool_ else ops.bitwise_not(input)


def logical_not(input: Tensor) -> Tensor:
    """Not, of each element's truth."""
    return ops.logical_not(check_tensor(input, "logical_not").to(bool_))


def _logical(op: Op, name: str, doc: str) -> Callable[[Tensor, Tensor], Tensor]:
    def function(input: Tensor, other: Tensor) -> Tensor:
        check_tensors(name, input, other)
        return op(input.to(bool_), other.to(bool_))

    return named(function, name, doc)


logical_and = _logical(ops.bitwise_and, "logical_and", "And, of each element's truth.")
logical_or = _logical(ops.bitwise_or, "logical_or", "Or, of each element's truth.")
logical_xor = _logical(ops.bitwise_xor, "logical_xor", "Exclusive or, of each element's truth.")

__all__ = [
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "logical_and", "logical_not", "logical_or", "logical_xor",
]  # fmt: skip
METHODS = __all__
IN_PLACE = __all__
