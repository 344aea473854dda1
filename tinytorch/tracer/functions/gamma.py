"""The logarithm of the gamma function and its derivatives, and modified Bessel functions.

All are computed in float64 and rounded once. lgamma is its Taylor series at 2 near its zeros, and
Stirling's series beyond; the derivatives are the sums and asymptotic series of Hurwitz' zeta
function; below a half both are reflected. Formulas: Abramowitz and Stegun, 6.1, 6.3, 6.4, 9.6, 9.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import float64
from tinytorch.tracer.autograd.function import Function
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_EULER = 0.57721566490153286061
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
)  # fmt: skip
_SHIFT = 10
"""From here on the asymptotic series have the digits of float64."""


def _zeta_less_one(s: int) -> float:
    """Riemann's zeta(s) - 1 for s of 2 or more, by the sum of Euler and Maclaurin."""
    n = 12
    total = math.fsum(k**-s for k in range(2, n)) + n ** (1 - s) / (s - 1) + 0.5 * n**-s
    factor = s * n ** (-s - 1.0)
    for j, b in enumerate(_BERNOULLI, start=1):
        total += b / math.factorial(2 * j) * factor
        factor *= (s + 2 * j - 1) * (s + 2 * j) / n**2
    return total


_AT_TWO = [(-1) ** k * _zeta_less_one(k) / k for k in range(2, 30)]
"""Coefficients of z**k in lgamma(2 + z), from k = 2 on."""


def _polynomial(x: Any, coefficients: Any) -> Any:
    total: Any = 0.0
    for c in reversed(list(coefficients)):
        total = total * x + c
    return total


def _floating(x: Any, name: str) -> Tensor:
    """The operand of a function on floats: integers become the default dtype."""
    check_tensor(x, name)
    return x if x.dtype.is_floating_point else x.to(mode.default_dtype)


def _sine_and_cosine(x: Tensor) -> tuple[Tensor, Tensor]:
    """sin and cos of pi x, up to one sign that both share."""
    rest = (x - ops.round_(x)) * math.pi
    return ops.sin(rest), ops.cos(rest)


def _lgamma(x: Tensor) -> Tensor:
    """In float64; where x is below a half, by reflection."""
    y = where(x < 0.5, 1 - x, x)
    near = y < 2.5
    first = y < 1.5
    z = where(near, where(first, y - 1, y - 2), 0.0)
    low = z * ((1 - _EULER) + z * _polynomial(z, _AT_TWO)) - where(first, ops.log1p(z), 0.0)
    far = where(near, float(_SHIFT), y)
    product: Any = 1.0
    shifted = far
    for _ in range(_SHIFT - 2):
        step = shifted < _SHIFT
        product = product * where(step, shifted, 1.0)
        shifted = where(step, shifted + 1, shifted)
    inverse = 1 / shifted
    series = [b / (2 * j * (2 * j - 1)) for j, b in enumerate(_BERNOULLI, start=1)]
    high = (
        (shifted - 0.5) * (ops.log(shifted) - 1) + (0.5 * math.log(2 * math.pi) - 0.5)
        + inverse * _polynomial(inverse * inverse, series) - ops.log(product)
    )  # fmt: skip
    value = where(near, low, high)
    sine, _ = _sine_and_cosine(x)
    # Near 0 the reflected argument has lost x: lgamma(x) = lgamma(1 + x) - log(x) has not.
    small = ops.abs_(x) < 0.5
    w = where(small, x, 0.0)
    at_zero = w * ((1 - _EULER) + w * _polynomial(w, _AT_TWO)) - ops.log1p(w) - ops.log(ops.abs_(x))
    mirrored = math.log(math.pi) - ops.log(ops.abs_(sine)) - value
    out = where(small, at_zero, where(x < 0.5, mirrored, value))
    return where(ops.abs_(x) == float("inf"), float("inf"), out)


def _zeta(s: int, x: Tensor) -> Tensor:
    """Hurwitz' zeta function of a whole s above 1, for x above 0."""
    total: Any = 0.0
    for k in range(_SHIFT):
        total = total + (x + k) ** -s
    far = x + _SHIFT
    inverse = 1 / (far * far)
    factor, series = float(s), []
    for j, b in enumerate(_BERNOULLI, start=1):
        series.append(b / math.factorial(2 * j) * factor)
        factor *= (s + 2 * j - 1) * (s + 2 * j)
    tail = 1 / (s - 1) * far + 0.5 + _polynomial(inverse, series) / far
    return total + far**-s * tail


def _cotangents(n: int, cotangent: Any) -> Any:
    """The n-th derivative of pi cot(pi x), a polynomial of the cotangent."""
    coefficients = [0.0, math.pi]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(coefficients)][1:]
        longer = [0.0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            longer[k] -= math.pi * c
            longer[k + 2] -= math.pi * c
        coefficients = longer
    return _polynomial(cotangent, coefficients)


def _polygamma(n: int, x: Tensor) -> Tensor:
    """In float64, the (n + 1)-th derivative of lgamma."""
    mirror = x < 0
    y = where(mirror, 1 - x, x)
    if n:
        value = (-1.0) ** (n + 1) * math.factorial(n) * _zeta(n + 1, y)
        value = where(y == float("inf"), 0.0, value)
    else:
        total: Any = 1 / y  # -0 included
        for k in range(1, _SHIFT):
            total = total + 1 / (y + k)
        far = y + _SHIFT
        inverse = 1 / (far * far)
        series = [b / (2 * j) for j, b in enumerate(_BERNOULLI, start=1)]
        value = ops.log(far) - 0.5 / far - inverse * _polynomial(inverse, series) - total
    sine, cosine = _sine_and_cosine(x)
    whole = sine == 0
    cotangent = cosine / where(mirror & ~whole, sine, 1.0)
    mirrored = (-1) ** n * value - _cotangents(n, cotangent)
    at_pole = float("inf") if n % 2 else float("nan")
    return where(mirror, where(whole, at_pole, mirrored), value)


class _LogGamma(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _lgamma(x.to(float64)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * digamma(x)


def lgamma(input: Tensor) -> Tensor:
    """Logarithm of the magnitude of the gamma function; inf at 0 and at negative integers."""
    return _LogGamma.apply(_floating(input, "lgamma"))


def digamma(input: Tensor) -> Tensor:
    """The derivative of ``lgamma``; -inf at 0 (inf at -0), NaN at negative integers."""
    x = _floating(input, "digamma")
    return _polygamma(0, x.to(float64)).to(x.dtype)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of ``digamma``."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = _floating(input, "polygamma")
    return _polygamma(n, x.to(float64)).to(x.dtype)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension ``p``."""
    x = _floating(input, "mvlgamma")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = lgamma(x)
    for j in range(1, p):
        total = total + lgamma(x - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


# ----------------------------------------------------------- modified Bessel functions

_BESSEL_TERMS = 70
_BESSEL_FAR = 30.0


def _bessel(order: int, scaled: bool) -> Callable[[Tensor], Tensor]:
    """I0 or I1, divided by exp(|x|) if ``scaled``: a power series, far out the asymptotic one."""
    squares = [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(_BESSEL_TERMS)]
    asymptotic = [1.0]
    for k in range(1, 26):
        asymptotic.append(-asymptotic[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))

    def function(x: Tensor) -> Tensor:
        size = ops.abs_(x)
        far = size > _BESSEL_FAR
        inner = where(far, 0.0, x)
        near = _polynomial(inner * inner * 0.25, squares)
        near = near * (inner * 0.5) if order else near
        outer = where(far, size, _BESSEL_FAR)
        wave = _polynomial(1 / outer, asymptotic) * ops.rsqrt(outer * (2 * math.pi))
        if scaled:
            near = near * ops.exp(-ops.abs_(inner))
        else:
            wave = wave * ops.exp(outer)
        wave = where(outer == float("inf"), 0.0 if scaled else float("inf"), wave)
        return where(far, where(x < 0, -wave, wave) if order else wave, near)

    return function


_BESSEL = {(n, scaled): _bessel(n, scaled) for n in (0, 1) for scaled in (False, True)}


def _rounded(x: Tensor, name: str, order: int, scaled: bool) -> Tensor:
    x = _floating(x, name)
    return _BESSEL[order, scaled](x.to(float64)).to(x.dtype)


def i0(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind, of order 0."""
    return _rounded(input, "i0", 0, False)


def i0e(input: Tensor) -> Tensor:
    """``i0(x) / exp(|x|)``, without overflow."""
    return _rounded(input, "i0e", 0, True)


def i1(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind, of order 1."""
    return _rounded(input, "i1", 1, False)


def i1e(input: Tensor) -> Tensor:
    """``i1(x) / exp(|x|)``, without overflow."""
    return _rounded(input, "i1e", 1, True)


__all__ = ["digamma", "i0", "lgamma", "mvlgamma", "polygamma"]
METHODS = ["digamma", "i0", "lgamma", "mvlgamma"]
IN_PLACE = METHODS
