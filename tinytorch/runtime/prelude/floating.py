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
    return _power_of_bits(to_bits(shifted), format_of(shifted))


def _power_of_bits(bits: Any, form: Format) -> Any:
    return from_bits((bits << form.mantissa) + form.one_bits)


def scale_by_power(x: Any, shifted: Any) -> Any:
    """Return x * 2**n, given n + magic, with n of twice the range of exponents, rounded once.

    Two factors: the first product is exact where the result is subnormal or nearly overflows. The
    low bits of magic are zeros, so that its bit pattern is halved together with n.
    """
    bits, form = to_bits(shifted), format_of(shifted)
    half = bits >> 1
    return (x * _power_of_bits(half, form)) * _power_of_bits(bits - half, form)


def signed(size: Any, sign: Any) -> Any:
    """Return a float without sign bit with the sign bit of another: copysign in two operations."""
    top = 1 << (8 * size.dtype.itemsize - 1)
    return from_bits(to_bits(size) | (to_bits(sign) & top))


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
