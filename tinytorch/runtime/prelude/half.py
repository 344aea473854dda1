"""Halves in memory, float32 in arithmetic: conversions. Floats to integers, whatever they are.

Machine code holds a half (float16 or bfloat16) as its 16 bits, for numba knows no such number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import (
    FLOAT32,
    convert,
    from_bits,
    select,
    to_bits,
    trunc,
)  # fmt: skip

_FLOAT16 = np.dtype(np.float16)
_UINT16, _UINT32 = np.dtype(np.uint16), np.dtype(np.uint32)


@intrinsic("u", result=np.float32, operands=(np.uint16,))
def half_to_float(bits: Any) -> Any:
    """Return the float32 equal to the float16 with these bits (uint16)."""
    return convert(from_bits(bits), FLOAT32)


@intrinsic("f", result=np.uint16, operands=(np.float32,))
def float_to_half(x: Any) -> Any:
    """Return the bits (uint16) of the float16 nearest to a float32; infinity above 65504."""
    return to_bits(convert(x, _FLOAT16))


@intrinsic("f", result=np.float32, operands=(np.float32,))
def round_float16(x: Any) -> Any:
    """The nearest float16 to a float32, as a float32."""
    return convert(convert(x, _FLOAT16), FLOAT32)


def _nearest_bfloat16(x: Any) -> Any:
    """Bits (uint32) of a float32 with those below a bfloat16's rounded away, halves to even."""
    bits = to_bits(x)
    nearest = bits + (((bits >> 16) & 1) + 0x7FFF)
    return select(x == x, nearest, bits | 0x400000)


@intrinsic("f", result=np.float32, operands=(np.float32,))
def round_bfloat16(x: Any) -> Any:
    """The nearest bfloat16 to a float32, as a float32; a NaN stays one."""
    return from_bits(_nearest_bfloat16(x) & 0xFFFF0000)


@intrinsic("f", result=np.uint16, operands=(np.float32,))
def float_to_bfloat16(x: Any) -> Any:
    """Return the bits (uint16) of the bfloat16 nearest to a float32."""
    return convert(_nearest_bfloat16(x) >> 16, _UINT16)


@intrinsic("u", result=np.float32, operands=(np.uint16,))
def bfloat16_to_float(bits: Any) -> Any:
    """Return the float32 equal to the bfloat16 with these bits (uint16)."""
    return from_bits(convert(bits, _UINT32) << 16)


def _whole(x: Any, bits: int) -> Any:
    kind, limit = x.dtype.type, 2.0 ** (bits - 1)
    cut = trunc(x)
    inside = (cut >= -limit) & (cut < limit)
    return convert(select(inside, cut, kind(-limit)), np.dtype(f"int{bits}"))


@intrinsic("f", result=np.int32)
def to_int32(x: Any) -> Any:
    """x cut towards zero; the least int32 for NaN and for what int32 cannot hold."""
    return _whole(x, 32)


@intrinsic("f", result=np.int64)
def to_int64(x: Any) -> Any:
    """x cut towards zero; the least int64 for NaN and for what int64 cannot hold."""
    return _whole(x, 64)
