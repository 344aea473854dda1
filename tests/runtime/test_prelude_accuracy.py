"""Errors of the prelude's functions in ulp, on samples of the whole range."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tinytorch.runtime import prelude

Array = np.ndarray[Any, Any]
WIDE = {np.float32: np.float64, np.float64: np.longdouble}
NUMPY_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip

ONE = (
    "exp exp2 expm1 sigmoid tanh sinh cosh erf erfc erfinv log log1p log2 log10 sin cos tan asin "
    "acos atan asinh acosh atanh rsqrt"
)
TWO = "pow atan2 hypot"


def stated_bound(name: str, dtype: type[np.floating[Any]]) -> float:
    """The bound that a function's docstring states."""
    found = re.search(rf"{dtype.__name__} ([\d.]+) ulp", getattr(prelude, name).__doc__)
    assert found, f"the docstring of {name} states no bound"
    return float(found[1])


def reference(name: str, *operands: Array) -> Array:
    """A function's value in a format with at least 11 more bits."""
    if name == "sigmoid":
        (x,) = operands
        return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    if name == "rsqrt":
        return 1 / np.sqrt(operands[0])
    if name == "erf":
        return erf_by_series(operands[0])
    if name == "erfc":
        return erfc_by_fraction(operands[0])
    if name == "erfinv":
        return erfinv_by_newton(operands[0])
    function: Callable[..., Array] = getattr(np, NUMPY_NAMES.get(name, name))
    return function(*operands)


def erf_by_series(x: Array) -> Array:
    """2/sqrt(pi) x exp(-x**2) sum (2 x**2)**n / (2n + 1)!!, whose terms are all positive."""
    x = np.clip(x, -7, 7)
    term = total = np.ones_like(x)
    for n in range(1, 260):
        term = term * (2 * x * x) / (2 * n + 1)
        total = total + term
    return 2 / np.sqrt(np.arctan(x.dtype.type(1)) * 4) * x * np.exp(-x * x) * total


def erfc_by_fraction(x: Array) -> Array:
    """exp(-x**2) / sqrt(pi) times a continued fraction (Laplace) from 1 on, else 1 - erf(x)."""
    size = np.maximum(np.abs(x), 1)
    fraction = size
    for n in range(600, 0, -1):
        fraction = size + (n * x.dtype.type(0.5)) / fraction
    root = np.sqrt(np.arctan(x.dtype.type(1)) * 4)
    far = np.exp(-size * size) / (root * fraction)
    return np.where(np.abs(x) < 1, 1 - erf_by_series(x), np.where(x < 0, 2 - far, far)) + x * 0


def erfinv_by_newton(x: Array) -> Array:
    """Newton's iteration on erf where x is below a half, on the logarithm of erfc above."""
    size = np.abs(x)
    y = np.where(size < 0.5, size, np.sqrt(np.maximum(-np.log(1 - np.minimum(size, 1)), 0.1)))
    slope = 2 / np.sqrt(np.arctan(x.dtype.type(1)) * 4)
    for _ in range(12):
        e, c = erf_by_series(y), erfc_by_fraction(y)
        near = (e - size) / (slope * np.exp(-y * y))
        far = (np.log(1 - size) - np.log(c)) * c / (slope * np.exp(-y * y))
        y = y - np.where(size < 0.5, near, far)
    y = np.where(size == 1, np.inf, np.where(size > 1, np.nan, y))
    return np.copysign(y, x)


def ulps(got: Array, exact: Array) -> Array:
    """Distance in units of the last place of the rounded exact value; inf for a wrong special."""
    rounded = exact.astype(got.dtype)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    distance = np.abs(got.astype(exact.dtype) - exact) / np.spacing(np.abs(rounded))
    finite = np.isfinite(got) & np.isfinite(rounded)
    return np.where(finite, distance, np.where(same, 0, np.inf)).astype(np.float64)


def samples(dtype: type[np.floating[Any]], count: int) -> Array:
    """Random bit patterns, so that every exponent occurs, and ordinary numbers."""
    rng = np.random.default_rng(7)
    bits = np.uint32 if dtype is np.float32 else np.uint64
    patterns = rng.integers(0, 2 ** (8 * bits().itemsize), count, dtype=bits).view(dtype)
    near_one = 1 + rng.normal(size=count // 4) * 1e-3
    spread = np.exp(rng.uniform(-40, 8, count)) * rng.choice([-1, 1], count)
    parts = (rng.normal(size=count) * 3, rng.uniform(-1, 1, count), near_one, spread)
    return np.concatenate([patterns, *(p.astype(dtype) for p in parts)])


def check(name: str, dtype: type[np.floating[Any]], *operands: Array) -> None:
    if dtype is np.float64 and np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than float64 here")
    got = getattr(prelude, name)(*operands)
    assert got.dtype == dtype
    with np.errstate(all="ignore"):
        exact = reference(name, *(x.astype(WIDE[dtype]) for x in operands))
        error = ulps(got, exact)
    worst = int(np.argmax(error))
    assert error[worst] <= stated_bound(name, dtype), (
        f"{[x[worst] for x in operands]}: {error[worst]} ulp"
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ONE.split())
def test_error_is_within_the_stated_bound(name: str, dtype: type[np.floating[Any]]) -> None:
    x = samples(dtype, 20_000 if dtype is np.float32 else 5_000)
    check(name, dtype, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TWO.split())
def test_error_of_two_operands(name: str, dtype: type[np.floating[Any]]) -> None:
    x = samples(dtype, 4_000)
    y = np.roll(x, len(x) // 2 + 1)
    if name == "pow":
        x = np.abs(x)  # exponents that neither overflow nor vanish
        with np.errstate(all="ignore"):
            size = np.abs(np.log2(x.astype(np.float64)))
        size = np.where(np.isfinite(size) & (size > 1e-3), size, 1)
        limit = 140 if dtype is np.float32 else 1060
        y = (np.random.default_rng(3).uniform(-1, 1, len(x)) * limit / size).astype(dtype)
    check(name, dtype, x, y)


def test_trigonometry_of_the_hardest_arguments() -> None:
    """The float64 closest to a multiple of pi/2 (Muller), and the largest float."""
    hard = np.array([6381956970095103.0 * 2.0**797, np.finfo(np.float64).max])
    assert prelude.cos(hard)[0] == pytest.approx(-4.687165924254624e-19, rel=1e-15)
    assert prelude.sin(hard)[1] == pytest.approx(0.004961954789184062, rel=1e-15)
    largest = np.finfo(np.float32).max
    assert prelude.sin(largest) == np.float32(math.sin(float(largest)))


def test_fma_rounds_once() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 300))
    c = -a * b * rng.choice([1, 1 + 1e-16, 0.5, 1e-30, 1e30], 300)
    for x, y, z, got in zip(a, b, c, prelude.fma(a, b, c)):
        assert got == float(Fraction(x) * Fraction(y) + Fraction(z))
    single = [v.astype(np.float32) for v in (a, b, c)]
    for x, y, z, got in zip(*single, prelude.fma(*single)):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        below = np.float32(float(exact))
        near = (np.nextafter(below, np.float32(-9e9)), below, np.nextafter(below, np.float32(9e9)))
        assert got == min(near, key=lambda v: abs(Fraction(float(v)) - exact))
