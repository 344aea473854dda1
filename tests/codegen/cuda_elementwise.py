"""Cases of elementwise kernels: every function, dtype and view; importing fills the table."""

from __future__ import annotations

import numpy as np
from cuda_case import Builder, Case, case

from tinytorch.ir import ops
from tinytorch.ir.storage import stored
from tinytorch.ir.types import BY_NAME, bfloat16, bool_, float32, int32, int64, uint8


@case
def elementwise_flat() -> Case:
    b = Builder()
    x, y = b.normal(700), b.normal(700)
    return b.case(ops.relu(x * y + 0.5) - ops.sigmoid(x))


@case
def every_float_function() -> Case:
    b = Builder()
    x, y = b.normal(3, 5), b.normal(3, 5)
    p = abs(x) + 0.5
    return b.case(
        ops.exp(x), ops.expm1(x), ops.log(p), ops.log1p(p), ops.sqrt(p), ops.rsqrt(p), ops.sin(x),
        ops.cos(x), ops.tanh(x), ops.sigmoid(x), ops.erf(x), ops.floor(x * 4.0), ops.ceil(x * 4.0),
        ops.trunc(x * 4.0), ops.round_(x * 4.0), ops.sign(x), ops.abs_(x), ops.maximum(x, y),
        ops.minimum(x, y), ops.pow_(p, y), ops.remainder(x, y), ops.floor_divide(x, y),
        ops.where(x > y, x, y), -x, tolerance=1e-5,
    )  # fmt: skip


@case
def every_function_of_analysis() -> Case:
    b = Builder()
    x, y = b.normal(3, 5), b.normal(3, 5)
    p, inside = abs(x) + 1.5, ops.tanh(x) * 0.95
    return b.case(
        ops.tan(inside), ops.asin(inside), ops.acos(inside), ops.atan(x), ops.atan2(x, y),
        ops.sinh(x), ops.cosh(x), ops.asinh(x), ops.acosh(p), ops.atanh(inside), ops.hypot(x, y),
        ops.exp2(x), ops.log2(p), ops.log10(p), ops.erfc(x), ops.erfinv(inside),
        ops.copysign(x, y), ops.fmod(x, y), tolerance=1e-5,
    )  # fmt: skip


@case
def every_integer_function() -> Case:
    b = Builder()
    x = b.give(np.array([7, -7, 7, -7, 0, 5], np.int64))
    y = b.give(np.array([2, 2, -2, -2, 3, 0], np.int64))
    return b.case(
        ops.floor_divide(x, y), ops.remainder(x, y), ops.maximum(x, y), ops.minimum(x, y),
        ops.sign(x), ops.relu(x), ops.abs_(x), x * y, x - y, ops.bitwise_and(x, y),
        ops.bitwise_xor(x, y), ops.bitwise_not(x), x == y, ops.cast(x, dtype=float32),
        ops.shift_left(x, y), ops.shift_right(x, y), ops.fmod(x, y), ops.pow_(x, y),
    )  # fmt: skip


@case
def small_integers_wrap() -> Case:
    b = Builder()
    x = b.give(np.array([120, -100, 7, 100], np.int8))
    y = b.give(np.array([100, -100, 1, 2**31 - 1], np.int32))
    return b.case(x + x, (y + y) > y, ops.sum_(y, axes=(0,)), ops.cast(y, dtype=int64))


@case
def nan_and_infinity() -> Case:
    b = Builder()
    x = b.give(np.array([[np.nan, 1, -np.inf], [2, np.inf, -1]], np.float32))
    y = b.give(np.array([[0, np.nan, 3], [2, 5, np.nan]], np.float32))
    return b.case(
        ops.maximum(x, y), ops.minimum(x, y), ops.relu(x), ops.max_(x, axes=(1,)),
        ops.min_(y, axes=(0,)), ops.argmax(x, axes=(1,)), ops.isnan(x), ops.max_(y, axes=(0, 1)),
    )  # fmt: skip


@case
def half_precision() -> Case:
    b = Builder()
    x, y = b.normal(4, 40, dtype="float16"), b.normal(40, dtype="float16")
    return b.case(x * y, ops.sum_(x, axes=(1,)), ops.cast(x, dtype=float32), tolerance=4e-3)


@case
def brain_floats() -> Case:
    b = Builder()
    x, y = (ops.cast(b.normal(*s), dtype=bfloat16) for s in ((4, 40), (40,)))
    z = b.give(stored(np.array([1.5, np.nan, np.inf, -np.inf, 3.3e38, -0.0, 1e-40]), bfloat16))
    return b.case(
        x * y, ops.sum_(x, axes=(1,)), ops.max_(x, axes=(0,)), ops.exp(z), z + z,
        ops.cast(x, dtype=float32), tolerance=1e-6,
    )  # fmt: skip


@case
def floats_to_integers() -> Case:
    b = Builder()
    x = b.give(np.array([1.9, -1.9, 300.7, -1.0, np.nan, np.inf, -np.inf, 3e9, 1e19], np.float32))
    return b.case(*(ops.cast(x, dtype=d) for d in (int64, int32, BY_NAME["int8"], uint8)))


@case
def double_precision() -> Case:
    b = Builder()
    x = b.normal(4, 40, dtype="float64")
    return b.case(ops.exp(x) / 3.0, ops.sum_(x, axes=(0, 1)), tolerance=1e-13)


@case
def bools() -> Case:
    b = Builder()
    x, y = b.normal(4, 40), b.normal(4, 40)
    p, q = x > 0, y > 0
    return b.case(
        ops.bitwise_and(p, q), ops.bitwise_or(p, q), ops.logical_not(p), ops.cast(x, dtype=bool_),
        ops.cast(p, dtype=float32), ops.max_(p, axes=(1,)), ops.min_(p, axes=(0,)),
    )  # fmt: skip


@case
def broadcast_rows() -> Case:
    b = Builder()
    x, row, column = b.normal(6, 40), b.normal(40), b.normal(6, 1)
    return b.case(x * row + column)


@case
def guarded_views() -> Case:
    b = Builder()
    x, y = b.normal(3, 5), b.normal(2, 5)
    padded = ops.pad(x, low=(1, 0), high=(0, 2))
    joined = ops.cat(x, y, axis=0)
    return b.case(padded * 2.0, joined + 1.0, ops.permute(x, order=(1, 0)) * 3.0)
