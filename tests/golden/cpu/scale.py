"""mul_42de62ed: one value of any extent."""

import numpy as np
from numba import njit, prange

c0 = np.float32(3.0)


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def mul_42de62ed(x0, y0, lo, hi, chunk):
    for i in range(lo, hi):
        x_1 = x0[i]
        mul_2 = x_1 * c0
        y0[i] = mul_2


@njit(parallel=True)
def run_mul_42de62ed(x0, y0):
    extent, size = y0.size, 65536
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        mul_42de62ed(x0, y0, chunk * size, min(extent, chunk * size + size), chunk)
