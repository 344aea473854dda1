"""Random bits from a counter: the same numbers eager and compiled, for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, fail, opaque
from tinytorch.ir.types import TensorType, count, int64

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(seed: int, counters: np.ndarray) -> np.ndarray:
    """Return one 32-bit word for each counter, as int64 of the counters' shape.

    Word 0 of Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as
    1, 2, 3; SC 2011) with the 64-bit seed as key and the 64-bit counter as the block's low half.
    """
    c = counters.astype(np.uint64)
    c0, c1 = c & _LOW, c >> _HALF
    c2 = c3 = np.zeros_like(c0)
    key = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    k0, k1 = key & _LOW, key >> _HALF
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0.astype(np.int64)


def _random_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (state,) = types
    if state.dtype is not int64 or state.shape != (2,):
        raise fail("random_bits", "the state must be i64[2] (seed, counter)", state)
    return TensorType(int64, tuple(attrs["shape"]))


def _random_eager(state: np.ndarray, shape: Any, offset: int) -> np.ndarray:
    seed, counter = int(state[0]), int(state[1])
    counters = np.arange(count(shape), dtype=np.int64) + (counter + offset)
    with np.errstate(over="ignore"):
        return philox(seed, counters).reshape(tuple(shape))


random_bits = opaque(
    "random_bits", "random",
    "Integers in [0, 2**32): element i of the draw is a pure function of seed and "
    "counter + offset + i.",
    infer=_random_type, eager=_random_eager, result=int64,
)  # fmt: skip
