"""Sums, products, quotients, powers and what is made of them, with PyTorch's rules and errors."""

from __future__ import annotations

import warnings
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, float64, int64
from tinytorch.tracer.factories import tensor
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.covers import (
    binary,
    check_tensors,
    in_float32,
    is_bool,
    is_float,
    kind_of,
    refuse_integers,
    unary,
)
from tinytorch.tracer.functions.rounding import trunc
from tinytorch.tracer.kinds import Operand, Scalar
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

copysign = binary(ops.copysign)
rsqrt = unary(ops.rsqrt)


def _scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """``alpha * other``, by PyTorch's rules about what alpha may be."""
    if isinstance(alpha, bool) and not (is_bool(input) and is_bool(other)):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if is_float(alpha) and not (is_float(input) or is_float(other)):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if type(alpha) is int and alpha == 1:
        return other
    if is_bool(input) and is_bool(other):
        return ops.bitwise_and(other, bool(alpha))
    return other * alpha


def _as_tensors(input: Any, other: Any) -> tuple[Any, Any]:
    """Operands of which one is a tensor: of two numbers the first becomes one."""
    if isinstance(input, bool | int | float) and not hasattr(other, "apply_op"):
        return tensor(input), other
    return input, other


def _old_form(last: tuple[Any, ...], written: str) -> Any:
    """The last operand of PyTorch's old form, with a number before its last operands."""
    if len(last) != 1:
        raise TypeError(f"too many positional arguments, expected {written}")
    warnings.warn(
        f"a number before the last operands is PyTorch's deprecated form: write {written}",
        stacklevel=3,
    )
    return last[0]


def add(input: Operand, other: Operand, *last: Any, alpha: Scalar = 1) -> Tensor:
    """``input + alpha * other``; of two bools, whether either is true."""
    if last:
        alpha, other = other, _old_form(last, "add(input, other, alpha=alpha)")
    input, other = _as_tensors(input, other)
    return ops.add(input, _scaled("add", input, other, alpha))


def _refuse_bools(a: Any, b: Any) -> None:
    if is_bool(a) and is_bool(b):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if is_bool(a) or is_bool(b):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )


def sub(input: Operand, other: Operand, *last: Any, alpha: Scalar = 1) -> Tensor:
    """``input - alpha * other``; raises RuntimeError for bools."""
    if last:
        alpha, other = other, _old_form(last, "sub(input, other, alpha=alpha)")
    input, other = _as_tensors(input, other)
    _refuse_bools(input, other)
    return ops.sub(input, _scaled("sub", input, other, alpha))


subtract = sub


def rsub(input: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


def mul(input: Any, other: Any) -> Tensor:
    """``input * other``."""
    return ops.mul(*_as_tensors(input, other))


multiply = mul


def neg(input: Tensor) -> Tensor:
    """Negative; raises RuntimeError for bools."""
    if check_tensor(input, "neg").dtype is bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return ops.neg(input)


negative = neg


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """``sqrt(input**2 + other**2)`` without overflow inside; not of integers alone."""
    refuse_integers("hypot", input, other)
    return ops.hypot(input, other)


def positive(input: Tensor) -> Tensor:
    """The tensor itself; raises RuntimeError for bools."""
    if check_tensor(input, "positive").dtype is bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def reciprocal(input: Tensor) -> Tensor:
    """1 / x."""
    return 1 / check_tensor(input, "reciprocal")


def square(input: Tensor) -> Tensor:
    """x * x; a bool counts as an integer."""
    check_tensor(input, "square")
    input = input.to(int64) if input.dtype is bool_ else input
    return input * input


# ------------------------------------------------------------------- quotients


def _divisor(input: Any, other: Any) -> Any:
    """Guard an integer divisor: dividing by zero raises, as in PyTorch."""
    types = [x.aval if hasattr(x, "apply_op") else None for x in (input, other)]
    integral = all(t is None or t.dtype.kind != "f" for t in types)
    if is_float(input) or is_float(other) or not integral:
        return other
    if isinstance(other, Tensor):
        return ops.require_nonzero(other, error="RuntimeError", message="ZeroDivisionError")
    if other == 0:
        raise RuntimeError("ZeroDivisionError")
    return other


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """Quotient rounded down; raises RuntimeError on integer division by zero."""
    _refuse_bool_pair("floor_divide", input, other)
    input, other = _as_tensors(input, other)
    return ops.floor_divide(input, _divisor(input, other))


def remainder(input: Operand, other: Operand) -> Tensor:
    """Remainder with the divisor's sign; raises RuntimeError on integer division by zero."""
    _refuse_bool_pair("remainder", input, other)
    return ops.remainder(input, _divisor(input, other))


def fmod(input: Operand, other: Operand) -> Tensor:
    """Remainder with the dividend's sign; raises RuntimeError on integer division by zero."""
    _refuse_bool_pair("fmod", input, other)
    return ops.fmod(input, _divisor(input, other))


def _refuse_bool_pair(name: str, input: Any, other: Any) -> None:
    if is_bool(input) and is_bool(other):
        raise NotImplementedError(f'"{name}" not implemented for \'Bool\'')


def _truncated(input: Any, other: Any) -> Tensor:
    _refuse_bool_pair("div_trunc_cpu", input, other)
    if is_float(input) or is_float(other):
        return trunc(ops.div(input, other))
    other = _divisor(input, other)
    down, rest = ops.floor_divide(input, other), ops.remainder(input, other)
    return where((down < 0) & (rest != 0), down + 1, down)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient; ``rounding_mode`` None (a float), ``"floor"`` or ``"trunc"``."""
    input, other = _as_tensors(input, other)
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return _truncated(input, other)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


divide = div


def true_divide(input: Operand, other: Operand) -> Tensor:
    """Quotient, a float."""
    return ops.div(input, other)


# ---------------------------------------------------------------------- powers


def pow(input: Operand, exponent: Operand) -> Tensor:  # noqa: A001
    """Power; raises RuntimeError for integers to a negative Python integer."""
    if is_bool(input) and is_bool(exponent):
        raise NotImplementedError('"pow" not implemented for \'Bool\'')
    if (
        not isinstance(exponent, Tensor) and not is_float(exponent)
        and not is_float(input) and exponent < 0
    ):  # fmt: skip
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return ops.pow_(input, exponent)


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """Power in float64."""
    if isinstance(input, Tensor):
        input = input.to(float64)
    if isinstance(exponent, Tensor):
        exponent = exponent.to(float64)
    return ops.pow_(input, exponent)


# ---------------------------------------------------------------- compositions


def _refuse_integers(name: str, tensors: tuple[Tensor, ...], value: Any) -> None:
    if is_float(value) and not any(is_float(t) for t in tensors):
        raise RuntimeError(f"{name}: for integral tensors, value must not be a floating point "
                           f"number, got {value}")  # fmt: skip


def addcmul(
    input: Tensor, tensor1: Any, tensor2: Tensor, *last: Any, value: Scalar = 1
) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    if last:
        value, tensor1 = tensor1, tensor2
        tensor2 = _old_form(last, "addcmul(input, tensor1, tensor2, value=value)")
    check_tensor(tensor1, "addcmul", "tensor1")
    _refuse_integers("addcmul", (input, tensor1, tensor2), value)
    return _plus_product(input, tensor1, tensor2, value)


@in_float32
def _plus_product(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any) -> Tensor:
    return input + tensor1 * tensor2 * value


def addcdiv(
    input: Tensor, tensor1: Any, tensor2: Tensor, *last: Any, value: Scalar = 1
) -> Tensor:
    """``input + value * tensor1 / tensor2``; raises RuntimeError for integers alone."""
    if last:
        value, tensor1 = tensor1, tensor2
        tensor2 = _old_form(last, "addcdiv(input, tensor1, tensor2, value=value)")
    check_tensor(tensor1, "addcdiv", "tensor1")
    if not (is_float(tensor1) or is_float(tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release addcdiv "
            "will perform a true division of tensor1 and tensor2."
        )
    return _plus_quotient(input, tensor1, tensor2, value)


@in_float32
def _plus_quotient(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any) -> Tensor:
    return input + tensor1 / tensor2 * value


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """``input + weight * (end - input)``, from the nearer end, so that weight 1 gives ``end``."""
    check_tensors("lerp", input, end)
    if not isinstance(weight, Tensor | int | float):
        raise TypeError(f"lerp(): argument 'weight' must be Number or Tensor, not "
                        f"{type(weight).__name__}")  # fmt: skip
    for other in (end, weight):
        if isinstance(other, Tensor) and other.dtype is not input.dtype:
            raise RuntimeError(f"expected dtype {kind_of(input)} for `end` and `weight` but got "
                               f"dtype {kind_of(other)}")  # fmt: skip
    if not is_float(input):
        raise NotImplementedError(f"\"lerp\" not implemented for '{kind_of(input)}'")
    return _between(input, end, weight)


@in_float32
def _between(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    gap = end - input
    if not isinstance(weight, Tensor):
        return input + gap * weight if abs(weight) < 0.5 else end - gap * (1 - weight)
    near = ops.abs_(weight) < 0.5
    return where(near, input, end) + gap * where(near, weight, weight - 1)


__all__ = [
    "add", "addcdiv", "addcmul", "copysign", "div", "divide", "float_power", "floor_divide",
    "fmod", "hypot", "lerp", "mul", "multiply", "neg", "negative", "positive", "pow", "reciprocal",
    "remainder", "rsqrt", "rsub", "square", "sub", "subtract", "true_divide",
]  # fmt: skip
METHODS = [name for name in __all__ if name != "rsub"]
IN_PLACE = [name for name in __all__ if name not in ("positive", "rsub")]
