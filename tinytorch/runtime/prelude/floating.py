"""What the approximations share: the layout of the two float formats, and polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.runtime.prelude.primitive import FLOAT32, FLOAT64, fma, from_bits, select, to_bits


@dataclass(frozen=True)
class Format:
    """Layout of a binary float format, as numbers of that format or of its bit pattern.

    Adding ``magic`` (1.5 times 2 to the number of stored mantissa bits) rounds a small number to
    the nearest integer, halves to even, and leaves that integer in the low bits of the sum: a
    conversion to integer and back that every vector unit has, 64-bit lanes included.
    """

    mantissa: int
    bias: int
    magic: Any
    ln2: tuple[Any, Any]
    log2e: Any
    log2e_low: Any

    @property
    def one_bits(self) -> int:
        """Bit pattern of 1.0."""
        return self.bias << self.mantissa


_FORMATS = {
    FLOAT32: Format(
        23,
        127,
        np.float32(12582912.0),
        (np.float32(float.fromhex("0x1.62e43p-1")), np.float32(float.fromhex("-0x1.05c61p-29"))),
        np.float32(float.fromhex("0x1.715476p+0")),
        np.float32(float.fromhex("0x1.4ae0cp-26")),
    ),
    FLOAT64: Format(
        52,
        1023,
        np.float64(6755399441055744.0),
        (
            np.float64(float.fromhex("0x1.62e42fefa39efp-1")),
            np.float64(float.fromhex("0x1.abc9e3b39803fp-56")),
        ),
        np.float64(float.fromhex("0x1.71547652b82fep+0")),
        np.float64(float.fromhex("0x1.777d0ffda0d24p-56")),
    ),
}


def format_of(x: Any) -> Format:
    """Return the format of a float32 or float64; KeyError for another dtype."""
    return _FORMATS[x.dtype]


class Coefficients:
    """Coefficients of one polynomial, highest power first, rounded to each format."""

    def __init__(self, float32: Sequence[float], float64: Sequence[float]) -> None:
        self._of = {
            FLOAT32: tuple(np.float32(c) for c in float32),
            FLOAT64: tuple(np.float64(c) for c in float64),
        }

    def __call__(self, x: Any) -> Any:
        """Evaluate at x by Horner's rule, one fma a step."""
        first, *rest = self._of[x.dtype]
        value = first
        for coefficient in rest:
            value = fma(value, x, coefficient)
        return value


def clamp(x: Any, low: float, high: float) -> Any:
    """Bring x between two bounds; NaN stays."""
    kind = x.dtype.type
    x = select(x < kind(low), kind(low), x)
    return select(x > kind(high), kind(high), x)


def power_of_two(shifted: Any) -> Any:
    """Return 2**n as a float, given n + magic; n must be the exponent of a normal number."""
    form = format_of(shifted)
    return from_bits((to_bits(shifted) << form.mantissa) + form.one_bits)


def scale_by_power(x: Any, n: Any) -> Any:
    """Return x * 2**n for an integral float n, of twice the range of exponents, rounded once.

    Two factors: the first product is exact where the result is subnormal or nearly overflows.
    """
    magic = format_of(x).magic
    half = fma(n, n.dtype.type(0.5), magic)
    rest = (n - (half - magic)) + magic
    return (x * power_of_two(half)) * power_of_two(rest)


def float_of_small(bits: Any, like: Any) -> Any:
    """Return an integer held in an unsigned bit pattern (as two's complement) as a float."""
    form = format_of(like)
    return from_bits(bits + int(to_bits(form.magic))) - form.magic


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and what rounding took away (Knuth)."""
    total = a + b
    turn = total - a
    return total, (a - (total - turn)) + (b - turn)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a * b rounded, and what rounding took away."""
    product = a * b
    return product, fma(a, b, -product)
