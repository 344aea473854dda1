"""Functions of analysis: powers of e, logarithms, angles, hyperbolas, the error function."""

from __future__ import annotations

import math

from tinytorch.ir import ops
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.comparison import maximum
from tinytorch.tracer.functions.covers import (
    check_tensors,
    in_float32,
    is_float,
    promoted,
    refuse_integers,
    unary,
)  # fmt: skip
from tinytorch.tracer.functions.rounding import clamp
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

acos = arccos = unary(ops.acos)
acosh = arccosh = unary(ops.acosh)
asin = arcsin = unary(ops.asin)
asinh = arcsinh = unary(ops.asinh)
atan = arctan = unary(ops.atan)
atanh = arctanh = unary(ops.atanh)
cos = unary(ops.cos)
cosh = unary(ops.cosh)
erf = unary(ops.erf)
erfc = unary(ops.erfc)
erfinv = unary(ops.erfinv)
exp = unary(ops.exp)
exp2 = unary(ops.exp2)
expm1 = unary(ops.expm1)
log = unary(ops.log)
log10 = unary(ops.log10)
log1p = unary(ops.log1p)
log2 = unary(ops.log2)
sigmoid = unary(ops.sigmoid)
sin = unary(ops.sin)
sinh = unary(ops.sinh)
sqrt = unary(ops.sqrt)
tan = unary(ops.tan)
tanh = unary(ops.tanh)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the points (other, input) of the plane, between -pi and pi."""
    check_tensors("atan2", input, other)
    return ops.atan2(input, other)


arctan2 = atan2


def _floating(x: Tensor, name: str) -> Tensor:
    """The operand of a function on floats: integers become the default dtype."""
    return x if is_float(check_tensor(x, name)) else x.to(mode.default_dtype)


@in_float32
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians."""
    return _floating(input, "deg2rad") * (math.pi / 180)


@in_float32
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees."""
    return _floating(input, "rad2deg") * (180 / math.pi)


@in_float32
def sinc(input: Tensor) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0; the argument is reduced before pi is multiplied in."""
    x = _floating(input, "sinc")
    whole = ops.round_(x)
    half = whole * 0.5
    sine = sin((x - whole) * math.pi)
    sine = where(half == ops.floor(half), sine, -sine)
    return where(x == 0, 1.0, sine / (where(x == 0, 1.0, x) * math.pi))


@in_float32
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(x / (1 - x))``, of x limited to ``[eps, 1 - eps]`` if eps is given; NaN outside [0, 1].

    Near a half it is ``log1p((2 x - 1) / (1 - x))``, which does not lose digits.
    """
    x = _floating(input, "logit")
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    middle = ops.abs_(x - 0.5) < 0.25
    near, far = where(middle, x, 0.5), where(middle, 0.5, x)
    return where(middle, log1p((near + near - 1) / (1 - near)), log(far / (1 - far)))


def _gap(input: Tensor, other: Tensor) -> Tensor:
    """``-|input - other|``, 0 for equal infinities."""
    return -ops.abs_(where(input == other, 0.0, input - other))


@in_float32
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow."""
    refuse_integers("logaddexp", input, other)
    input, other = promoted(input, other)
    return maximum(input, other) + log1p(exp(_gap(input, other)))


@in_float32
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """``log2(2**input + 2**other)`` without overflow."""
    refuse_integers("logaddexp2", input, other)
    input, other = promoted(input, other)
    return maximum(input, other) + log1p(exp2(_gap(input, other))) * (1 / math.log(2))


@in_float32
def xlogy(input: Tensor | float, other: Tensor | float) -> Tensor:
    """``input * log(other)``; 0 where the input is 0, unless ``other`` is NaN."""
    if not isinstance(input, Tensor):
        check_tensor(other, "xlogy")
    x, y = promoted(input, other)
    outside = (x == 0) & ((y <= 0) | (y == float("inf")))
    return x * log(where(outside, 1.0, y))


__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "erf", "erfc", "erfinv",
    "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logit",
    "rad2deg", "sigmoid", "sin", "sinc", "sinh", "sqrt", "tan", "tanh", "xlogy",
]  # fmt: skip
METHODS = __all__
IN_PLACE = [name for name in __all__ if name not in ("logaddexp", "logaddexp2")]
