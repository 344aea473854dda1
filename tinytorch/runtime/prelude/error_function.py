"""erfc and the inverse of erf, for float32 and float64, without branches or tables.

float32 is computed in float64 throughout. Coefficients are Chebyshev fits made for this file in 40
digits; the form of erfc is N. Juffa's (a polynomial in (x - 4) / (x + 4)), the split of erfinv by
-log(1 - x**2) is M. Giles's ("Approximating the erfinv function", GPU Computing Gems 2, 2011).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.runtime.prelude.exponential import erf, exp
from tinytorch.runtime.prelude.floating import Coefficients, two_product
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.logarithm import log
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    FLOAT64,
    convert,
    copysign,
    fabs,
    fma,
    select,
    sqrt,
)

# (1 + 2 x) exp(x**2) erfc(x) as a polynomial in (x - 4) / (x + 4), from 0.45 to 10.1 and 27.5
_SCALED_SHORT = Coefficients(
    (),
    (
        0.00015280807707532157, 0.005545961041351018, -0.016487139912664303,
        0.03690752800466135, -0.06630904709276311, 0.09377476082817693, -0.10103833736995473,
        0.0680944897363607, 0.015379579429642123, -0.13962107297438983, 1.2329951190353103,
    ),
)  # fmt: skip
_SCALED_LONG = Coefficients(
    (),
    (
        -1.0824527997415426e-08, -1.2372038259977929e-08, 1.0669165101320981e-07,
        6.742273871539876e-08, -8.238216154969435e-07, 2.9910372049916553e-07,
        5.7095253960499575e-06, -1.1224446301390296e-05, -2.439936279047166e-05,
        0.00015062238670022788, -0.00019925661053402216, -0.0007577734233303818,
        0.0050319699580671584, -0.0161977340418571, 0.03716751553999041,
        -0.06633036581331636, 0.09373283499818565, -0.10103906603626563, 0.06809705425469745,
        0.015379652102619214, -0.13962111684056255, 1.2329951186255526,
    ),
)  # fmt: skip
# erfinv(x) / x as a polynomial in w = -log(1 - x**2) below w = 5, in sqrt(w) above: for float32,
# and the start of an iteration for float64.
_CENTRE_SHORT = Coefficients(
    (),
    (
        4.671932509046838e-10, -2.0418841975448414e-08, 3.440101487645357e-07,
        -2.6965334657587726e-06, 6.53143079921133e-06, 3.898163736841188e-05,
        -0.00012002570136584748, -0.0023400270757833234, 0.011550900732630575,
        0.23201347310748227, 0.8862269294433731,
    ),
)  # fmt: skip
_TAIL_SHORT = Coefficients(
    (),
    (
        0.0001115385807799795, -0.003317066732233558, 0.04342064254799395, -0.3274224742410859,
        1.5605443381346054, -4.840268935589567, 9.645682331538593, -11.605066889352418,
        8.182827807559097, -1.5559185330013516,
    ),
)  # fmt: skip
_TAIL_START = Coefficients(
    (),
    (
        1.5924086555934602e-05, -0.0005883337654503599, 0.009445117586853681,
        -0.08610248974037599, 0.48794759865577614, -1.7631373459099509, 3.977571942317118,
        -4.1331677054307185, 2.7349095423905907,
    ),
)  # fmt: skip
_JOINT = 0.477  # erf is about a half here
_SLOPE = 2 / math.sqrt(math.pi)


def _tail(size: Any, scaled: Coefficients, most: float) -> Any:
    """erfc of float64 between the joint and ``most``, where it has become zero."""
    size = select(size > most, np.float64(most), size)
    square, error = two_product(size, size)
    ratio = scaled((size - 4) / (size + 4)) / fma(size, np.float64(2), np.float64(1))
    return exp(-square) * fma(-ratio, error, ratio)


@intrinsic()
def erfc(x: Any) -> Any:
    """1 - erf(x), to full relative accuracy; float32 0.6 ulp, float64 3.6 ulp."""
    narrow = x.dtype == FLOAT32
    wide = convert(x, FLOAT64)
    size = fabs(wide)
    near = 1 - erf(wide)
    far = _tail(size, _SCALED_SHORT if narrow else _SCALED_LONG, 10.2 if narrow else 27.3)
    value = select(size < _JOINT, near, select(wide < 0, 2 - far, far))
    value = select(size == size, value, wide)
    return convert(value, FLOAT32) if narrow else value


def _start(size: Any, tail: Coefficients) -> Any:
    """erfinv of 0 <= size < 1 in float64, to the accuracy of the short polynomials."""
    w = -log((1 - size) * (1 + size))
    return size * select(w < 5.0, _CENTRE_SHORT(w), tail(sqrt(select(w < 5.0, w * 0 + 5, w))))


def _closer(y: Any, size: Any) -> Any:
    """One step of Halley's method towards erf(y) = size."""
    excess = select(size > 0.5, (1 - size) - erfc(y), erf(y) - size)
    step = excess * exp(y * y) * (1 / _SLOPE)
    return y - step / fma(y, step, np.float64(1))


@intrinsic()
def erfinv(x: Any) -> Any:
    """Inverse of erf, NaN outside [-1, 1]; float32 0.7 ulp, float64 3.3 ulp."""
    wide = convert(x, FLOAT64)
    size = fabs(wide)
    inside = size < 1
    bounded = select(inside, size, np.float64(0))
    if x.dtype == FLOAT32:
        value = _start(bounded, _TAIL_SHORT)
    else:
        value = _closer(_closer(_start(bounded, _TAIL_START), bounded), bounded)
    outside = select(size == 1, np.float64(np.inf), np.float64(np.nan))
    value = copysign(select(inside, value, outside), wide)
    return convert(value, FLOAT32) if x.dtype == FLOAT32 else value
