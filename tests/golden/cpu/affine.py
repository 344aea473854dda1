"""relu_da8ff3fb: 64 rows, 64 a chunk."""

import numpy as np
from numba import njit, prange

from tinytorch.runtime.intrinsics import interleave, relu


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def relu_da8ff3fb(x0, x1, y0, lo, hi, chunk):
    for i in range(lo, hi):
        for j in range(48):
            interleave(1)
            x_1 = x0[i * 48 + j]
            x_2 = x1[j]
            add_3 = x_1 + x_2
            relu_4 = relu(add_3)
            y0[i * 48 + j] = relu_4


@njit(parallel=True)
def run_relu_da8ff3fb(x0, x1, y0):
    extent, size = 64, 64
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        relu_da8ff3fb(x0, x1, y0, chunk * size, min(extent, chunk * size + size), chunk)
