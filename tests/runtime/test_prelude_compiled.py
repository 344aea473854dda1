"""The prelude as machine code: the same bits as plain Python, in vector instructions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.compiler import Flags, compile_extra
from numba.core.cpu import CPUTargetOptions
from numba.core.registry import cpu_target

from tinytorch.runtime import intrinsics, prelude
from tinytorch.runtime.prelude import Intrinsic

Array = np.ndarray[Any, Any]
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def kernel(lines: list[str], names: str) -> Callable[..., Any]:
    """Compile a loop over arrays; ``i`` is the index."""
    body = "\n".join(f"        {line}" for line in lines)
    text = f"from tinytorch.runtime.intrinsics import *\ndef kernel({names}):\n"
    space: dict[str, Any] = {"np": np}
    exec(f"{text}    for i in range(a.shape[0]):\n{body}\n", space)
    return numba.njit(**OPTIONS)(space["kernel"])


def takes(entry: Intrinsic, dtype: np.dtype[Any]) -> bool:
    free = [d for d in entry.operands if d is None]
    return bool(free) and dtype.kind in entry.kinds


def numbers(dtype: np.dtype[Any], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        edges = [info.min, info.max, 0, 1, 2, 3]
        small = rng.integers(-9 * (info.min < 0), 9, 200).astype(dtype)
        return np.concatenate([rng.permutation(np.array(edges * 20, dtype)), small])
    bits = np.dtype(f"u{dtype.itemsize}")
    patterns = rng.integers(0, np.iinfo(bits).max, 2000, dtype=bits).view(dtype)
    edges = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, 2, -3] * 10, dtype)
    common = rng.normal(size=2000) * 3
    return np.concatenate([patterns, rng.permutation(edges), common.astype(dtype)])


def same_bits(got: Array, wanted: Array) -> bool:
    if wanted.dtype.kind == "f":
        number = ~np.isnan(wanted)
        if not np.array_equal(np.isnan(got), ~number):
            return False
        got, wanted = got[number], wanted[number]
    return got.dtype == wanted.dtype and got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "int8"])
def test_machine_code_and_python_agree_in_every_bit(dtype: str) -> None:
    kind = np.dtype(dtype)
    entries = [e for e in prelude.INTRINSICS.values() if takes(e, kind)]
    a, b = numbers(kind, 1), numbers(kind, 2)
    condition = np.arange(len(a)) % 3 == 0
    operands = {1: (a,), 2: (a, b), 3: (a, b, a[::-1].copy())}
    given = {
        e.name: (condition, a, b) if e.name == "select" else operands[e.arity] for e in entries
    }
    outs, lines = [], []
    for k, entry in enumerate(entries):
        outs.append(np.empty(len(a), entry.result or kind))
        words = {1: "a[i]", 2: "a[i], b[i]", 3: "a[i], b[i], r[i]"}[entry.arity]
        words = "c[i], a[i], b[i]" if entry.name == "select" else words
        lines.append(f"o{k}[i] = {entry.name}({words})")
    names = ", ".join(["a", "b", "c", "r", *(f"o{k}" for k in range(len(outs)))])
    kernel(lines, names)(a, b, condition, operands[3][2], *outs)
    for entry, out in zip(entries, outs):
        wanted = entry.function(*given[entry.name])
        # Which zero a maximum keeps is open where the steps may be reordered.
        if kind.kind == "f" and entry.name in ("max_step", "min_step"):
            out = np.where((out == 0) & (wanted == 0), wanted, out)
        assert same_bits(out, wanted), entry.name
        scalar = [entry.function(*(x[j] for x in given[entry.name])) for j in range(0, len(a), 97)]
        assert same_bits(np.array(scalar), wanted[::97]), entry.name


def test_random_bits_and_halves_agree_in_every_bit() -> None:
    counters = np.arange(-3, 1000)
    bits, halves = np.empty(1003, np.int64), np.arange(1003, dtype=np.uint16)
    floats, back = np.empty(1003, np.float32), np.empty(1003, np.uint16)
    lines = [
        "o[i] = random_bits(seed, a[i])",
        "f[i] = half_to_float(h[i])",
        "g[i] = float_to_half(f[i] * np.float32(1.5))",
    ]
    kernel(lines, "a, seed, o, h, f, g")(counters, 99, bits, halves, floats, back)
    np.testing.assert_array_equal(bits, prelude.random_bits(99, counters))
    np.testing.assert_array_equal(floats, prelude.half_to_float(halves))
    np.testing.assert_array_equal(back, prelude.float_to_half(floats * np.float32(1.5)))


@cache
def optimised(line: str, dtype: str, result: str) -> str:
    """LLVM of a loop over two buffers that do not overlap, after optimisation."""
    text = "from tinytorch.runtime.intrinsics import *\ndef kernel(a, o, n):\n"
    space: dict[str, Any] = {}
    exec(f"{text}    for i in range(n):\n        {line}\n", space)
    flags = Flags()
    CPUTargetOptions.parse_as_flags(flags, {"nopython": True, **OPTIONS})
    flags.noalias = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    types = [numba.types.CPointer(getattr(numba.types, d)) for d in (dtype, result)]
    compiled = compile_extra(
        cpu_target.typing_context,
        cpu_target.target_context,
        space["kernel"],
        (*types, numba.types.int64),
        numba.types.void,
        flags,
        {},
    )
    return str(compiled.library.get_llvm_str())


VECTORISED = (
    "exp exp2 expm1 sigmoid tanh sinh cosh erf erfc erfinv log log1p log2 log10 sin cos tan asin "
    "acos atan asinh acosh atanh"
)


@pytest.mark.parametrize("name", [*VECTORISED.split(), "sqrt", "rsqrt", "relu", "floor", "sign"])
def test_loops_are_vectorised(name: str) -> None:
    text = optimised(f"o[i] = {name}(a[i])", "float32", "float32")
    stores = re.findall(r"store <(\d+) x (?:float|i32)>", text)
    assert stores
    assert min(map(int, stores)) >= 4
    assert "@tinytorch." not in re.sub(r"@tinytorch\.table\.\w+", "", text)  # all are inlined


def test_random_bits_are_vectorised() -> None:
    text = optimised("o[i] = random_bits(7, a[i])", "int64", "int64")
    assert re.search(r"mul(?: \w+)* <\d+ x i64>", text)


@pytest.mark.parametrize(("step", "operation"), [("sum", "fadd"), ("max", "fmaximum")])
def test_reductions_are_vectorised(step: str, operation: str) -> None:
    start = "t = np.float32(0)"
    text = f"""
from tinytorch.runtime.intrinsics import {step}_step
def kernel(a, o):
    {start}
    for x in a:
        t = {step}_step(t, x)
    o[0] = t
"""
    space: dict[str, Any] = {"np": np}
    exec(text, space)
    function = numba.njit(**OPTIONS)(space["kernel"])
    x, out = np.random.default_rng(0).normal(size=10_001).astype(np.float32), np.zeros(1, "f4")
    function(x, out)
    assert out[0] == pytest.approx({"sum": x.astype(np.float64).sum(), "max": x.max()}[step], 1e-5)
    code = next(iter(function.overloads.values())).library.get_llvm_str()
    assert re.search(rf"llvm\.vector\.reduce\.{operation}\.v\d+f32", code)
    x[5000] = np.nan
    function(x, out)
    assert np.isnan(out[0])


def test_a_product_is_not_fused_into_the_functions_around_it() -> None:
    """numba's own flag would let LLVM do so, and bits would depend on the code around a call."""
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    alone, amid = np.empty_like(x), np.empty_like(x)
    kernel(["o[i] = log(a[i] * a[i])"], "a, o")(x, alone)
    kernel(["y = a[i] * a[i]", "o[i] = log(y) + y * np.float32(0)"], "a, o")(x, amid)
    np.testing.assert_array_equal(alone, prelude.log(x * x))
    np.testing.assert_array_equal(amid, alone)


def test_the_module_offers_every_name_of_the_prelude() -> None:
    for name in prelude.INTRINSICS:
        assert getattr(intrinsics, name) is getattr(prelude, name)


def test_mistyped_calls_do_not_compile() -> None:
    function = kernel(["o[i] = exp(a[i])"], "a, o")
    with pytest.raises(numba.TypingError):
        function(np.arange(3), np.zeros(3))
