"""pow for floats and integers, with C's values in every special case."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.floating import (
    Coefficients,
    clamp,
    format_of,
    power_of_two,
    scale_by_power,
    two_product,
    two_sum,
)
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.logarithm import split
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    FLOAT64,
    convert,
    copysign,
    fabs,
    floor,
    fma,
    power_by_squaring,
    select,
)

# For s = (m - 1) / (m + 1), m between sqrt(1/2) and sqrt(2), as polynomials in s**2:
# (2 atanh(s) - 2 s) / s**3, and (2 atanh(s) - 2 s - 2 s**3 / 3) / s**5. Both are for float64;
# the first, shorter one is enough for float32 operands. Own minimax fits.
_LOG_SHORT = Coefficients(
    (), (0.1958552090460723, 0.221760996533395, 0.28572111133741795, 0.3999999560478453,
         0.6666666667584593),
)  # fmt: skip
_LOG_LONG = Coefficients(
    (),
    (
        0.11972285519701382,
        0.11677053966071405,
        0.13336193517426242,
        0.15384560543523026,
        0.18181818807865102,
        0.22222222218140383,
        0.2857142857144207,
        0.39999999999999986,
    ),
)
# (e**r - 1 - r) / r**2 on |r| <= ln(2) / 2, to 1e-10
_EXPM1_SHORT = Coefficients(
    (), (0.000199142363271676, 0.0013941103825345635, 0.008333273231983185, 0.04166635498404503,
         0.1666666716337204, 0.5),
)  # fmt: skip
_EXPM1_LONG = Coefficients(
    (),
    (
        2.0924549868689343e-09,
        2.510914771730675e-08,
        2.755724241265603e-07,
        2.7557243910778332e-06,
        2.4801587360968194e-05,
        0.00019841269886401817,
        0.0013888888888866622,
        0.008333333333321532,
        0.0416666666666667,
        0.16666666666666677,
        0.5,
    ),
)
_TWO_THIRDS = (np.float64(2 / 3), np.float64(float.fromhex("0x1.5555555555555p-55")))


def _magnitude_float32(x: Any, y: Any) -> Any:
    """x**y for x > 0, float32 operands; float64 inside."""
    wide = convert(x, FLOAT64)
    form = format_of(wide)
    m, k = split(wide)
    s = (m - 1) / (m + 1)
    z = s * s
    logarithm = fma(k, form.ln2[0], fma(s * z, _LOG_SHORT(z), s * 2))
    product = clamp(logarithm * convert(y, FLOAT64), -150.0, 150.0)
    shifted = fma(product, form.log2e, form.magic)
    r = fma(shifted - form.magic, -form.ln2[0], product)
    value = fma(r * r, _EXPM1_SHORT(r), r) + 1
    return convert(value * power_of_two(shifted), FLOAT32)


def _magnitude_float64(x: Any, y: Any) -> Any:
    """x**y for x > 0, float64 operands; the logarithm and its product carry twice the digits."""
    form = format_of(x)
    m, k = split(x)
    below, above = m - 1, m + 1
    above_low = (1 - above) + m  # m + 1 may be inexact, m - 1 is not
    s = below / above
    s_low = (fma(-s, above, below) - s * above_low) / above
    z, z_low = two_product(s, s)
    z_low = fma(s * 2, s_low, z_low)
    cube, cube_low = two_product(z, s)
    cube_low = cube_low + fma(z, s_low, z_low * s)
    third, third_low = two_product(cube, _TWO_THIRDS[0])
    third_low = third_low + fma(cube, _TWO_THIRDS[1], cube_low * _TWO_THIRDS[0])
    # ln x = k ln2 + 2 s + 2/3 s**3 + s**5 (...)
    total, low = two_product(k, form.ln2[0])
    low = fma(k, form.ln2[1], low)
    total, error = two_sum(total, s * 2)
    total, rest = two_sum(total, third)
    low = low + (error + rest) + (fma(s_low, x.dtype.type(2), third_low))
    low = fma(cube * z, _LOG_LONG(z), low)
    logarithm = total + low
    low = low - (logarithm - total)
    product, error = two_product(logarithm, y)
    error = fma(low, y, error)
    # Beyond this the result is 0 or infinity, and the error a NaN.
    error = select(fabs(product) < 1000.0, error, x.dtype.type(0))
    product = clamp(product, -1000.0, 1000.0)
    shifted = fma(product, form.log2e, form.magic)
    n = shifted - form.magic
    r = fma(n, -form.ln2[0], product)
    r_low = fma(n, -form.ln2[1], error)
    whole = r + r_low
    r_low = r_low - (whole - r)
    tail = fma(whole * whole, _EXPM1_LONG(whole), fma(whole, r_low, r_low))
    return scale_by_power((whole + tail) + 1, shifted)


def _pow_float(x: Any, y: Any) -> Any:
    kind = x.dtype.type
    one, infinity = kind(1), kind(np.inf)
    size = fabs(x)
    ordinary = (size > 0) & (size < infinity) & (fabs(y) < infinity)
    magnitude = _magnitude_float32 if x.dtype == FLOAT32 else _magnitude_float64
    value = magnitude(select(ordinary, size, one), select(ordinary, y, one))
    # Zeros and infinities: grows tells whether the power tends to infinity.
    grows = (size > 1) == (y > 0)
    extreme = select(size == 1, one, select(grows, infinity, kind(0)))
    value = select(ordinary, value, extreme)
    half = y * 0.5
    whole = floor(y) == y
    odd = whole & (floor(half) != half)
    value = select(odd, copysign(value, x), value)
    value = select((x < 0) & (size < infinity) & ~whole, kind(np.nan), value)
    value = select((x != x) | (y != y), x + y, value)
    return select((y == 0) | (x == 1), one, value)


def _pow_integer(base: Any, exponent: Any) -> Any:
    """Powers of integers, wrapping as products do; by a negative exponent rounded to zero."""
    value = power_by_squaring(base, exponent)
    if base.dtype.kind == "u":
        return value
    one, zero = base.dtype.type(1), base.dtype.type(0)
    sign = select((exponent & one) != 0, base, one)
    inverse = select((base == 1) | (base == -1), sign, zero)
    return select(exponent < 0, inverse, value)


@intrinsic("iuf")
def pow(base: Any, exponent: Any) -> Any:
    """Power; float32 0.6 ulp, float64 1.0 ulp.

    Integers wrap as products do, and x**-n is 0 unless x is 1 or -1.
    """
    if base.dtype.kind == "f":
        return _pow_float(base, exponent)
    return _pow_integer(base, exponent)
