"""Elementwise functions of analysis beyond the everyday ones: angles, hyperbolas, erf's kin."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from tinytorch.ir.op import Op, elementwise
from tinytorch.ir.ops.elementwise import exp, quiet, rsqrt, where_handle

_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_LN2, _LN10 = math.log(2.0), math.log(10.0)
_vector_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _inverse_erf(x: float) -> float:
    """Inverse of erf: the normal quantile, then two steps of Newton's method."""
    size = abs(x)
    if not size < 1:
        return math.copysign(math.inf, x) if size == 1 else math.nan
    y = -NormalDist().inv_cdf((1 - size) / 2) / math.sqrt(2)
    for _ in range(2):
        excess = math.erf(y) - size if size < 0.5 else (1 - size) - math.erfc(y)
        y -= excess / (_TWO_OVER_SQRT_PI * math.exp(-y * y))
    return math.copysign(y, x)


_vector_erfinv = np.vectorize(_inverse_erf, otypes=[np.float64])

# ---------------------------------------------------------------------- angles

tan = elementwise(
    "tan", "Tangent.", expr="tan({0})", eager=quiet(np.tan), floating=True, costly=14,
    partials=(lambda y, x: 1 + y * y,),
)  # fmt: skip
asin = elementwise(
    "asin", "Inverse sine; NaN outside [-1, 1].", expr="asin({0})", eager=quiet(np.arcsin),
    floating=True, costly=12, partials=(lambda y, x: rsqrt(1 - x * x),),
)  # fmt: skip
acos = elementwise(
    "acos", "Inverse cosine; NaN outside [-1, 1].", expr="acos({0})", eager=quiet(np.arccos),
    floating=True, costly=12, partials=(lambda y, x: -rsqrt(1 - x * x),),
)  # fmt: skip
atan = elementwise(
    "atan", "Inverse tangent.", expr="atan({0})", eager=np.arctan, floating=True, costly=12,
    partials=(lambda y, x: 1 / (x * x + 1),),
)  # fmt: skip
atan2 = elementwise(
    "atan2", "Angle of the point (second, first) of the plane.", expr="atan2({0}, {1})",
    eager=np.arctan2, floating=True, costly=14,
    partials=(lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b)),
)  # fmt: skip

# ------------------------------------------------------------------ hyperbolas

sinh: Op = elementwise(
    "sinh", "Hyperbolic sine.", expr="sinh({0})", eager=quiet(np.sinh), floating=True, costly=12,
    partials=(lambda y, x: cosh(x),),
)  # fmt: skip
cosh: Op = elementwise(
    "cosh", "Hyperbolic cosine.", expr="cosh({0})", eager=quiet(np.cosh), floating=True,
    costly=12, partials=(lambda y, x: sinh(x),),
)  # fmt: skip
asinh = elementwise(
    "asinh", "Inverse hyperbolic sine.", expr="asinh({0})", eager=quiet(np.arcsinh),
    floating=True, costly=20, partials=(lambda y, x: rsqrt(x * x + 1),),
)  # fmt: skip
acosh = elementwise(
    "acosh", "Inverse hyperbolic cosine; NaN below 1.", expr="acosh({0})",
    eager=quiet(np.arccosh), floating=True, costly=20, partials=(lambda y, x: rsqrt(x * x - 1),),
)  # fmt: skip
atanh = elementwise(
    "atanh", "Inverse hyperbolic tangent; NaN outside [-1, 1].", expr="atanh({0})",
    eager=quiet(np.arctanh), floating=True, costly=14, partials=(lambda y, x: 1 / (1 - x * x),),
)  # fmt: skip
hypot = elementwise(
    "hypot", "Length of the hypotenuse, without overflow inside.", expr="hypot({0}, {1})",
    eager=quiet(np.hypot), floating=True, commutative=True, costly=8,
    partials=(lambda y, a, b: a / y, lambda y, a, b: b / y),
)  # fmt: skip

# ----------------------------------------------------- powers and logarithms

exp2 = elementwise(
    "exp2", "2 to the power x.", expr="exp2({0})", eager=quiet(np.exp2), floating=True, costly=10,
    partials=(lambda y, x: y * _LN2,),
)  # fmt: skip
log2 = elementwise(
    "log2", "Logarithm to base 2.", expr="log2({0})", eager=quiet(np.log2), floating=True,
    costly=12, partials=(lambda y, x: 1 / (x * _LN2),),
)  # fmt: skip
log10 = elementwise(
    "log10", "Logarithm to base 10.", expr="log10({0})", eager=quiet(np.log10), floating=True,
    costly=12, partials=(lambda y, x: 1 / (x * _LN10),),
)  # fmt: skip

# -------------------------------------------------------------- error function

erfc = elementwise(
    "erfc", "1 - erf(x), accurate where it is small.", expr="erfc({0})", floating=True, costly=30,
    eager=lambda x: _vector_erfc(x).astype(x.dtype) if x.size else x.copy(),
    partials=(lambda y, x: -_TWO_OVER_SQRT_PI * exp(-(x * x)),),
)  # fmt: skip
erfinv = elementwise(
    "erfinv", "Inverse of erf; NaN outside [-1, 1].", expr="erfinv({0})", floating=True, costly=40,
    eager=lambda x: _vector_erfinv(x).astype(x.dtype) if x.size else x.copy(),
    partials=(lambda y, x: exp(y * y) / _TWO_OVER_SQRT_PI,),
)  # fmt: skip

# ------------------------------------------------------------------------ sign

copysign = elementwise(
    "copysign", "The first operand's magnitude with the second's sign.",
    expr="copysign({0}, {1})", eager=np.copysign, floating=True,
    partials=(lambda y, a, b: where_handle(a == 0, 0.0, y / a, like=y), None),
)  # fmt: skip

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "copysign", "cosh",
    "erfc", "erfinv", "exp2", "hypot", "log10", "log2", "sinh", "tan",
]  # fmt: skip
