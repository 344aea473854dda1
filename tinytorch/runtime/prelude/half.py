"""float16 in memory, float32 in arithmetic: the two conversions.

Machine code holds a float16 as its 16 bits, for numba knows no such number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.runtime.prelude.intrinsic import intrinsic
from tinytorch.runtime.prelude.primitive import FLOAT32, convert, from_bits, to_bits

_FLOAT16 = np.dtype(np.float16)


@intrinsic("u", result=np.float32, operands=(np.uint16,))
def half_to_float(bits: Any) -> Any:
    """Return the float32 equal to the float16 with these bits (uint16)."""
    return convert(from_bits(bits), FLOAT32)


@intrinsic("f", result=np.uint16, operands=(np.float32,))
def float_to_half(x: Any) -> Any:
    """Return the bits (uint16) of the float16 nearest to a float32; infinity above 65504."""
    return to_bits(convert(x, _FLOAT16))
