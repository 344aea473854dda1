"""Elementwise ops: one scalar of each operand gives one scalar of the result.

Conventions at ties and edges follow PyTorch: ``relu`` and ``abs`` have derivative 0 at 0,
``maximum`` and ``minimum`` share the cotangent equally at ties, ``sqrt`` has derivative inf at 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.ir.op import Handle, Mask, Op, elementwise, predicate
from tinytorch.ir.ops.selection import where

_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_vector_erf = np.vectorize(math.erf, otypes=[np.float64])


def quiet(rule: Any) -> Any:
    """Silence numpy's warnings: inf and nan are results here, as in PyTorch."""

    def run(*xs: Any, **attrs: Any) -> Any:
        with np.errstate(all="ignore"):
            return rule(*xs, **attrs)

    return run


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """numpy's power; an integer to a negative power is rounded towards zero."""
    if a.dtype.kind != "i":
        return np.asarray(np.power(a, b))
    sign = np.where(b & 1, a, np.ones((), a.dtype))
    inverse = np.where(abs(a) == 1, sign, np.zeros((), a.dtype))
    return np.where(b < 0, inverse, np.power(a, np.where(b < 0, 0, b)))


def _remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f":
        return np.asarray(np.remainder(a, b))
    rest = np.fmod(a, b)  # numpy's own gives zeros the divisor's sign
    return np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


def _shift_left(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    fits = (b >= 0) & (b < 8 * a.dtype.itemsize)
    return np.where(fits, np.left_shift(a, np.where(fits, b, 0)), 0)


def _shift_right(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    fits = (b >= 0) & (b < 8 * a.dtype.itemsize)
    sign = np.where(a < 0, -1, 0).astype(a.dtype)
    return np.where(fits, np.right_shift(a, np.where(fits, b, 0)), sign)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.zeros((), x.dtype), x)


def _sign(x: np.ndarray) -> np.ndarray:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def _trigger(y: Handle, *xs: Handle) -> Handle:
    """Half the cotangent at a tie, all of it where this operand won."""
    a, b = xs
    return where_handle(a == b, 0.5, where_handle(y == a, 1.0, 0.0, like=y), like=y)


def _trigger_second(y: Handle, *xs: Handle) -> Handle:
    a, b = xs
    return where_handle(a == b, 0.5, where_handle(y == b, 1.0, 0.0, like=y), like=y)


def where_handle(c: Handle, a: Any, b: Any, like: Handle) -> Handle:
    """``where`` with Python numbers taken in the dtype of ``like``."""
    if not hasattr(a, "apply_op"):
        a = like.constant(a)
    if not hasattr(b, "apply_op"):
        b = like.constant(b)
    return where(c, a, b)


# ------------------------------------------------------------------ arithmetic

add = elementwise(
    "add", "Sum.", expr="{0} + {1}", eager=quiet(np.add), commutative=True,
    partials=(lambda y, a, b: 1, lambda y, a, b: 1),
)  # fmt: skip
sub = elementwise(
    "sub", "Difference.", expr="{0} - {1}", eager=quiet(np.subtract),
    partials=(lambda y, a, b: 1, lambda y, a, b: -1),
)  # fmt: skip
mul = elementwise(
    "mul", "Product.", expr="{0} * {1}", eager=quiet(np.multiply), commutative=True,
    partials=(lambda y, a, b: b, lambda y, a, b: a),
)  # fmt: skip
div = elementwise(
    "div", "True quotient.", expr="{0} / {1}", eager=quiet(np.true_divide), floating=True,
    costly=3, partials=(lambda y, a, b: 1 / b, lambda y, a, b: -y / b),
)  # fmt: skip
neg = elementwise(
    "neg", "Negative.", expr="-{0}", eager=quiet(np.negative), partials=(lambda y, x: -1,)
)
pow_: Op = elementwise(
    "pow", "Power; 0 ** 0 is 1.", expr="pow({0}, {1})", eager=quiet(_power), costly=12,
    partials=(
        lambda y, a, b: where_handle(b == 0, 0.0, b * pow_(a, b - 1), like=y),
        lambda y, a, b: where_handle(
            bitwise_and(a == 0, b >= 0), 0.0, y * log(a), like=y
        ),
    ),
)  # fmt: skip
floor_divide = elementwise(
    "floor_divide", "Quotient rounded down.", expr="floor_divide({0}, {1})",
    eager=quiet(np.floor_divide), costly=4, partials=(None, None),
)  # fmt: skip
remainder = elementwise(
    "remainder", "Remainder with the divisor's sign.", expr="remainder({0}, {1})",
    eager=quiet(_remainder), costly=4,
    partials=(lambda y, a, b: 1, lambda y, a, b: -floor_divide(a, b)),
)  # fmt: skip
fmod = elementwise(
    "fmod", "Remainder with the dividend's sign.", expr="fmod({0}, {1})", eager=quiet(np.fmod),
    costly=4, partials=(lambda y, a, b: 1, lambda y, a, b: -trunc(a / b)),
)  # fmt: skip
maximum = elementwise(
    "maximum", "Larger of two; NaN wins.", expr="maximum({0}, {1})", eager=np.maximum,
    commutative=True, partials=(_trigger, _trigger_second),
)  # fmt: skip
minimum = elementwise(
    "minimum", "Smaller of two; NaN wins.", expr="minimum({0}, {1})", eager=np.minimum,
    commutative=True, partials=(_trigger, _trigger_second),
)  # fmt: skip

# ------------------------------------------------------------------- functions

abs_ = elementwise(
    "abs", "Absolute value.", expr="abs({0})", eager=np.abs, partials=(lambda y, x: sign(x),)
)
sign: Op = elementwise(
    "sign", "-1, 0 or 1; 0 for NaN.", expr="sign({0})", eager=_sign, partials=(None,)
)
exp = elementwise(
    "exp", "e to the power x.", expr="exp({0})", eager=quiet(np.exp), floating=True, costly=10,
    partials=(lambda y, x: y,),
)  # fmt: skip
expm1 = elementwise(
    "expm1", "exp(x) - 1, exact near 0.", expr="expm1({0})", eager=quiet(np.expm1),
    floating=True, costly=12, partials=(lambda y, x: y + 1,),
)  # fmt: skip
log: Op = elementwise(
    "log", "Natural logarithm.", expr="log({0})", eager=quiet(np.log), floating=True, costly=10,
    partials=(lambda y, x: 1 / x,),
)  # fmt: skip
log1p = elementwise(
    "log1p", "log(1 + x), exact near 0.", expr="log1p({0})", eager=quiet(np.log1p),
    floating=True, costly=12, partials=(lambda y, x: 1 / (1 + x),),
)  # fmt: skip
sqrt = elementwise(
    "sqrt", "Square root.", expr="sqrt({0})", eager=quiet(np.sqrt), floating=True, costly=5,
    partials=(lambda y, x: 0.5 / y,),
)  # fmt: skip
rsqrt = elementwise(
    "rsqrt", "1 / sqrt(x).", expr="rsqrt({0})", eager=quiet(lambda x: 1 / np.sqrt(x)),
    floating=True, costly=6, partials=(lambda y, x: -0.5 * (y / x),),
)  # fmt: skip
sin = elementwise(
    "sin", "Sine.", expr="sin({0})", eager=quiet(np.sin), floating=True, costly=12,
    partials=(lambda y, x: cos(x),),
)  # fmt: skip
cos: Op = elementwise(
    "cos", "Cosine.", expr="cos({0})", eager=quiet(np.cos), floating=True, costly=12,
    partials=(lambda y, x: -sin(x),),
)  # fmt: skip
tanh = elementwise(
    "tanh", "Hyperbolic tangent.", expr="tanh({0})", eager=np.tanh, floating=True, costly=12,
    partials=(lambda y, x: 1 - y * y,),
)  # fmt: skip
sigmoid = elementwise(
    "sigmoid", "1 / (1 + exp(-x)), without overflow.", expr="sigmoid({0})", eager=_sigmoid,
    floating=True, costly=12, partials=(lambda y, x: y * (1 - y),),
)  # fmt: skip
erf = elementwise(
    "erf", "Error function.", expr="erf({0})", floating=True, costly=15,
    eager=lambda x: _vector_erf(x).astype(x.dtype) if x.size else x.copy(),
    partials=(lambda y, x: _TWO_OVER_SQRT_PI * exp(-(x * x)),),
)  # fmt: skip
relu = elementwise(
    "relu", "0 where x is below 0, else x; NaN and -0 stay.", expr="relu({0})", eager=_relu,
    version=2, partials=(lambda y, x: Mask(y > 0),),
)  # fmt: skip
floor = elementwise(
    "floor", "Largest integer not above x.", expr="floor({0})", eager=np.floor, partials=(None,)
)
ceil = elementwise(
    "ceil", "Smallest integer not below x.", expr="ceil({0})", eager=np.ceil, partials=(None,)
)
trunc: Op = elementwise(
    "trunc", "x without its fraction.", expr="trunc({0})", eager=np.trunc, partials=(None,)
)
round_ = elementwise(
    "round", "Nearest integer, halves to even.", expr="round_even({0})", eager=np.round,
    partials=(None,),
)  # fmt: skip

# ------------------------------------------------------------------ comparison

eq = predicate("eq", "Equal.", expr="{0} == {1}", eager=np.equal, commutative=True)
ne = predicate("ne", "Not equal.", expr="{0} != {1}", eager=np.not_equal, commutative=True)
lt = predicate("lt", "Less.", expr="{0} < {1}", eager=np.less)
le = predicate("le", "Less or equal.", expr="{0} <= {1}", eager=np.less_equal)
gt = predicate("gt", "Greater.", expr="{0} > {1}", eager=np.greater)
ge = predicate("ge", "Greater or equal.", expr="{0} >= {1}", eager=np.greater_equal)
isnan = predicate("isnan", "Whether NaN.", expr="{0} != {0}", eager=np.isnan)

# ------------------------------------------------------------- bits and logic

bitwise_and: Op = elementwise(
    "bitwise_and", "Bitwise (for bool: logical) and.", expr="{0} & {1}", eager=np.bitwise_and,
    commutative=True,
)  # fmt: skip
bitwise_or = elementwise(
    "bitwise_or", "Bitwise (for bool: logical) or.", expr="{0} | {1}", eager=np.bitwise_or,
    commutative=True,
)  # fmt: skip
bitwise_xor = elementwise(
    "bitwise_xor", "Bitwise (for bool: logical) exclusive or.", expr="{0} ^ {1}",
    eager=np.bitwise_xor, commutative=True,
)  # fmt: skip
bitwise_not = elementwise(
    "bitwise_not", "Bitwise not of an integer.", expr="~{0}", eager=np.invert
)
logical_not = elementwise(
    "logical_not", "Not, of a bool.", expr="not {0}", eager=np.logical_not
)
shift_left = elementwise(
    "shift_left", "Bits moved up; 0 if by a negative number or the width and more.",
    expr="shift_left({0}, {1})", eager=_shift_left,
)  # fmt: skip
shift_right = elementwise(
    "shift_right", "Bits moved down, the sign kept; all are lost as in ``shift_left``.",
    expr="shift_right({0}, {1})", eager=_shift_right,
)  # fmt: skip
