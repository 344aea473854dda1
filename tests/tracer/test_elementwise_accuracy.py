"""Errors of elementwise functions in ulp: over all float16 and many float32, eager and compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.ir.storage import numbers

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "cos": np.cos, "cosh": np.cosh,
    "deg2rad": np.deg2rad, "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]), "exp": np.exp, "exp2": np.exp2,
    "expm1": np.expm1, "log": np.log, "log10": np.log10, "log1p": np.log1p, "log2": np.log2,
    "rad2deg": np.rad2deg, "reciprocal": lambda x: 1 / x, "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))), "sin": np.sin,
    "sinh": np.sinh, "sqrt": np.sqrt, "square": np.square, "tan": np.tan, "tanh": np.tanh,
    "logit": lambda x: np.where(
        np.abs(x - 0.5) < 0.3, np.log1p((2 * x - 1) / (1 - x)), np.log(x / (1 - x))
    ),
}  # fmt: skip


def sinc(x: np.ndarray) -> np.ndarray:
    """With the argument reduced before pi is multiplied in: numpy's own loses its digits."""
    whole = np.round(x)
    sine = np.sin(np.pi * (x - whole)) * np.where(np.fmod(whole, 2) == 0, 1, -1)
    return np.where(x == 0, 1, sine / (np.pi * np.where(x == 0, 1, x)))


FUNCTIONS["sinc"] = sinc


def distance(got: np.ndarray, exact: np.ndarray, digits: int, least: float) -> np.ndarray:
    """Units in the last place (of a format with so many digits) between a result and the truth."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(exact), least)
        unit = 2.0 ** (np.floor(np.log2(size)) - digits)
        off = np.abs(got.astype(np.float64) - exact) / unit
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    # What is too large for the format is infinity; half an ulp below, either will do.
    return np.where(same, 0.0, np.where(np.isfinite(got) & np.isfinite(exact), off, np.inf))


FORMATS = {"float16": (10, 2.0**-14, 65520.0), "bfloat16": (7, 2.0**-126, 3.3961775e38),
           "float32": (23, 2.0**-126, 3.4028236e38)}  # fmt: skip


def every_half(dtype: str) -> tt.Tensor:
    """All numbers of a format."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    kind = tt.float16 if dtype == "float16" else tt.bfloat16
    return tt.from_numpy(bits.view(kind.numpy))


def some_floats() -> tt.Tensor:
    rng = np.random.default_rng(11)
    patterns = rng.integers(0, 1 << 32, 20_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    tiny = (rng.integers(0, 1 << 24, 2_000).astype(np.uint32)).view(np.float32)
    usual = (rng.normal(size=20_000) * 3).astype(np.float32)
    unit = rng.uniform(-1, 1, 10_000).astype(np.float32)
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 1e-45, 3.4e38], np.float32)
    return tt.from_numpy(np.concatenate([patterns, tiny, -tiny, usual, unit, edges]))


def worst(dtype: str, x: tt.Tensor, results: list[Any]) -> dict[str, float]:
    digits, least, most = FORMATS[dtype]
    with np.errstate(all="ignore"):  # signalling NaNs
        wide = numbers(x.array).astype(np.float64)
    found = {}
    for (name, truth), got in zip(FUNCTIONS.items(), results, strict=True):
        assert got.dtype.name == dtype
        with np.errstate(all="ignore"):
            exact = truth(wide)
            exact = np.where(np.abs(exact) >= most, np.copysign(np.inf, exact), exact)
            off = distance(numbers(got.array).astype(np.float64), exact, digits, least)
        found[name] = float(off.max())
    return found


def all_functions(x: Any) -> list[Any]:
    return [getattr(tt, name)(x) for name in FUNCTIONS]


@pytest.mark.parametrize("way", ["eager", "compiled"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_error_is_below_four_ulp_and_below_one_for_halves(dtype: str, way: str) -> None:
    x = some_floats() if dtype == "float32" else every_half(dtype)
    function = tt.compile(all_functions) if way == "compiled" else all_functions
    found = worst(dtype, x, function(x))
    bound = 4.0 if dtype == "float32" else 0.51
    assert {n: e for n, e in found.items() if not e <= bound} == {}


def test_erfinv_is_the_inverse_of_erf_on_every_float16() -> None:
    x = every_half("float16")
    inside = x.abs() < 1
    for function in (tt.erfinv, tt.compile(lambda x: tt.erfinv(x))):
        y = function(x.float())
        back = tt.erf(y.double())
        off = tt.where(inside, (back - x.double()).abs() / x.double().abs(), 0.0).nan_to_num()
        assert float(off.amax()) < 2e-6
        assert tt.isnan(y).numpy().tolist() == (~(x.abs() <= 1)).numpy().tolist()
