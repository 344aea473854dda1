"""Counter-based random bits: Philox 4x32-10.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011. The n-th word depends on the seed and n alone, so any part of a stream can be made
anywhere, in any order, and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import convert

_UINT64 = np.dtype(np.uint64)
_INT64 = np.dtype(np.int64)
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF
_ROUNDS = 10


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Return a block of four random words; words are uint64 below 2**32."""
    a, b, c, d = counter
    for i in range(_ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        first, second = ((k + w * i) & _WORD for k, w in zip(key, _WEYL))
        a, b = (right >> 32) ^ b ^ first, right & _WORD
        c, d = (left >> 32) ^ d ^ second, left & _WORD
    return a, b, c, d


@intrinsic("i", operands=(np.int64, np.int64))
def random_bits(seed: Any, counter: Any) -> Any:
    """The 32 random bits of a counter, as an int64 from 0 to 2**32 - 1.

    Word 0 of the Philox block whose key is the seed and whose number is the counter: the bits of
    ``ir.ops.random``. One word a block keeps every lane of a vector alike.
    """
    seed, counter = convert(seed, _UINT64), convert(counter, _UINT64)
    zero = counter ^ counter
    block = (counter & _WORD, counter >> 32, zero, zero)
    return convert(philox(block, (seed & _WORD, seed >> 32))[0], _INT64)
