"""Inverse hyperbolic functions and the hypotenuse, for float32 and float64, without branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.floating import format_of
from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.logarithm import log, log1p
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

_HUGE = 2.0**28
"""Above this, asinh(x) and acosh(x) are log(2 x) in both formats."""


@intrinsic()
def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine; float32 2.4 ulp, float64 2.4 ulp."""
    size = fabs(x)
    kind = x.dtype.type
    huge = size > _HUGE
    small = select(huge, kind(1), size)
    near = log1p(small + small * small / (sqrt(fma(small, small, kind(1))) + 1))
    far = log(select(huge, size, kind(1))) + format_of(x).ln2[0]
    value = select(huge, far, near)
    return copysign(select(size == size, value, x), x)


@intrinsic()
def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine, NaN below 1; float32 2.4 ulp, float64 2.4 ulp."""
    kind = x.dtype.type
    huge = x > _HUGE
    t = select(huge, kind(1), x) - 1
    near = log1p(t + sqrt(fma(t, t, t * 2)))
    far = log(select(huge, x, kind(1))) + format_of(x).ln2[0]
    return select(x < 1, kind(np.nan), select(huge, far, near))


@intrinsic()
def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent, NaN outside [-1, 1]; float32 2.1 ulp, float64 2.1 ulp."""
    size = fabs(x)
    return copysign(log1p(size * 2 / (1 - size)) * 0.5, x)


@intrinsic()
def hypot(a: Any, b: Any) -> Any:
    """sqrt(a**2 + b**2) without overflow, inf beside NaN; float32 0.6 ulp, float64 1.1 ulp."""
    kind = a.dtype.type
    left, right = fabs(a), fabs(b)
    infinite = (left == np.inf) | (right == np.inf)
    if a.dtype == FLOAT32:
        wide, other = convert(left, FLOAT64), convert(right, FLOAT64)
        value = convert(sqrt(fma(wide, wide, other * other)), FLOAT32)
    else:
        large = (left > 2.0**500) | (right > 2.0**500)
        small = (left < 2.0**-500) & (right < 2.0**-500)
        down = select(large, kind(2.0**-600), select(small, kind(2.0**600), kind(1)))
        up = select(large, kind(2.0**600), select(small, kind(2.0**-600), kind(1)))
        left, right = left * down, right * down
        value = sqrt(fma(left, left, right * right)) * up
    return select(infinite, kind(np.inf), value)
