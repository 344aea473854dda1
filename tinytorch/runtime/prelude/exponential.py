"""exp and its kin, for float32 and float64, without branches or tables.

Coefficients are minimax fits made for this file with the Remez exchange algorithm in 50 digits.
Bounds in ulp, throughout the prelude, are a little above the largest error measured: over every
16th float32 there is, and over 3 million float64 of the whole range; for erf in float64 and for
functions of two operands over some 10**5 samples.
"""

from __future__ import annotations

from typing import Any

from tinytorch.runtime.prelude.floating import (
    Coefficients,
    clamp,
    format_of,
    power_of_two,
    scale_by_power,
    signed,
)
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    copysign,
    fabs,
    fma,
    from_bits,
    select,
    to_bits,
)

# (e**r - 1 - r) / r**2 on |r| <= ln(2) / 2
_EXPM1_TAIL = Coefficients(
    (0.0013946563703939319, 0.008366644382476807, 0.04166628047823906, 0.16666541993618011, 0.5),
    (
        2.5114395737634228e-08,
        2.762645323792886e-07,
        2.7557228236185865e-06,
        2.480150414113674e-05,
        0.00019841269902670747,
        0.0013888888932619447,
        0.008333333333314779,
        0.041666666666572934,
        0.16666666666666685,
        0.5000000000000006,
    ),
)

_TINY = 2.0**-55  # odd functions with slope 1 are the identity below this, in both formats


def _reduce(x: Any) -> tuple[Any, Any, Any]:
    """Return n + magic, n, and e**r - 1, for x = n ln(2) + r with an integer n."""
    form = format_of(x)
    shifted = fma(x, form.log2e, form.magic)
    n = shifted - form.magic
    r = fma(n, -form.ln2[1], fma(n, -form.ln2[0], x))
    return shifted, n, fma(r * r, _EXPM1_TAIL(r), r)


def _bounded(x: Any) -> Any:
    """Bring x to where e**x is neither zero nor infinite for sure."""
    return clamp(x, -104.0, 90.0) if x.dtype == FLOAT32 else clamp(x, -746.0, 711.0)


def _exp(x: Any, factor: float = 1.0) -> Any:
    """Return factor * e**x for a factor of 1 or 1/2; only the product may overflow."""
    shifted, _, tail = _reduce(_bounded(x))
    return scale_by_power((tail + 1) * factor, shifted)


def _half_expm1(x: Any) -> Any:
    """(e**x - 1) / 2 to full relative accuracy; the sign of zero is not kept."""
    x = clamp(x, -60.0, 89.6) if x.dtype == FLOAT32 else clamp(x, -60.0, 710.6)
    shifted, _, tail = _reduce(x)
    quarter = power_of_two(shifted - 2)
    return fma(quarter, tail, quarter - 0.25) * 2


@intrinsic()
def exp(x: Any) -> Any:
    """e**x; float32 1.1 ulp, float64 1.1 ulp."""
    return _exp(x)


@intrinsic()
def exp2(x: Any) -> Any:
    """2**x; float32 1.1 ulp, float64 1.1 ulp."""
    form = format_of(x)
    x = clamp(x, -151.0, 129.0) if x.dtype == FLOAT32 else clamp(x, -1076.0, 1025.0)
    shifted = x + form.magic
    rest = x - (shifted - form.magic)
    r = fma(rest, form.ln2[0], rest * form.ln2[1])
    return scale_by_power(fma(r * r, _EXPM1_TAIL(r), r) + 1, shifted)


@intrinsic()
def expm1(x: Any) -> Any:
    """e**x - 1, to full relative accuracy; float32 1.7 ulp, float64 2.0 ulp."""
    return select(fabs(x) < _TINY, x, copysign(_half_expm1(x) * 2, x))


@intrinsic()
def sinh(x: Any) -> Any:
    """Hyperbolic sine; float32 2.3 ulp, float64 2.5 ulp."""
    kind = x.dtype.type
    half = _half_expm1(fabs(x))
    rest = select(half < kind(1e30), half / (half * 2 + 1), kind(0.5))
    return select(fabs(x) < _TINY, x, copysign(half + rest, x))


@intrinsic()
def cosh(x: Any) -> Any:
    """Hyperbolic cosine; float32 1.6 ulp, float64 1.6 ulp."""
    half = _exp(fabs(x), 0.5)
    return half + 0.25 / half


@intrinsic()
def sigmoid(x: Any) -> Any:
    """1 / (1 + e**-x), subnormals included; float32 2.6 ulp, float64 2.4 ulp.

    With e**-x = 2**n m this is 2**-n / (2**-n + m), in which nothing overflows.
    """
    form = format_of(x)
    x = clamp(-x, -60.0, 104.0) if x.dtype == FLOAT32 else clamp(-x, -60.0, 746.0)
    shifted, _, tail = _reduce(x)
    lift = form.mantissa + 1  # 2**-n may be subnormal, 2**(lift - n) is not
    lifted = form.one_bits + (lift << form.mantissa) - (to_bits(shifted) << form.mantissa)
    power = from_bits(lifted) * 2.0**-lift
    return power / (power + (tail + 1))


@intrinsic()
def tanh(x: Any) -> Any:
    """Hyperbolic tangent; float32 2.6 ulp, float64 2.8 ulp."""
    kind = x.dtype.type
    twice = fabs(x) * -2
    shifted, _, tail = _reduce(select(twice < kind(-60.0), kind(-60.0), twice))
    scale = power_of_two(shifted)
    gap = fma(-scale, tail, 1 - scale)  # 1 - e**(-2 |x|)
    return signed(gap / (2 - gap), x)


# (erf(x) - x) / x as a polynomial in -x**2 below the joint; above, erf is 1 - R exp(-x**2) with
# R = erfc(x) exp(x**2) a polynomial in x, fitted where that product counts. The exponential is the
# one that the derivative needs, computed alike, so that a kernel with both computes it once.
_ERF_JOINT = 0.9277
_ERF_NEAR = Coefficients(
    (
        0.0005907961167395115,
        0.004976832773536444,
        0.0267554372549057,
        0.11281507462263107,
        0.37612465023994446,
        0.12837915122509003,
    ),
    (
        9.914346243064338e-09,
        1.5405728249835724e-07,
        1.6351665737445477e-06,
        1.4917637903590847e-05,
        0.00012054956483594248,
        0.0008548315601625329,
        0.005223977408569923,
        0.026866170621026697,
        0.11283791670817264,
        0.3761263890318067,
        0.12837916709551245,
    ),
)
_ERF_FAR = Coefficients(
    (
        -0.00045475675784028413,
        0.0020472744551927246,
        -0.005332213049811835,
        0.01332036540517525,
        -0.03289182785694733,
        0.07616022536264382,
        -0.16362430527203548,
        0.32158522089504954,
    ),
    (
        1.5284452768994291e-12,
        -3.419781868401259e-11,
        3.5537719058014624e-10,
        -2.3351558396272113e-09,
        1.1335201494328026e-08,
        -4.574960273169258e-08,
        1.684950406034229e-07,
        -5.971812294701667e-07,
        2.0670204442680545e-06,
        -6.974352141764651e-06,
        2.286404277476727e-05,
        -7.26590847602724e-05,
        0.0002233100514759581,
        -0.0006619300445171712,
        0.0018861348584961472,
        -0.005145957549844157,
        0.013377340954517718,
        -0.0329309052994574,
        0.07615103985543747,
        -0.16362291773256224,
        0.32158541645431765,
    ),
)


@intrinsic()
def erf(x: Any) -> Any:
    """Error function; float32 1.2 ulp, float64 1.7 ulp."""
    kind = x.dtype.type
    size = fabs(x)
    minus = -(x * x)
    near = fma(x, _ERF_NEAR(minus), x)
    shifted, _, tail = _reduce(_bounded(minus))
    power = (tail + 1) * power_of_two(shifted)
    one = kind(4.0 if x.dtype == FLOAT32 else 6.0)
    far = signed(select(size > one, kind(1), fma(-power, _ERF_FAR(size - 1.5), kind(1))), x)
    return select(size < kind(_ERF_JOINT), near, far)
