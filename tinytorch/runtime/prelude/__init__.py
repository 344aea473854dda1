"""Scalar mathematics of generated code, written once in plain Python on numpy numbers.

Every intrinsic runs on numpy scalars and arrays as it stands; ``runtime/intrinsics.py`` turns the
same functions into machine code. See ``prelude/primitive.py`` for how.
"""

from __future__ import annotations

from tinytorch.runtime.prelude.arithmetic import (
    absolute,
    ceil,
    copysign,
    fabs,
    floor,
    floor_divide,
    fma,
    fmod,
    isfinite,
    isinf,
    isnan,
    max_step,
    maximum,
    min_step,
    minimum,
    relu,
    remainder,
    round,
    round_even,
    rsqrt,
    select,
    shift_left,
    shift_right,
    sign,
    sqrt,
    sum_step,
    trunc,
)
from tinytorch.runtime.prelude.error_function import erfc, erfinv
from tinytorch.runtime.prelude.exponential import cosh, erf, exp, exp2, expm1, sigmoid, sinh, tanh
from tinytorch.runtime.prelude.half import float_to_half, half_to_float
from tinytorch.runtime.prelude.hyperbolic import acosh, asinh, atanh, hypot
from tinytorch.runtime.prelude.intrinsic import INTRINSICS, Intrinsic
from tinytorch.runtime.prelude.logarithm import log, log1p, log2, log10
from tinytorch.runtime.prelude.power import pow
from tinytorch.runtime.prelude.random import random_bits
from tinytorch.runtime.prelude.trigonometric import acos, asin, atan, atan2, cos, sin, tan

__all__ = [
    "INTRINSICS",
    "Intrinsic",
    "absolute",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "float_to_half",
    "floor",
    "floor_divide",
    "fma",
    "fmod",
    "half_to_float",
    "hypot",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log10",
    "log2",
    "max_step",
    "maximum",
    "min_step",
    "minimum",
    "pow",
    "random_bits",
    "relu",
    "remainder",
    "round",
    "round_even",
    "rsqrt",
    "select",
    "shift_left",
    "shift_right",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "sum_step",
    "tan",
    "tanh",
    "trunc",
]
