"""Comparisons, tests of single numbers, and the larger or smaller of two."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.covers import binary, check_tensors, is_float, unary
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

eq = binary(ops.eq)
ne = not_equal = binary(ops.ne)
lt = less = binary(ops.lt)
le = less_equal = binary(ops.le)
gt = greater = binary(ops.gt)
ge = greater_equal = binary(ops.ge)
isnan = unary(ops.isnan)
_INF = float("inf")


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Larger of two tensors; NaN wins; ties share the gradient."""
    check_tensors("maximum", input, other)
    return ops.maximum(input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Smaller of two tensors; NaN wins; ties share the gradient."""
    check_tensors("minimum", input, other)
    return ops.minimum(input, other)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Larger of two tensors; a number wins over NaN; at a tie the first has the gradient."""
    check_tensors("fmax", input, other)
    if not (is_float(input) or is_float(other)):
        return ops.maximum(input, other)
    return where((input >= other) | (other != other), input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Smaller of two tensors; a number wins over NaN; at a tie the first has the gradient."""
    check_tensors("fmin", input, other)
    if not (is_float(input) or is_float(other)):
        return ops.minimum(input, other)
    return where((input <= other) | (other != other), input, other)


def isinf(input: Tensor) -> Tensor:
    """Whether infinite."""
    return ops.abs_(input) == _INF if is_float(check_tensor(input, "isinf")) else input != input


def isposinf(input: Tensor) -> Tensor:
    """Whether positive infinity."""
    return input == _INF if is_float(check_tensor(input, "isposinf")) else input != input


def isneginf(input: Tensor) -> Tensor:
    """Whether negative infinity."""
    return input == -_INF if is_float(check_tensor(input, "isneginf")) else input != input


def isfinite(input: Tensor) -> Tensor:
    """Whether neither infinite nor NaN."""
    return ops.abs_(input) < _INF if is_float(check_tensor(input, "isfinite")) else input == input


def isreal(input: Tensor) -> Tensor:
    """Whether real: true of every number here."""
    return (check_tensor(input, "isreal") == input) | (input != input)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:  # fmt: skip
    """Whether ``|input - other| <= atol + rtol * |other|``, or equal; both of one dtype."""
    check_tensors("isclose", input, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.name} did not match {other.dtype.name}")
    if rtol < 0 or atol < 0:
        which = "rtol" if rtol < 0 else "atol"
        raise RuntimeError(f"{which} must be greater than or equal to zero, but got "
                           f"{rtol if rtol < 0 else atol}")  # fmt: skip
    close = input == other
    if equal_nan and is_float(input):
        close = close | ((input != input) & (other != other))
    if rtol == 0 and atol == 0:
        return close
    if not is_float(input):
        input, other = input.to(mode.default_dtype), other.to(mode.default_dtype)
    distance = ops.abs_(input - other)
    return close | ((distance < _INF) & (distance <= atol + ops.abs_(rtol * other)))


__all__ = [
    "eq", "fmax", "fmin", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "le", "less", "less_equal", "lt", "maximum",
    "minimum", "ne", "not_equal",
]  # fmt: skip
METHODS = __all__
IN_PLACE = [
    "eq", "ge", "greater", "greater_equal", "gt", "le", "less", "less_equal", "lt", "ne",
    "not_equal",
]  # fmt: skip
