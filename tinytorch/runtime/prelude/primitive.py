"""The few operations that every scalar function is built from, each with its numpy meaning.

A function of the prelude is written once, in straight-line Python, and runs on three kinds of
operands:

* numpy scalars: what the text of a kernel computes when it runs as plain Python;
* numpy arrays: the same, elementwise and to the same bits, for eager rules and for tests;
* :class:`Register`: nothing is computed; the operations are written into machine code.

Operators (``+``, ``*``, ``<``, ``&`` ...) reach a Register through its methods, the primitives
below through :func:`primitive`. Rounding is spelled out: a product that is added to something is an
:func:`fma` wherever fusing is wanted, and two roundings wherever it is not.

Booleans are numpy's; bit patterns are unsigned integers as wide as the float. Python numbers in a
function's body take the dtype of the operand beside them (NEP 50).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
_BITS = {
    np.dtype(np.float16): np.dtype(np.uint16),
    FLOAT32: np.dtype(np.uint32),
    FLOAT64: np.dtype(np.uint64),
}
_FLOATS = {bits: number for number, bits in _BITS.items()}


class Register:
    """A scalar of generated code: a dtype, and a way to emit one operation on it.

    ``emit(name, *operands)`` gets the name of a primitive or of an operator method without its
    underscores (``add``, ``rsub``, ``lt``); operands are Registers or numbers.
    """

    __array_ufunc__ = None  # numpy scalars on the left defer to the reflected operators
    __hash__ = None  # type: ignore[assignment]
    dtype: np.dtype[Any]

    def emit(self, name: str, *operands: Any) -> Any:
        """Write one operation and return the Register that holds its result."""
        raise NotImplementedError


def _operator(name: str) -> Callable[..., Any]:
    def method(self: Register, *others: Any) -> Any:
        return self.emit(name, self, *others)

    return method


_ARITHMETIC = ("add", "sub", "mul", "truediv", "and", "or", "xor")
_OPERATORS = (*_ARITHMETIC, *(f"r{name}" for name in _ARITHMETIC), "neg", "invert")
_OPERATORS += ("lshift", "rshift", "lt", "le", "gt", "ge", "eq", "ne")
for _name in _OPERATORS:
    setattr(Register, f"__{_name}__", _operator(_name))


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a numpy function emit itself when an operand is a Register."""
    name = function.__name__

    @wraps(function)
    def call(*operands: Any) -> Any:
        for operand in operands:
            if isinstance(operand, Register):
                return operand.emit(name, *operands)
        return function(*operands)

    return call


# ---------------------------------------------------------------- conversions


@primitive
def to_bits(x: Any) -> Any:
    """Return the bit pattern of a float as an unsigned integer of its width."""
    return x.view(_BITS[x.dtype])


@primitive
def from_bits(bits: Any) -> Any:
    """Return the float with this bit pattern."""
    return bits.view(_FLOATS[bits.dtype])


@primitive
def convert(x: Any, dtype: np.dtype[Any]) -> Any:
    """Return a number in another dtype.

    Integers wrap, floats round to nearest even; a float that becomes an integer must fit in it.
    """
    return x.astype(dtype)


# -------------------------------------------------------------------- choices


@primitive
def select(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """Return ``chosen`` where the condition holds, else ``otherwise``; both are evaluated."""
    value = np.where(condition, chosen, otherwise)
    return value if value.ndim else value[()]


@primitive
def lookup(table: Any, index: Any) -> Any:
    """Return ``table[index]`` of a constant numpy array of float64; the index is in range."""
    return table[index]


# ------------------------------------------------------- rounding and the sign


@primitive
def sqrt(x: Any) -> Any:
    """Square root, correctly rounded; NaN below zero, and -0 of -0."""
    return np.sqrt(x)


@primitive
def rint(x: Any) -> Any:
    """The nearest integer, halves to even, as a float."""
    return np.rint(x)


@primitive
def floor(x: Any) -> Any:
    """The largest integer not above x; integers are returned as they are."""
    return np.floor(x)


@primitive
def ceil(x: Any) -> Any:
    """The smallest integer not below x; integers are returned as they are."""
    return np.ceil(x)


@primitive
def trunc(x: Any) -> Any:
    """The integer next to x on the side of zero; integers are returned as they are."""
    return np.trunc(x)


@primitive
def fabs(x: Any) -> Any:
    """Magnitude of a float."""
    return np.abs(x)


@primitive
def copysign(magnitude: Any, sign: Any) -> Any:
    """The first float with the sign bit of the second."""
    return np.copysign(magnitude, sign)


# ----------------------------------------------------------------- arithmetic


@primitive
def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once.

    Machines do this in one instruction. numpy has none, so it is emulated with rounding to odd
    (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008); only float64
    results below 2**-1022 may be rounded twice.
    """
    dtype = np.result_type(a, b, c)
    if dtype == FLOAT32:
        wide = np.float64(a) * np.float64(b)  # 24 + 24 bits: exact
        return _odd_sum(wide, np.float64(c)).astype(FLOAT32)
    return _fma_float64(a, b, c)


def _odd_sum(a: Any, b: Any) -> Any:
    """Return a + b rounded to odd: inexact sums get an odd last bit, so rounding again is safe."""
    total = np.asarray(a + b)
    turn = total - a
    error = (a - (total - turn)) + (b - turn)
    bits = total.view(np.uint64)
    fix = (error != 0) & np.isfinite(error) & ((bits & 1) == 0)
    step = np.where((error > 0) == (total > 0), np.uint64(1), np.uint64(2**64 - 1))
    return np.where(fix, bits + step, bits).view(np.float64)[()]


def _fma_float64(a: Any, b: Any, c: Any) -> Any:
    a, ea = np.frexp(a)
    b, eb = np.frexp(b)
    c, ec = np.frexp(c)
    exponent = np.asarray(ea + eb)
    shift = np.asarray(ec - exponent)
    addend = np.ldexp(c, np.clip(shift, -200, 120))
    high = a * b
    split = 134217729.0  # 2**27 + 1: Veltkamp's splitting, then Dekker's exact product
    a_high = split * a - (split * a - a)
    b_high = split * b - (split * b - b)
    a_low, b_low = a - a_high, b - b_high
    low = a_low * b_low - (((high - a_high * b_high) - a_low * b_high) - a_high * b_low)
    middle, rest = _two_sum(addend, low)
    top, middle = _two_sum(high, middle)
    total = np.ldexp(top + _odd_sum(middle, rest), exponent)
    total = np.where((shift > 120) & (c != 0), np.ldexp(c, ec), total)
    special = (high == 0) | ~np.isfinite(high + c)
    alone = np.isfinite(high + c) & (c != 0)  # the product is zero
    return np.where(special, np.where(alone, np.ldexp(c, ec), high + c), total)[()]


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    total = a + b
    turn = total - a
    return total, (a - (total - turn)) + (b - turn)


@primitive
def fmod(a: Any, b: Any) -> Any:
    """Remainder of the division of floats rounded towards zero (C's fmod); exact."""
    return np.fmod(a, b)


@primitive
def divide_integers(a: Any, b: Any) -> Any:
    """Quotient of integers rounded towards zero; b is not 0, nor -1 where a is the least."""
    quotient = a // b
    up = (quotient * b != a) & ((a < 0) != (b < 0))
    return select(up, quotient + 1, quotient)


@primitive
def power_by_squaring(base: Any, exponent: Any) -> Any:
    """Power of integers, wrapping; a negative exponent counts as its unsigned pattern.

    The one primitive with a loop inside, of as many turns as the exponent has bits.
    """
    value, square, left = base * 0 + 1, base, exponent
    for _ in range(8 * base.dtype.itemsize):
        value = select((left & 1) != 0, value * square, value)
        square, left = square * square, left >> 1
    return value


# ----------------------------------------------------------------- reductions


@primitive
def sum_step(total: Any, x: Any) -> Any:
    """One step of a sum. Machine code may reorder the steps of one sum, and fuse a product in x."""
    return total + x


@primitive
def max_step(best: Any, x: Any) -> Any:
    """One step of a maximum; a NaN stays. Machine code may reorder the steps."""
    return np.maximum(best, x)


@primitive
def min_step(best: Any, x: Any) -> Any:
    """One step of a minimum; a NaN stays. Machine code may reorder the steps."""
    return np.minimum(best, x)
