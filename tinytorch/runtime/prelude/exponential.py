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
)
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import FLOAT32, copysign, fabs, fma, select

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


def _exp(x: Any, factor: float = 1.0) -> Any:
    """Return factor * e**x for a factor of 1 or 1/2; only the product may overflow."""
    x = clamp(x, -104.0, 90.0) if x.dtype == FLOAT32 else clamp(x, -746.0, 711.0)
    _, n, tail = _reduce(x)
    return scale_by_power((tail + 1) * factor, n)


def _exp_of_negative(x: Any) -> Any:
    """e**x for x <= 0 where a result below the least normal number may become zero."""
    x = clamp(x, -87.0, 0.0) if x.dtype == FLOAT32 else clamp(x, -708.0, 0.0)
    shifted, _, tail = _reduce(x)
    return (tail + 1) * power_of_two(shifted)


def _expm1_of_negative(x: Any) -> Any:
    """e**x - 1 for x <= 0, to full relative accuracy; the sign of zero is not kept."""
    shifted, _, tail = _reduce(clamp(x, -60.0, 0.0))
    scale = power_of_two(shifted)
    return fma(scale, tail, scale - 1)


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
    n = (x + form.magic) - form.magic
    rest = x - n
    r = fma(rest, form.ln2[0], rest * form.ln2[1])
    return scale_by_power(fma(r * r, _EXPM1_TAIL(r), r) + 1, n)


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
    """1 / (1 + e**-x), subnormals included; float32 2.5 ulp, float64 2.4 ulp."""
    power = _exp(-fabs(x))
    return select(x < 0, power, x.dtype.type(1)) / (power + 1)


@intrinsic()
def tanh(x: Any) -> Any:
    """Hyperbolic tangent; float32 2.6 ulp, float64 2.8 ulp."""
    power = _expm1_of_negative(fabs(x) * -2)
    return copysign(power / (power + 2), x)


# (erf(x) - x) / x as a polynomial in x**2 below, (ln(erfc(x)) + x) / x above the joint, after
# N. Juffa's single-precision scheme; the joint is where both are equally short.
_ERF_JOINT = 0.9277
_ERF_NEAR = Coefficients(
    (
        -0.0005907961167395115,
        0.004976832773536444,
        -0.0267554372549057,
        0.11281507462263107,
        -0.37612465023994446,
        0.12837915122509003,
    ),
    (
        9.914346243064338e-09,
        -1.5405728249835724e-07,
        1.6351665737445477e-06,
        -1.4917637903590847e-05,
        0.00012054956483594248,
        -0.0008548315601625329,
        0.005223977408569923,
        -0.026866170621026697,
        0.11283791670817264,
        -0.3761263890318067,
        0.12837916709551245,
    ),
)
_ERF_FAR = Coefficients(
    (
        -1.1231058124394622e-05,
        0.00032280106097459793,
        -0.003642446594312787,
        0.023762034252285957,
        -0.10623684525489807,
        -0.6351513266563416,
        -0.12864848971366882,
    ),
    (
        1.702499816466373e-12,
        -7.470374438841185e-11,
        1.5353473932505731e-09,
        -1.9630051205880693e-08,
        1.7468493906480082e-07,
        -1.1444907406692472e-06,
        5.671387351217586e-06,
        -2.1306191819705813e-05,
        5.853483730194169e-05,
        -0.00010062924597123996,
        9.323607893718744e-06,
        0.0005640381253253141,
        -0.0016821497369825444,
        0.00020423115540989627,
        0.019129229025018346,
        -0.10277243444868467,
        -0.6366198793922745,
        -0.12837915108230938,
    ),
)


@intrinsic()
def erf(x: Any) -> Any:
    """Error function; float32 1.1 ulp, float64 1.7 ulp."""
    size = fabs(x)
    size = select(size > 6.0, x.dtype.type(6.0), size)
    near = fma(x, _ERF_NEAR(x * x), x)
    far = 1 - _exp_of_negative(fma(size, _ERF_FAR(size), -size))
    return copysign(select(size < x.dtype.type(_ERF_JOINT), near, far), x)
