"""Elementwise functions: values against numpy, compiled against eager, gradients, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import assert_same, check

import tinytorch as tt

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 3.75, 0.1, -0.7])
UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin,
    "asinh": np.arcsinh, "atan": np.arctan, "atanh": np.arctanh, "ceil": np.ceil, "cos": np.cos,
    "cosh": np.cosh, "deg2rad": np.deg2rad, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "floor": np.floor, "frac": lambda x: x - np.trunc(x), "isfinite": np.isfinite,
    "isinf": np.isinf, "isnan": np.isnan, "isneginf": np.isneginf, "isposinf": np.isposinf,
    "log": np.log, "log10": np.log10, "log1p": np.log1p, "log2": np.log2,
    "logit": lambda x: np.log(x) - np.log1p(-x), "nan_to_num": np.nan_to_num,
    "neg": np.negative, "rad2deg": np.rad2deg, "reciprocal": lambda x: 1 / x,
    "round": np.round, "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)), "signbit": np.signbit, "sin": np.sin,
    "sinc": np.sinc, "sinh": np.sinh, "sqrt": np.sqrt, "square": np.square, "tan": np.tan,
    "tanh": np.tanh, "trunc": np.trunc,
    "erf": np.vectorize(math.erf), "erfc": np.vectorize(math.erfc),
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "atan2": np.arctan2, "copysign": np.copysign, "div": np.divide,
    "eq": np.equal, "float_power": np.float_power, "floor_divide": np.floor_divide,
    "fmax": np.fmax, "fmin": np.fmin, "fmod": np.fmod, "ge": np.greater_equal, "gt": np.greater,
    "hypot": np.hypot, "isclose": np.isclose, "le": np.less_equal, "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2, "lt": np.less, "maximum": np.maximum, "minimum": np.minimum,
    "mul": np.multiply, "ne": np.not_equal, "pow": np.power, "sub": np.subtract,
    "xlogy": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y)),
    "remainder": np.remainder,
    "heaviside": lambda x, y: np.where(np.isnan(x), 0, np.heaviside(x, y)),
}  # fmt: skip
INTEGER: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor, "floor_divide": np.floor_divide, "fmod": np.fmod,
    "mul": np.multiply, "remainder": np.remainder, "sub": np.subtract,
    "maximum": np.maximum, "fmin": np.minimum, "div": np.divide,
    "logical_xor": np.logical_xor, "atan2": np.arctan2,
}  # fmt: skip


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.meshgrid(SPECIAL.astype(dtype), SPECIAL.astype(dtype))
    return a.ravel(), b.ravel()


def every_float_function(*tensors: Any) -> list[Any]:
    x, a, b = tensors
    return [
        *(getattr(tt, n)(x) for n in UNARY), *(getattr(tt, n)(a, b) for n in BINARY),
        tt.erfinv(x), tt.div(a, b, rounding_mode="trunc"), tt.clamp(a, b, b + 1), tt.clamp(a, 2, 1),
        tt.clamp(a, min=b), tt.lerp(a, b, 0.3), tt.lerp(a, b, b), tt.addcmul(a, b, b, value=2),
        tt.addcdiv(a, b, b, value=0.5), tt.round(x * 100, decimals=1), tt.round(x, decimals=-1),
        tt.sub(a, b, alpha=2), tt.where(a > b, a, 0.0), tt.masked_fill(a, a < b, 7),
        tt.logit(x, eps=0.2), tt.nan_to_num(x, 1.0, 2.0, 3.0), 2 / x, 2 - x, 2.0**x, x**3,
        7 % x, 7 // x, tt.isclose(a, b, equal_nan=True), tt.rsub(a, b), tt.relu(x),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_floats_are_numpys_and_compiled_is_eager(dtype: str) -> None:
    x, (a, b) = SPECIAL.astype(dtype), pairs(dtype)
    tensors = [tt.from_numpy(v) for v in (x, a, b)]
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    with np.errstate(all="ignore"):
        for name, truth in UNARY.items():
            got = getattr(tt, name)(tensors[0]).numpy()
            np.testing.assert_allclose(got, truth(x), tolerance, 1e-7, err_msg=name)
        for name, truth in BINARY.items():
            got = getattr(tt, name)(tensors[1], tensors[2]).numpy()
            wanted = truth(a, b)
            if name in ("floor_divide", "logaddexp2", "hypot"):
                continue  # numpy has its own view of infinities here
            np.testing.assert_allclose(got, wanted, tolerance, 1e-7, err_msg=name)
    check(lambda c: c(every_float_function)(*tensors), rtol=tolerance, atol=1e-7)


@pytest.mark.parametrize("dtype", ["int64", "int16", "int8", "uint8"])
def test_integers_are_numpys_and_compiled_is_eager(dtype: str) -> None:
    limits = np.iinfo(dtype)
    line = np.array([limits.min, limits.max, 1, 2, 3, 7, 100], dtype)
    a, b = (v.ravel() for v in np.meshgrid(line, line))
    b = np.where(b == 0, 1, b).astype(dtype)
    s, t = tt.from_numpy(a), tt.from_numpy(b)
    with np.errstate(all="ignore"):
        for name, truth in INTEGER.items():
            got, wanted = getattr(tt, name)(s, t).numpy(), truth(a, b)
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(got, wanted, 1e-3, err_msg=name)
            else:
                np.testing.assert_array_equal(got, wanted, err_msg=name)

    def all_of_them(s: Any, t: Any) -> list[Any]:
        return [
            *(getattr(tt, n)(s, t) for n in INTEGER), tt.div(s, t, rounding_mode="trunc"),
            s << (t & 3), s >> (t & 3), tt.bitwise_left_shift(s, t), tt.bitwise_right_shift(s, t),
            ~s, 3 & s, 5 | s, 1 ^ s, 2 << (s & 3), s**2, 2 ** (s & 3), s**t, abs(s), tt.sign(s),
            tt.clamp(s, 2, 50), tt.clamp(s, 0.5), s // 2, s % 3, 7 // t, 7 % t, tt.square(s),
            s == 2.5, s + 2.5, -s,
        ]  # fmt: skip

    check(lambda c: c(all_of_them)(s, t), rtol=1e-5)


def test_truncated_and_shifted_integers() -> None:
    a, b = tt.tensor([7, -7, 7, -7, 2**62 + 1]), tt.tensor([2, 2, -2, -2, 1])
    assert tt.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3, 2**62 + 1]
    assert tt.div(a, b, rounding_mode="floor").tolist() == [3, -4, -4, 3, 2**62 + 1]
    assert tt.fmod(a, b).tolist() == [1, -1, 1, -1, 0]
    assert (a % b).tolist() == [1, 1, -1, -1, 0]
    x = tt.tensor([1, -1, 5], dtype=tt.int8)
    assert (x << 3).tolist() == [8, -8, 40]
    assert (x << 8).tolist() == (x << -1).tolist() == [0, 0, 0]
    assert (x >> 9).tolist() == (x >> -1).tolist() == [0, -1, 0]
    assert (tt.tensor([2, 1, -1]) ** tt.tensor([-1, -2, -3])).tolist() == [0, 1, -1]


_SMOOTH: dict[str, tuple[float, float]] = {
    "acos": (-0.9, 0.9), "asin": (-0.9, 0.9), "atanh": (-0.9, 0.9), "erfinv": (-0.9, 0.9),
    "logit": (0.1, 0.9), "acosh": (1.2, 3), "log": (0.2, 3), "log2": (0.2, 3), "log10": (0.2, 3),
    "log1p": (-0.5, 3), "sqrt": (0.2, 3), "rsqrt": (0.2, 3), "reciprocal": (0.2, 3),
    **dict.fromkeys(
        ("asinh", "atan", "cos", "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "frac",
         "rad2deg", "sigmoid", "sin", "sinc", "sinh", "square", "tan", "tanh", "nan_to_num",
         "abs"), (-1.4, 1.3),
    ),
}  # fmt: skip


def differences(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Gradients of the sum of an elementwise function, by central differences."""
    found, step = [], 1e-6
    for i in range(len(arrays)):
        high = [tt.from_numpy(a + step * (i == j)) for j, a in enumerate(arrays)]
        low = [tt.from_numpy(a - step * (i == j)) for j, a in enumerate(arrays)]
        found.append((function(*high) - function(*low)).numpy() / (2 * step))
    return found


def gradients(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    leaves = [tt.from_numpy(a).requires_grad_() for a in arrays]
    function(*leaves).sum().backward()
    return [np.zeros(a.shape) if x.grad is None else x.grad.numpy()
            for x, a in zip(leaves, arrays, strict=True)]  # fmt: skip


@pytest.mark.parametrize("name", sorted(_SMOOTH))
def test_gradients(name: str) -> None:
    x = np.linspace(*_SMOOTH[name], 12) + 0.0123
    function = getattr(tt, name)
    np.testing.assert_allclose(
        gradients(function, x), differences(function, x), rtol=1e-7, atol=1e-8
    )


_PAIRWISE: dict[str, Callable[..., Any]] = {
    "atan2": tt.atan2, "hypot": tt.hypot, "copysign": tt.copysign, "fmod": tt.fmod,
    "logaddexp": tt.logaddexp, "logaddexp2": tt.logaddexp2, "xlogy": tt.xlogy,
    "fmax": tt.fmax, "fmin": tt.fmin, "maximum": tt.maximum, "pow": tt.pow, "div": tt.div,
    "remainder": tt.remainder, "float_power": tt.float_power, "clamp": tt.clamp,
    "lerp": lambda a, b: tt.lerp(a, b, 0.3), "lerp weight": lambda a, b: tt.lerp(a, a + b, b),
    "addcdiv": lambda a, b: tt.addcdiv(a, b, a + b, value=2.0),
    "addcmul": lambda a, b: tt.addcmul(a, b, a + b, value=2.0),
    "alpha": lambda a, b: tt.sub(a, b, alpha=3), "rpow": lambda a, b: 2.5**a + b,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(_PAIRWISE))
def test_gradients_of_two(name: str) -> None:
    a = np.array([0.31, 1.7, 2.43, 0.9, 3.1])
    b = np.array([0.77, 1.21, 0.35, 2.6, 0.123])
    function = _PAIRWISE[name]
    np.testing.assert_allclose(
        gradients(function, a, b), differences(function, a, b), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("name", ["atan2", "hypot", "logaddexp", "xlogy", "pow", "div", "addcdiv"])
def test_second_gradients_of_two(name: str) -> None:
    a, b = np.array([0.31, 1.7, 2.43, 0.9]), np.array([0.77, 1.21, 0.35, 2.6])
    function = _PAIRWISE[name]

    def slope(a: Any, b: Any) -> Any:
        x, y = (v.detach().requires_grad_() for v in (a, b))
        dx, dy = tt.autograd.grad(function(x, y).sum(), (x, y), create_graph=True)
        return x, y, dx + 1.7 * dy

    def first(a: Any, b: Any) -> Any:
        return slope(a, b)[2].detach()

    x, y, mixed = slope(tt.from_numpy(a), tt.from_numpy(b))
    got = tt.autograd.grad(mixed.sum(), (x, y))
    for g, wanted in zip(got, differences(first, a, b), strict=True):
        np.testing.assert_allclose(g.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["acosh", "erfinv", "erfc", "logit", "sinc", "tan", "asin", "log10"]
)
def test_second_gradients(name: str) -> None:
    x = np.linspace(*_SMOOTH[name], 6) + 0.0123
    function = getattr(tt, name)

    def first(x: Any) -> Any:
        leaf = x.detach().requires_grad_()
        return tt.autograd.grad(function(leaf).sum(), leaf)[0]

    leaf = tt.from_numpy(x).requires_grad_()
    (g,) = tt.autograd.grad(function(leaf).sum(), leaf, create_graph=True)
    got = tt.autograd.grad(g.sum(), leaf)[0].numpy()
    np.testing.assert_allclose(got, differences(first, x)[0], rtol=1e-5, atol=1e-6)


def test_gradients_at_the_edges() -> None:
    def slope(function: Callable[[Any], Any], at: float) -> float:
        return float(gradients(function, np.array([at]))[0][0])

    assert slope(lambda x: tt.clamp(x, 0, 1), 1.0) == 1
    assert slope(lambda x: tt.clamp(x, 0, 1), 1.5) == 0
    assert slope(tt.sinc, 0.0) == 0
    assert slope(lambda x: tt.xlogy(x, 0.0), 0.0) == 0
    assert slope(lambda x: tt.where(x > 0, tt.log(x), 0.0), 2.0) == 0.5
    assert slope(lambda x: tt.logaddexp(x, x), 3.0) == 1
    assert slope(tt.sign, 2.0) == 0
    a = tt.tensor([1.0, math.inf, -math.inf], requires_grad=True)
    tt.logaddexp(a, tt.tensor([1.0, 2.0, -math.inf])).sum().backward()
    assert not a.grad.isnan().any()


def test_in_place_forms_write_the_same_memory_eager_and_compiled() -> None:
    def scenario(compile: Any) -> Any:
        x = tt.linspace(0.1, 0.9, 6) if hasattr(tt, "linspace") else tt.tensor([0.1, 0.4, 0.9])
        n = tt.tensor([1, 2, 3])

        def step(x: Any, n: Any) -> Any:
            x.acos_().sinh_().clamp_(0.2, 1.5).hypot_(x).exp2_().lerp_(x * 2, 0.25).frac_()
            x.addcmul_(x, x, value=0.5).atan2_(x + 1).nan_to_num_().copysign_(-x).fix_()
            n.bitwise_left_shift_(2).bitwise_or_(1)
            n <<= 1
            n &= 30
            n ^= 3
            n.clamp_max_(12).fmod_(5)
            return x, n

        compile(step)(x, n)
        return x, n

    check(scenario)


# ---------------------------------------------------------------------- errors


def refusals() -> list[tuple[type[Exception], str, Callable[[], Any]]]:
    f, i = tt.tensor([1.5, 2.0]), tt.tensor([1, 2])
    b = tt.tensor([True, False])
    return [
        (RuntimeError, "Subtraction, the `-` operator, with two bool tensors", lambda: b - b),
        (RuntimeError, "Subtraction, the `-` operator, with a bool tensor", lambda: 1 - b),
        (RuntimeError, "Negation, the `-` operator, on a bool tensor", lambda: -b),
        (RuntimeError, "The `\\+` operator, on a bool tensor", lambda: +b),
        (RuntimeError, "argument alpha must not be a floating", lambda: tt.add(i, i, alpha=1.5)),
        (RuntimeError, "Boolean alpha only supported", lambda: tt.sub(f, f, alpha=True)),
        (RuntimeError, "Integers to negative integer powers", lambda: i**-1),
        (RuntimeError, "ZeroDivisionError", lambda: i // 0),
        (RuntimeError, "ZeroDivisionError", lambda: tt.fmod(i, tt.tensor([1, 0]))),
        (RuntimeError, "ZeroDivisionError", lambda: tt.div(i, i - 1, rounding_mode="trunc")),
        (RuntimeError, "rounding_mode to be one of", lambda: tt.div(f, f, rounding_mode="up")),
        (RuntimeError, "bitwise_and", lambda: f & i),
        (RuntimeError, "bitwise_left_shift", lambda: i << 1.5),
        (RuntimeError, "not implemented for 'bool'", lambda: abs(b)),
        (RuntimeError, "At least one of 'min' or 'max'", lambda: tt.clamp(f)),
        (RuntimeError, "can't be cast to the desired output type", lambda: i.add_(0.5)),
        (RuntimeError, "can't be cast to the desired output type", lambda: i.sqrt_()),
        (RuntimeError, "Integer division with addcdiv", lambda: tt.addcdiv(i, i, i)),
        (RuntimeError, "expected dtype", lambda: tt.lerp(f, f.double(), 0.5)),
        (RuntimeError, "lerp", lambda: tt.lerp(i, i, 0.5)),
        (RuntimeError, "heaviside", lambda: tt.heaviside(f, i)),
        (RuntimeError, "did not match", lambda: tt.isclose(f, f.double())),
        (RuntimeError, "0-dimensional value tensor", lambda: f.masked_fill(b, f)),
        (RuntimeError, "only supports boolean masks", lambda: f.masked_fill(i, 1)),
        (RuntimeError, "without overflow", lambda: i.masked_fill(b, math.inf)),
        (RuntimeError, "without overflow", lambda: i.byte().masked_fill(b, 300)),
        (RuntimeError, "condition to be a boolean", lambda: tt.where(f, f, f)),
        (RuntimeError, "broadcast", lambda: tt.hypot(f, tt.ones(3))),
        (TypeError, "must be Tensor, not float", lambda: tt.exp(2.0)),
        (TypeError, "must be Tensor, not float", lambda: tt.maximum(f, 1.0)),
        (TypeError, "unsupported operand type", lambda: f + "a"),
        (RuntimeError, "Overflow when unpacking long", lambda: i + 2**70),
        (TypeError, "must be Tensor, not NoneType", lambda: tt.heaviside(f, None)),
        (TypeError, "must be Number or Tensor", lambda: tt.lerp(f, f, None)),
        (TypeError, "unsupported operand type", lambda: None << i),
    ]


@pytest.mark.parametrize("number", range(len(refusals())))
def test_refusals_have_pytorchs_class_and_words(number: int) -> None:
    error, words, attempt = refusals()[number]
    with pytest.raises(error, match=words):
        attempt()


def test_unknown_operands_compare_unequal() -> None:
    x = tt.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert (x == np.float32(1)).tolist() == [True, True]


def test_compiled_division_by_zero_names_the_line() -> None:
    step = tt.compile(lambda a, b: tt.fmod(a, b))
    assert step(tt.tensor([7]), tt.tensor([4])).tolist() == [3]
    with pytest.raises(RuntimeError, match="ZeroDivisionError.*test_elementwise.py"):
        step(tt.tensor([7]), tt.tensor([0]))


def test_numbers_that_change_do_not_compile_again() -> None:
    step = tt.compile(lambda x, low, w: (tt.clamp(x, low), tt.lerp(x, x + 1, w), x * low))
    x = tt.tensor([0.1, 0.5, 0.9])
    for low, w in ((0.2, 0.1), (0.4, 0.2), (0.6, 0.3)):
        got = step(x, low, w)
        assert_same([tt.clamp(x, low), tt.lerp(x, x + 1, w), x * low], got)
    assert step.cache_info().compiles == 1
