"""Elementwise functions: thin covers of ops with PyTorch's names, arguments and errors."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from tinytorch.errors import TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_, int64
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import check_tensor, clone
from tinytorch.tracer.tensor import Tensor


def _unary(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return op(check_tensor(input, op.name))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


def _binary(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


def _bitwise(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        for x in (input, other):
            if isinstance(x, Tensor) and x.dtype.is_floating_point or isinstance(x, float):
                kind = x.dtype.name if isinstance(x, Tensor) else "float"
                raise TypeRuleError(f"{op.name} takes integers or bools, got {kind}")
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


def _rounding(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        check_tensor(input, op.name)
        return op(input) if input.dtype.is_floating_point else clone(input)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.doc} Integers stay as they are."
    return function


abs = _unary(ops.abs_)  # noqa: A001
cos = _unary(ops.cos)
erf = _unary(ops.erf)
exp = _unary(ops.exp)
expm1 = _unary(ops.expm1)
isnan = _unary(ops.isnan)
log = _unary(ops.log)
log1p = _unary(ops.log1p)
neg = _unary(ops.neg)
relu = _unary(ops.relu)
rsqrt = _unary(ops.rsqrt)
sigmoid = _unary(ops.sigmoid)
sign = _unary(ops.sign)
sin = _unary(ops.sin)
sqrt = _unary(ops.sqrt)
tanh = _unary(ops.tanh)

floor = _rounding(ops.floor)
ceil = _rounding(ops.ceil)
trunc = _rounding(ops.trunc)
round = _rounding(ops.round_)  # noqa: A001

add = _binary(ops.add)
eq = _binary(ops.eq)
ge = _binary(ops.ge)
gt = _binary(ops.gt)
le = _binary(ops.le)
lt = _binary(ops.lt)
maximum = _binary(ops.maximum)
minimum = _binary(ops.minimum)
mul = _binary(ops.mul)
ne = _binary(ops.ne)
pow = _binary(ops.pow_)  # noqa: A001
sub = _binary(ops.sub)

bitwise_and = _bitwise(ops.bitwise_and)
bitwise_or = _bitwise(ops.bitwise_or)
bitwise_xor = _bitwise(ops.bitwise_xor)


def reciprocal(input: Tensor) -> Tensor:
    """1 / x."""
    return 1 / input


def square(input: Tensor) -> Tensor:
    """x * x."""
    return input * input


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient; ``rounding_mode`` None, ``"floor"`` or ``"trunc"``."""
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = trunc(ops.div(input, other))
        return quotient.to(mul(input, other).dtype)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def _divisor(input: Any, other: Any) -> Any:
    """Guard an integer divisor: dividing by zero raises, as in PyTorch."""
    types = [x.type if hasattr(x, "apply_op") else None for x in (input, other)]
    integral = builtins.all(t is None or t.dtype.kind != "f" for t in types)
    if isinstance(other, Tensor) and integral:
        return ops.require_nonzero(other, error="RuntimeError", message="ZeroDivisionError")
    if integral and not isinstance(other, Tensor) and other == 0:
        raise RuntimeError("ZeroDivisionError")
    return other


def floor_divide(input: Any, other: Any) -> Tensor:
    """Quotient rounded down; raises RuntimeError on integer division by zero."""
    return ops.floor_divide(input, _divisor(input, other))


def remainder(input: Any, other: Any) -> Tensor:
    """Remainder with the divisor's sign; raises RuntimeError on integer division by zero."""
    return ops.remainder(input, _divisor(input, other))


def logical_not(input: Tensor) -> Tensor:
    """Not, of each element's truth."""
    return ops.logical_not(input.to(bool_))


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """And, of each element's truth."""
    return ops.bitwise_and(input.to(bool_), other.to(bool_))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Or, of each element's truth."""
    return ops.bitwise_or(input.to(bool_), other.to(bool_))


def bitwise_not(input: Tensor) -> Tensor:
    """Bitwise not; of a bool, logical not."""
    return ops.logical_not(input) if input.dtype is bool_ else ops.bitwise_not(input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """Elements of ``input`` where the condition holds, else of ``other``; shapes broadcast."""
    check_tensor(condition, "where")
    if condition.dtype is not bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor "
                           f"with dtype {condition.dtype}")  # fmt: skip
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        fraction = isinstance(input, float) or isinstance(other, float)
        dtype = mode.default_dtype if fraction else int64
        input = condition.constant(input, shape=(), dtype=dtype)
    return ops.where(condition, input, other)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Values limited to ``[min, max]``; the gradient passes where the value is inside."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    out = input
    if min is not None:
        out = ops.where(out < min, min, out)
    if max is not None:
        out = ops.where(out > max, max, out)
    return out


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask holds, else ``input``; the dtype stays."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got dtype {mask.dtype}")
    fill = value if isinstance(value, Tensor) else input.constant(value, shape=())
    return ops.where(mask, fill.to(input.dtype), input)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    return input + tensor1 * tensor2 * value


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    return input + tensor1 / tensor2 * value


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``."""
    return input + (end - input) * weight


__all__ = [
    "abs", "add", "addcdiv", "addcmul", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "ceil", "clamp", "cos", "div", "eq", "erf", "exp", "expm1", "floor",
    "floor_divide", "ge", "gt", "isnan", "le", "lerp", "log", "log1p", "logical_and",
    "logical_not", "logical_or", "lt", "masked_fill", "maximum", "minimum", "mul", "ne", "neg",
    "pow", "reciprocal", "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "sin",
    "sqrt", "square", "sub", "tanh", "trunc", "where",
]  # fmt: skip
METHODS = [
    "abs", "add", "addcdiv", "addcmul", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "ceil", "clamp", "cos", "div", "eq", "erf", "exp", "expm1", "floor",
    "floor_divide", "ge", "gt", "isnan", "le", "lerp", "log", "log1p", "logical_and",
    "logical_not", "logical_or", "lt", "masked_fill", "maximum", "minimum", "mul", "ne", "neg",
    "pow", "reciprocal", "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "sin",
    "sqrt", "square", "sub", "tanh", "trunc",
]  # fmt: skip
IN_PLACE = [
    "abs", "add", "addcdiv", "addcmul", "ceil", "clamp", "cos", "div", "exp", "floor",
    "floor_divide", "lerp", "log", "masked_fill", "mul", "neg", "pow", "reciprocal", "relu",
    "remainder", "round", "rsqrt", "sigmoid", "sin", "sqrt", "square", "sub", "tanh", "trunc",
]  # fmt: skip
