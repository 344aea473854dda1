"""log and its kin, for float32 and float64, without branches or tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.floating import (
    Coefficients,
    float_of_small,
    format_of,
    two_product,
    two_sum,
)
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    FLOAT64,
    copysign,
    fma,
    from_bits,
    select,
    to_bits,
)

# (ln(1 + f) / s - 2) / s**2 as a polynomial in s**2, for s = f / (2 + f) and 1 + f between
# sqrt(1/2) and sqrt(2): coefficients Lg1.. of fdlibm's e_log.c and FreeBSD's e_logf.c.
_LOG_TAIL = Coefficients(
    (
        float.fromhex("0xf89e26p-26"),
        float.fromhex("0x91e9eep-25"),
        float.fromhex("0xccce13p-25"),
        float.fromhex("0xaaaaaap-24"),
    ),
    (
        1.479819860511658591e-01,
        1.531383769920937332e-01,
        1.818357216161805012e-01,
        2.222219843214978396e-01,
        2.857142874366239149e-01,
        3.999999999940941908e-01,
        6.666666666666735130e-01,
    ),
)


def split(x: Any) -> tuple[Any, Any]:
    """Return m and the float k with x = m * 2**k and sqrt(1/2) <= m < sqrt(2), for x > 0."""
    form = format_of(x)
    kind = x.dtype.type
    tiny = x < np.finfo(x.dtype).tiny
    lift = form.mantissa + 2
    bits = to_bits(select(tiny, x * kind(2.0**lift), x))
    root = int(to_bits(np.sqrt(kind(0.5))))
    bits = bits + (form.one_bits - root)
    mantissa = (bits & ((1 << form.mantissa) - 1)) + root
    exponent = float_of_small(bits >> form.mantissa, x) - form.bias
    return from_bits(mantissa), select(tiny, exponent - lift, exponent)


def _special(x: Any, value: Any) -> Any:
    """Put in what a logarithm is at infinity, at zero and below; NaN stays in ``value``."""
    kind = x.dtype.type
    value = select(x == kind(np.inf), x, value)
    value = select(x < 0, kind(np.nan), value)
    value = select(x == 0, kind(-np.inf), value)
    return select(x != x, x, value)


def _series(f: Any) -> tuple[Any, Any, Any]:
    """Return s, tail and square: ln(1 + f) = f - (square - s * (square + tail))."""
    s = f / (f + 2)
    z = s * s
    return s, z * _LOG_TAIL(z), f * f * 0.5


@intrinsic()
def log(x: Any) -> Any:
    """Natural logarithm; float32 0.9 ulp, float64 0.9 ulp."""
    ln2, ln2_low = format_of(x).ln2
    m, k = split(x)
    f = m - 1
    s, tail, square = _series(f)
    low = fma(s, square + tail, k * ln2_low)
    return _special(x, fma(k, ln2, f - (square - low)))


@intrinsic()
def log1p(x: Any) -> Any:
    """ln(1 + x), to full relative accuracy; float32 0.9 ulp, float64 0.9 ulp."""
    ln2, ln2_low = format_of(x).ln2
    total, lost = two_sum(x, x.dtype.type(1))
    m, k = split(total)
    f = m - 1
    s, tail, square = _series(f)
    low = fma(s, square + tail, fma(k, ln2_low, lost / total))
    return copysign(_special(total, fma(k, ln2, f - (square - low))), x)


@intrinsic()
def log2(x: Any) -> Any:
    """Logarithm to base 2, exact for powers of 2; float32 1.1 ulp, float64 1.1 ulp."""
    form = format_of(x)
    m, k = split(x)
    f = m - 1
    s, tail, square = _series(f)
    low = fma(s, square + tail, -square)
    product, error = two_product(f, form.log2e)
    error = fma(low, form.log2e, fma(f, form.log2e_low, error))
    total, lost = two_sum(k, product)
    return _special(x, total + (lost + error))


# log10(2) in two parts, the first so short that its product with any exponent is exact.
_LOG10_2 = {
    FLOAT32: (
        np.float32(float.fromhex("0x1.344p-2")), np.float32(float.fromhex("0x1.3509f8p-18"))
    ),
    FLOAT64: (
        np.float64(float.fromhex("0x1.34413509f78p-2")),
        np.float64(float.fromhex("0x1.fef311f12b358p-46")),
    ),
}  # fmt: skip
_LOG10_E = {
    FLOAT32: (
        np.float32(float.fromhex("0x1.bcb7b2p-2")), np.float32(float.fromhex("-0x1.5b235ep-27"))
    ),
    FLOAT64: (
        np.float64(float.fromhex("0x1.bcb7b1526e50ep-2")),
        np.float64(float.fromhex("0x1.95355baaafad3p-57")),
    ),
}  # fmt: skip


@intrinsic()
def log10(x: Any) -> Any:
    """Logarithm to base 10; float32 1.1 ulp, float64 1.1 ulp."""
    two, two_low = _LOG10_2[x.dtype]
    e, e_low = _LOG10_E[x.dtype]
    m, k = split(x)
    f = m - 1
    s, tail, square = _series(f)
    low = fma(s, square + tail, -square)
    product, error = two_product(f, e)
    error = fma(low, e, fma(f, e_low, error))
    total, lost = two_sum(k * two, product)
    return _special(x, total + (lost + fma(k, two_low, error)))
