"""Intrinsics of choice, rounding, division and comparison, for floats and integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude import primitive
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import select as _select

# -------------------------------------------------------------------- choices


@intrinsic("biuf", operands=(bool, None, None))
def select(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """Return ``chosen`` where the condition holds, else ``otherwise``; both are evaluated."""
    return _select(condition, chosen, otherwise)


@intrinsic("biuf")
def maximum(a: Any, b: Any) -> Any:
    """The larger operand; NaN if either is NaN."""
    if a.dtype.kind == "b":
        return a | b
    return _select((a > b) | (a != a), a, b)


@intrinsic("biuf")
def minimum(a: Any, b: Any) -> Any:
    """The smaller operand; NaN if either is NaN."""
    if a.dtype.kind == "b":
        return a & b
    return _select((a < b) | (a != a), a, b)


@intrinsic("biuf")
def relu(x: Any) -> Any:
    """Zero for x < 0, else x; NaN and -0 stay, as in PyTorch."""
    return x if x.dtype.kind in "bu" else _select(x < 0, x.dtype.type(0), x)


@intrinsic("iuf")
def sign(x: Any) -> Any:
    """-1, 0 or 1; 0 for NaN, as in PyTorch."""
    one = x.dtype.type(1)
    positive = _select(x > 0, one, x.dtype.type(0))
    return positive if x.dtype.kind == "u" else _select(x < 0, -one, positive)


# ---------------------------------------------------------------- reductions


@intrinsic("iuf")
def sum_step(total: Any, x: Any) -> Any:
    """One step of a sum; machine code may reorder the steps, so that the loop vectorises."""
    return primitive.sum_step(total, x)


@intrinsic("biuf")
def max_step(best: Any, x: Any) -> Any:
    """One step of a maximum, NaN stays; machine code may reorder the steps."""
    return primitive.max_step(best, x) if x.dtype.kind == "f" else maximum(best, x)


@intrinsic("biuf")
def min_step(best: Any, x: Any) -> Any:
    """One step of a minimum, NaN stays; machine code may reorder the steps."""
    return primitive.min_step(best, x) if x.dtype.kind == "f" else minimum(best, x)


# ------------------------------------------------------ magnitude and rounding


@intrinsic("biuf")
def fabs(x: Any) -> Any:
    """Magnitude; the least signed integer stays as it is."""
    if x.dtype.kind == "f":
        return primitive.fabs(x)
    return _select(x < 0, -x, x) if x.dtype.kind == "i" else x


absolute = fabs


@intrinsic("f")
def copysign(magnitude: Any, sign: Any) -> Any:
    """The first float with the sign bit of the second."""
    return primitive.copysign(magnitude, sign)


@intrinsic("f")
def sqrt(x: Any) -> Any:
    """Square root, correctly rounded; NaN below zero."""
    return primitive.sqrt(x)


@intrinsic("f")
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x) with two roundings, inf at 0; float32 1.5 ulp, float64 1.5 ulp."""
    return 1 / primitive.sqrt(x)


@intrinsic("f")
def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    return primitive.fma(a, b, c)


@intrinsic("biuf")
def floor(x: Any) -> Any:
    """The largest integer not above x; integers are returned as they are."""
    return primitive.floor(x) if x.dtype.kind == "f" else x


@intrinsic("biuf")
def ceil(x: Any) -> Any:
    """The smallest integer not below x; integers are returned as they are."""
    return primitive.ceil(x) if x.dtype.kind == "f" else x


@intrinsic("biuf")
def trunc(x: Any) -> Any:
    """The integer next to x on the side of zero; integers are returned as they are."""
    return primitive.trunc(x) if x.dtype.kind == "f" else x


@intrinsic("biuf")
def round_even(x: Any) -> Any:
    """The nearest integer, halves to even; integers are returned as they are."""
    return primitive.rint(x) if x.dtype.kind == "f" else x


round = round_even


# ----------------------------------------------------------------- predicates


@intrinsic("biuf", result=bool)
def isnan(x: Any) -> Any:
    """Whether x is NaN."""
    return x != x


@intrinsic("biuf", result=bool)
def isinf(x: Any) -> Any:
    """Whether x is infinite."""
    return primitive.fabs(x) == np.inf if x.dtype.kind == "f" else x != x


@intrinsic("biuf", result=bool)
def isfinite(x: Any) -> Any:
    """Whether x is neither infinite nor NaN."""
    return primitive.fabs(x) < np.inf if x.dtype.kind == "f" else x == x


# ------------------------------------------------------------------- division


def _quotient(a: Any, b: Any) -> tuple[Any, Any]:
    """Quotient towards zero and remainder of integers, both 0 where b is 0; never traps."""
    one, zero = a.dtype.type(1), a.dtype.type(0)
    if a.dtype.kind == "u":
        quotient = primitive.divide_integers(a, _select(b == 0, one, b))
    else:
        negated = b == -1  # the least integer by -1 traps; by wrapping negation it does not
        quotient = primitive.divide_integers(a, _select((b == 0) | negated, one, b))
        quotient = _select(negated, -a, quotient)
    quotient = _select(b == 0, zero, quotient)
    return quotient, _select(b == 0, zero, a - quotient * b)


@intrinsic("iuf")
def floor_divide(a: Any, b: Any) -> Any:
    """Quotient rounded down, as in PyTorch and Python; an integer by 0 gives 0.

    For floats the exact remainder is taken off first, so that 1.0 // 0.1 is 9; by 0 it is a / b.
    """
    if a.dtype.kind != "f":
        quotient, rest = _quotient(a, b)
        return _select((rest != 0) & ((rest < 0) != (b < 0)), quotient - 1, quotient)
    rest = primitive.fmod(a, b)
    quotient = (a - rest) / b
    quotient = _select((rest != 0) & ((b < 0) != (rest < 0)), quotient - 1, quotient)
    down = primitive.floor(quotient)
    down = _select(quotient - down > 0.5, down + 1, down)
    ratio = a / b
    down = _select(quotient == 0, primitive.copysign(a.dtype.type(0), ratio), down)
    return _select(b == 0, ratio, down)


@intrinsic("iuf")
def remainder(a: Any, b: Any) -> Any:
    """Remainder with the sign of the divisor, as in PyTorch and Python; an integer by 0 gives 0."""
    rest = primitive.fmod(a, b) if a.dtype.kind == "f" else _quotient(a, b)[1]
    return _select((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


@intrinsic("iuf")
def fmod(a: Any, b: Any) -> Any:
    """Remainder with the sign of the dividend; an integer by 0 gives 0."""
    return primitive.fmod(a, b) if a.dtype.kind == "f" else _quotient(a, b)[1]


# --------------------------------------------------------------------- shifts


@intrinsic("iu")
def shift_left(x: Any, places: Any) -> Any:
    """x * 2**places, wrapping; 0 if places is negative or at least the width, as in PyTorch."""
    zero, width = x.dtype.type(0), 8 * x.dtype.itemsize
    fits = (places >= 0) & (places < width)
    return _select(fits, x << _select(fits, places, zero), zero)


@intrinsic("iu")
def shift_right(x: Any, places: Any) -> Any:
    """x / 2**places rounded down; all bits go if places is negative or at least the width."""
    zero, width = x.dtype.type(0), 8 * x.dtype.itemsize
    if x.dtype.kind == "u":
        fits = places < width
        return _select(fits, x >> _select(fits, places, zero), zero)
    last = x.dtype.type(width - 1)
    fits = (places >= 0) & (places < width)
    return x >> _select(fits, places, last)
