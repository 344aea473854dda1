"""Special values, integers, random bits and the register of the prelude."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tinytorch.ir.ops.random import philox as philox_of_the_graph
from tinytorch.runtime import prelude
from tinytorch.runtime.prelude.random import philox

Array = np.ndarray[Any, Any]
SPECIAL = [0.0, 1.0, 2.0, 0.5, 3.0, 1.5, np.inf, 1e300, 5e-324, 1e-300, 2.0**53 - 1, 1e20]
SPECIAL = [s * v for v in SPECIAL for s in (1, -1)] + [np.nan]
FLOATS = [np.float32, np.float64]
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8]


def specials(dtype: type[np.generic]) -> Array:
    with np.errstate(over="ignore"):
        return np.array(SPECIAL).astype(dtype)


def pairs(values: Array) -> tuple[Array, Array]:
    a, b = zip(*itertools.product(values, values))
    return np.array(a, values.dtype), np.array(b, values.dtype)


def assert_same(got: Array, wanted: Array, *, signs: bool = True) -> None:
    assert got.dtype == wanted.dtype
    eps = 4 * np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, wanted, rtol=eps, atol=0)
    if signs:
        number = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(wanted)[number])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "numpy_name"),
    [(n, n) for n in ("exp", "exp2", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "log2")]
    + [(n, n) for n in ("sin", "cos", "tan", "sqrt", "floor", "ceil", "trunc", "fabs")]
    + [(n, n) for n in ("isnan", "isinf", "isfinite")]
    + [("asin", "arcsin"), ("acos", "arccos"), ("atan", "arctan"), ("round_even", "rint")],
)
def test_special_values_are_numpys(name: str, numpy_name: str, dtype: type[np.generic]) -> None:
    x = specials(dtype)
    with np.errstate(all="ignore"):
        wanted = getattr(np, numpy_name)(x)
    got = getattr(prelude, name)(x)
    if wanted.dtype == bool:
        np.testing.assert_array_equal(got, wanted)
    else:
        assert_same(got, wanted)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "numpy_name", "signs"),
    [
        ("pow", "power", True),
        ("atan2", "arctan2", True),
        ("fmod", "fmod", True),
        ("floor_divide", "floor_divide", True),
        ("remainder", "remainder", False),  # a zero has the sign of the dividend, as in PyTorch
        ("maximum", "maximum", False),
        ("minimum", "minimum", False),
        ("max_step", "maximum", False),
        ("min_step", "minimum", False),
        ("sum_step", "add", True),
        ("copysign", "copysign", True),
    ],
)
def test_special_pairs_are_numpys(
    name: str, numpy_name: str, signs: bool, dtype: type[np.generic]
) -> None:
    a, b = pairs(specials(dtype))
    with np.errstate(all="ignore"):
        wanted = getattr(np, numpy_name)(a, b)
    assert_same(getattr(prelude, name)(a, b), wanted, signs=signs)


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_of_functions_numpy_lacks(dtype: type[np.floating[Any]]) -> None:
    x = np.array([-np.inf, -1e3, -0.0, 0.0, 1e3, np.inf, np.nan], dtype)
    one, zero, half, nan = dtype(1), dtype(0), dtype(0.5), dtype(np.nan)
    assert_same(prelude.erf(x), np.array([-one, -one, -zero, zero, one, one, nan]))
    assert_same(prelude.sigmoid(x), np.array([zero, zero, half, half, one, one, nan]))
    assert_same(prelude.relu(x), np.array([0, 0, -zero, 0, 1e3, np.inf, np.nan], dtype))
    assert_same(prelude.sign(x), np.array([-1, -1, 0, 0, 1, 1, 0], dtype))
    roots = np.array([nan, nan, -np.inf, np.inf, dtype(1e3) ** dtype(-0.5), 0, nan], dtype)
    assert_same(prelude.rsqrt(x), roots)


def test_small_sigmoids_keep_their_digits() -> None:
    x = np.float32([-100.0, -88.0, -30.0])
    np.testing.assert_allclose(prelude.sigmoid(x), np.exp(x.astype(np.float64)), rtol=2e-2)
    assert prelude.sigmoid(x)[0] > 0


# ------------------------------------------------------------------- integers


def integers(dtype: type[np.integer[Any]]) -> Array:
    limits = np.iinfo(dtype)
    values = {limits.min, limits.min + 1, limits.max, 0, 1, 2, 3, 7, -1, -2, -3, -7}
    return np.array(sorted(v for v in values if limits.min <= v), dtype)


def wrap(values: list[int], dtype: type[np.integer[Any]]) -> Array:
    modulus = 1 << (8 * dtype().itemsize)
    return np.array([v % modulus for v in values], np.uint64).astype(dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_is_pythons_and_zero_by_zero(dtype: type[np.integer[Any]]) -> None:
    a, b = pairs(integers(dtype))
    numbers = list(zip(a.tolist(), b.tolist()))
    quotients = wrap([x // y if y else 0 for x, y in numbers], dtype)
    remainders = wrap([x % y if y else 0 for x, y in numbers], dtype)
    np.testing.assert_array_equal(prelude.floor_divide(a, b), quotients)
    np.testing.assert_array_equal(prelude.remainder(a, b), remainders)
    assert prelude.floor_divide(a, b).dtype == prelude.remainder(a, b).dtype == dtype
    signs = [x - y * int(abs(x) // abs(y)) * (1 if x * y > 0 else -1) if y else 0
             for x, y in numbers]  # fmt: skip
    np.testing.assert_array_equal(prelude.fmod(a, b), wrap(signs, dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_powers_wrap(dtype: type[np.integer[Any]]) -> None:
    a, b = pairs(integers(dtype))
    modulus = 1 << (8 * dtype().itemsize)
    wanted = [
        pow(x, y, modulus) if y >= 0 else (x if y % 2 else 1) if abs(x) == 1 else 0
        for x, y in zip(a.tolist(), b.tolist())
    ]
    np.testing.assert_array_equal(prelude.pow(a, b), wrap(wanted, dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "relu", "fabs", "sign"])
def test_integers_keep_their_dtype(name: str, dtype: type[np.integer[Any]]) -> None:
    x = integers(dtype)
    wanted = {"relu": np.maximum(x, 0), "fabs": np.abs(x), "sign": np.sign(x)}.get(name, x)
    got = getattr(prelude, name)(x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, wanted)


# ------------------------------------------------------------ half and random


def test_half_conversions_are_numpys() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves = bits.view(np.float16)
    assert_same(prelude.half_to_float(bits), halves.astype(np.float32))
    x = np.float32([0, -0.0, 1, 65504, 65519.9, 65520, 1e-8, 6e-8, 1 / 3, np.inf])
    with np.errstate(over="ignore"):
        wanted = x.astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal(prelude.float_to_half(x), wanted)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers that come with Random123
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_words(
    counter: list[int], key: list[int], words: list[int]
) -> None:
    block = philox(tuple(map(np.uint64, counter)), tuple(map(np.uint64, key)))  # type: ignore[arg-type]
    assert [int(w) for w in block] == words


@pytest.mark.parametrize("seed", [0, 42, -1, 2**62 + 12345])
def test_random_bits_are_those_of_the_graph(seed: int) -> None:
    counters = np.array([0, 1, 2, 2**32 - 1, 2**32, 2**40 + 7, 2**63 - 1])
    bits = prelude.random_bits(seed, counters)
    assert bits.dtype == np.int64
    np.testing.assert_array_equal(bits, philox_of_the_graph(seed, counters))
    assert prelude.random_bits(seed, 2) == bits[2]


# ------------------------------------------------------------------- register


def test_python_numbers_count_as_64_bits_wide() -> None:
    assert type(prelude.exp(1.0)) is np.float64
    assert type(prelude.maximum(1, 2)) is np.int64
    assert type(prelude.select(True, np.float32(1), np.float32(2))) is np.float32


def test_operands_of_a_wrong_kind_are_refused() -> None:
    with pytest.raises(TypeError, match=r"exp does not take \['int64'\]"):
        prelude.exp(1)


def test_every_intrinsic_is_a_public_name_with_a_docstring() -> None:
    for name, entry in prelude.INTRINSICS.items():
        assert getattr(prelude, name) is entry.function
        assert name in prelude.__all__
        assert entry.function.__doc__


def test_the_prelude_needs_no_numba() -> None:
    code = "import tinytorch.runtime.prelude, sys; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
