"""How elements lie in numpy arrays, and how numpy rules are run on them.

numpy has every dtype but bfloat16: its elements are kept as opaque items of two bytes, on which
any arithmetic is an error rather than a wrong number. Halves (float16 and bfloat16) are widened to
float32 before a rule runs, and its result is rounded to the nearest half, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinytorch.ir.op import Op
from tinytorch.ir.types import DType, TensorType, bfloat16, from_numpy_dtype

_BFLOAT16 = bfloat16.numpy
_MOVING = ("movement", "source", "structure")
_INDEFINITE = {"int64": 2.0**63, "int32": 2.0**31, "int16": 2.0**31, "int8": 2.0**31,
               "uint8": 2.0**31}  # fmt: skip


def numbers(array: np.ndarray) -> np.ndarray:
    """Return stored elements as numbers that numpy knows: bfloat16 as float32, others as is."""
    if array.dtype != _BFLOAT16:
        return array
    bits = np.ascontiguousarray(array).view(np.uint16).reshape(array.shape)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _bfloat16_bits(values: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of each float32, halves to even, as bits; a NaN stays one."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).reshape(values.shape)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    quiet = (bits >> 16) | 0x40
    return np.where(np.isnan(values), quiet, rounded).astype(np.uint16)


def _whole(values: np.ndarray, dtype: DType) -> np.ndarray:
    """Floats as integers: cut towards zero, then wrapped; see ``stored``."""
    limit = _INDEFINITE[dtype.name]
    cut = np.trunc(values)
    inside = (cut >= -limit) & (cut < limit)
    wide = np.where(inside, cut, -limit).astype(np.int64)
    return wide.astype(dtype.numpy)


def stored(values: Any, dtype: DType) -> np.ndarray:
    """Return numbers (or stored elements) as stored elements of a dtype.

    Integers wrap. Floats become integers as on x86: cut towards zero; what int64 (for int64) or
    int32 (for the others) cannot hold, NaN included, counts as its least number; then they wrap.
    float64 becomes a half by way of float32, as in PyTorch.
    """
    array = np.asarray(values)
    if array.dtype == dtype.numpy:
        return array
    array = numbers(array)
    with np.errstate(all="ignore"):
        if dtype.is_half:
            array = array.astype(np.float32)
            if dtype is bfloat16:
                return _bfloat16_bits(array).view(_BFLOAT16)
        elif dtype.kind == "i" and array.dtype.kind == "f":
            return _whole(array, dtype)
        return array.astype(dtype.numpy)


def widened(array: Any) -> Any:
    """Return halves as float32, anything else as it is."""
    if isinstance(array, np.ndarray | np.generic) and array.dtype in (_BFLOAT16, np.float16):
        with np.errstate(all="ignore"):  # a signalling NaN among the halves
            return numbers(np.asarray(array)).astype(np.float32)
    return array


def run_rule(op: Op, arrays: Iterable[Any], attrs: Mapping[str, Any], type: Any) -> Any:
    """Run an op's numpy rule on stored elements; the result is stored as its type says."""
    if op.accumulates or not (op.moves or op.family in _MOVING):
        arrays = [widened(a) for a in arrays]
    with np.errstate(all="ignore"):  # infinities and NaN are results here
        result = op.eager(*arrays, **attrs)
    return stored(result, type.dtype) if isinstance(type, TensorType) else result


def added(a: Any, b: Any) -> Any:
    """Return the sum of two values of one dtype, each an array of stored elements or a handle."""
    if not isinstance(a, np.ndarray):
        return a + b
    return stored(widened(a) + widened(b), from_numpy_dtype(a.dtype))


def rounded(value: float, dtype: DType) -> Any:
    """Return a Python number as a dtype holds it."""
    return numbers(stored(np.asarray(value), dtype)).item()
