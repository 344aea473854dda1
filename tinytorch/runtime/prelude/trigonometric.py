"""sin, cos, tan and their inverses, for float32 and float64, without branches.

Arguments of any size are reduced correctly: x is m * 2**e with an integer m, and a table holds
2**e * 2/pi modulo 4 for every e (the idea of Payne and Hanek, with the words of 2/pi gathered in
advance). One look-up and a few fused multiply-adds give the quadrant and the fraction.
Polynomials are minimax fits made for this file with the Remez exchange algorithm in 50 digits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tinytorch.runtime.prelude.floating import Coefficients, format_of, two_product, two_sum
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    FLOAT64,
    convert,
    copysign,
    fabs,
    fma,
    from_bits,
    lookup,
    rint,
    select,
    sqrt,
    to_bits,
)

# ------------------------------------------------------------------ reduction

_HALF_PI = tuple(map(float.fromhex, ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54")))


def _pi(bits: int) -> int:
    """Return pi * 2**bits, cut to an integer, by Machin's formula."""
    guard = 32
    one = 1 << (bits + guard)

    def arccot(n: int) -> int:
        term = total = one // n
        k = 1
        while term:
            term //= -n * n
            k += 2
            total += term // k
        return total

    return 4 * (4 * arccot(5) - arccot(239)) >> guard


@cache
def quadrants(dtype: np.dtype[Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Return 2**e * 2/pi modulo 4 as sums of float64, for the exponents e of the numbers from 1/2.

    The last is NaN, for infinity. Two float64 have enough bits for float32, four for float64:
    no number but zero is closer to a multiple of pi/2 than about 2**-61.
    """
    form = format_of(dtype.type(0))
    bits = form.bias + 300
    scale = 1 << bits
    two_over_pi = (scale * scale << 1) // _pi(bits)
    parts = np.zeros((2 if dtype == FLOAT32 else 4, form.bias + 3))
    for index in range(form.bias + 2):
        rest = (two_over_pi << index >> (form.mantissa + 1)) & (4 * scale - 1)
        for part in parts:
            part[index] = rest / scale
            numerator, denominator = part[index].as_integer_ratio()
            rest -= numerator * (scale // denominator)
    parts[:, -1] = np.nan
    return tuple(parts)


def _look_up(size: Any) -> tuple[Any, list[Any]]:
    """Return the mantissa of size >= 1/2, as an integer, and the table's parts for its exponent."""
    form = format_of(size)
    bits = to_bits(size)
    index = convert((bits >> form.mantissa) - (form.bias - 1), np.dtype(np.uint64))
    exponent = (form.bias + form.mantissa) << form.mantissa
    mantissa = from_bits((bits & ((1 << form.mantissa) - 1)) | exponent)
    return mantissa, [lookup(part, index) for part in quadrants(size.dtype)]


def _reduce(x: Any) -> tuple[Any, Any, Any]:
    """Return n, in the low bits of an unsigned integer, r and rest: |x| = n pi/2 + r + rest.

    In float32 the fraction is formed in float64, and there is no rest.
    """
    kind = x.dtype.type
    size = fabs(x)
    small = size < 0.5
    mantissa, parts = _look_up(select(small, kind(0.5), size))
    if x.dtype == FLOAT32:
        m, magic = convert(mantissa, FLOAT64), format_of(np.float64(0)).magic
        shifted = fma(m, parts[0], magic)
        fraction = fma(m, parts[1], fma(m, parts[0], magic - shifted))
        r = convert(fraction * _HALF_PI[0], FLOAT32)
        return convert(to_bits(shifted), np.dtype(np.uint32)), select(small, size, r), None
    n, fraction, rest = _fraction(mantissa, parts)
    r, error = two_product(fraction, kind(_HALF_PI[0]))
    error = fma(fraction, kind(_HALF_PI[1]), fma(rest, kind(_HALF_PI[0]), error))
    return n, select(small, size, r), select(small, kind(0), error)


def _fraction(m: Any, parts: list[Any]) -> tuple[Any, Any, Any]:
    """Return n as an unsigned integer, f and rest: m * sum(parts) = n + f + rest modulo 4."""
    magic = format_of(m).magic
    products = [two_product(m, part) for part in parts[:3]]
    whole = products[0][0]
    fraction, *late = two_sum(whole - rint(whole * 0.25) * 4, products[0][1])
    fraction, error = two_sum(fraction, products[1][0])
    shifted = fraction + magic
    fraction = fraction - (shifted - magic)
    rest = fma(m, parts[3], products[2][1])
    for term in (*late, error, products[1][1], products[2][0]):
        fraction, error = two_sum(fraction, term)
        rest = rest + error
    total = fraction + rest
    return to_bits(shifted), total, rest - (total - fraction)


# ------------------------------------------------------------ sine and cosine

# (sin(r) - r) / r**3 and (cos(r) - 1 + r**2 / 2) / r**4 as polynomials in r**2, |r| <= pi/4
_SIN_TAIL = Coefficients(
    (-0.0001950431615114212, 0.008332083001732826, -0.16666653752326965),
    (
        1.5890307689898364e-10,
        -2.505064778009659e-08,
        2.7557312999585e-06,
        -0.00019841269827855317,
        0.00833333333332004,
        -0.16666666666666624,
    ),
)
_COS_TAIL = Coefficients(
    (2.442389632051345e-05, -0.0013887243112549186, 0.04166664555668831),
    (
        -1.1356557998183583e-11,
        2.0875668533972038e-09,
        -2.755731399496343e-07,
        2.4801587288446585e-05,
        -0.0013888888888872897,
        0.041666666666666595,
    ),
)


def _sin_cos(r: Any, rest: Any) -> tuple[Any, Any]:
    """Return sin(r + rest) and cos(r + rest) for |r| <= pi/4."""
    z = r * r
    half = z * 0.5
    one = 1 - half
    lost = (1 - one) - half
    if rest is None:
        sine = fma(z * r, _SIN_TAIL(z), r)
    else:
        sine = fma(z * r, _SIN_TAIL(z), rest * one) + r
        lost = fma(-r, rest, lost)
    return sine, fma(z * z, _COS_TAIL(z), lost) + one


def _flip(value: Any, quadrant: Any) -> Any:
    """Change the sign where bit 1 of the quadrant is set."""
    width = value.dtype.itemsize * 8
    return from_bits(to_bits(value) ^ ((quadrant & 2) << (width - 2)))


@intrinsic()
def sin(x: Any) -> Any:
    """Sine, of any argument; float32 1.6 ulp, float64 0.9 ulp."""
    n, r, rest = _reduce(x)
    sine, cosine = _sin_cos(r, rest)
    value = _flip(select((n & 1) != 0, cosine, sine), n)
    sign = 1 << (x.dtype.itemsize * 8 - 1)
    return from_bits(to_bits(value) ^ (to_bits(x) & sign))


@intrinsic()
def cos(x: Any) -> Any:
    """Cosine, of any argument; float32 1.6 ulp, float64 0.9 ulp."""
    n, r, rest = _reduce(x)
    sine, cosine = _sin_cos(r, rest)
    return _flip(select((n & 1) != 0, sine, cosine), n + 1)


@intrinsic()
def tan(x: Any) -> Any:
    """Tangent, of any argument; float32 3.0 ulp, float64 2.3 ulp."""
    n, r, rest = _reduce(x)
    sine, cosine = _sin_cos(r, rest)
    odd = (n & 1) != 0
    value = select(odd, -cosine, sine) / select(odd, sine, cosine)
    sign = 1 << (x.dtype.itemsize * 8 - 1)
    return from_bits(to_bits(value) ^ (to_bits(x) & sign))


# ------------------------------------------------------------------- inverses

# (asin(s) - s) / s**3 as a polynomial in s**2, for s <= 1/2
_ASIN_TAIL = Coefficients(
    (
        0.042218245565891266,
        0.024147791787981987,
        0.04547705873847008,
        0.07495242357254028,
        0.16666753590106964,
    ),
    (
        0.03195889660060632,
        -0.016293975889444035,
        0.019573844120033025,
        0.006510876854693303,
        0.012173273361502063,
        0.013884599525426516,
        0.01735977097338996,
        0.02237175353537175,
        0.030381959330505637,
        0.04464285682351094,
        0.0750000000034299,
        0.16666666666665383,
    ),
)
# (atan(s) - s) / s**3 as a polynomial in s**2, for |s| <= tan(pi/8)
_ATAN_TAIL = Coefficients(
    (0.0805787742137909, -0.1387915164232254, 0.19977867603302002, -0.33332952857017517),
    (
        -0.01792257780273468,
        0.038079861282922366,
        -0.05039963815932886,
        0.05848050220102721,
        -0.06663128542452847,
        0.07692062623830251,
        -0.09090897911185933,
        0.11111110789630023,
        -0.1428571428034373,
        0.1999999999995542,
        -0.33333333333333204,
    ),
)
_PI_PARTS: dict[np.dtype[Any], tuple[Any, Any]] = {
    FLOAT32: (np.float32(float.fromhex("0x1.921fb6p+1")), np.float32(-8.742277657347586e-08)),
    FLOAT64: (np.float64(2 * _HALF_PI[0]), np.float64(2 * _HALF_PI[1])),
}


def _asin_parts(size: Any) -> tuple[Any, Any, Any]:
    """Return whether 0 <= size <= 1/2, and s + tail: asin(size) there, else acos(size) / 2."""
    small = size <= 0.5
    z = select(small, size * size, (1 - size) * 0.5)
    s = select(small, size, sqrt(z))
    return small, s, z * s * _ASIN_TAIL(z)


@intrinsic()
def asin(x: Any) -> Any:
    """Inverse sine, NaN outside [-1, 1]; float32 2.1 ulp, float64 2.2 ulp."""
    pi, low = _PI_PARTS[x.dtype]
    small, s, tail = _asin_parts(fabs(x))
    large = (pi * 0.5 - s * 2) - (tail * 2 - low * 0.5)
    return copysign(select(small, s + tail, large), x)


@intrinsic()
def acos(x: Any) -> Any:
    """Inverse cosine, NaN outside [-1, 1]; float32 1.3 ulp, float64 1.3 ulp."""
    pi, low = _PI_PARTS[x.dtype]
    small, s, tail = _asin_parts(fabs(x))
    middle = pi * 0.5 - (copysign(s, x) - (low * 0.5 - copysign(tail, x)))
    twice = s * 2 + tail * 2
    return select(small, middle, select(x < 0, pi - (twice - low), twice))


def _angle(y: Any, x: Any) -> Any:
    """Angle between 0 and pi/2 of the point (x, y), both at least 0 and not both 0 or infinite."""
    pi, low = _PI_PARTS[x.dtype]
    flat, steep = y * 2.4142135 <= x, x * 2.4142135 < y
    numerator = select(flat, y, select(steep, -x, y - x))
    denominator = select(flat, x, select(steep, y, y + x))
    turns = select(flat, x.dtype.type(0), select(steep, x.dtype.type(0.5), x.dtype.type(0.25)))
    s = numerator / denominator
    z = s * s
    return turns * pi + (fma(s * z, _ATAN_TAIL(z), turns * low) + s)


@intrinsic()
def atan(x: Any) -> Any:
    """Inverse tangent; float32 2.1 ulp, float64 2.1 ulp."""
    size = fabs(x)
    one = select(size == size, x.dtype.type(1), x)
    return copysign(_angle(size, one), x)


@intrinsic()
def atan2(y: Any, x: Any) -> Any:
    """Angle of the point (x, y), C's at zeros and infinities; float32 2.2 ulp, float64 2.2 ulp."""
    pi, low = _PI_PARTS[x.dtype]
    kind = x.dtype.type
    height, width = fabs(y), fabs(x)
    # Equal infinities stand at 45 degrees, and the origin on the axis; nothing may overflow.
    both = (height == np.inf) & (width == np.inf)
    huge = (height > np.finfo(x.dtype).max / 4) | (width > np.finfo(x.dtype).max / 4)
    scale = select(huge, kind(0.25), kind(1))
    height = select(both, kind(1), height * scale)
    width = select(both | ((height == 0) & (width == 0)), kind(1), width * scale)
    angle = _angle(height, width)
    angle = select(copysign(kind(1), x) < 0, pi - (angle - low), angle)
    return copysign(angle, y)
