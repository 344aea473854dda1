"""Counter-based random bits: Philox 4x32-10.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011. The n-th word depends on the seed and n alone, so any part of a stream can be made
anywhere, in any order, and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import convert, select

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


def _block(seed: Any, index: Any) -> tuple[Any, Any, Any, Any]:
    """Return block ``index`` of the stream of a seed, both uint64."""
    zero = index ^ index
    return philox((index & _WORD, index >> 32, zero, zero), (seed & _WORD, seed >> 32))


@intrinsic("i", operands=(np.int64, np.int64))
def random_bits(seed: Any, counter: Any) -> Any:
    """Word ``counter`` of the stream of a seed: an int64 from 0 to 2**32 - 1.

    It is word ``counter % 4`` of Philox block ``counter // 4``; the seed is the key, and the block
    number the low half of the Philox counter.
    """
    seed, counter = convert(seed, _UINT64), convert(counter, _UINT64)
    a, b, c, d = _block(seed, counter >> 2)
    odd = (counter & 1) != 0
    word = select((counter & 2) != 0, select(odd, d, c), select(odd, b, a))
    return convert(word, _INT64)


def random_bits_array(seed: int, start: int, count: int) -> np.ndarray[Any, Any]:
    """Return words ``start`` to ``start + count - 1`` of the stream of a seed, int64[count].

    The same words as :func:`random_bits`, at one block for four words.
    """
    first = start >> 2
    index = np.arange(first, ((start + count + 3) >> 2), dtype=_INT64).astype(_UINT64)
    key = np.array([seed], dtype=_INT64).astype(_UINT64)
    words = np.stack(np.broadcast_arrays(*_block(key, index)), axis=1).reshape(-1)
    return words[start - 4 * first :][:count].astype(_INT64)
