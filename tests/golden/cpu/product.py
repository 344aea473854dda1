"""matmul_c1cf0401: 6 rows, 6 a chunk."""

import numpy as np
from numba import njit, prange

c0 = np.float32(0.0)


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def matmul_c1cf0401(x0, x1, y0, lo, hi, chunk):
    for i in range(lo, hi):
        for j in range(7):
            y0[i * 7 + j] = c0
        for k in range(5):
            factor = x0[i * 5 + k]
            for j in range(7):
                y0[i * 7 + j] += factor * (x1[j * 5 + k])


@njit(parallel=True)
def run_matmul_c1cf0401(x0, x1, y0):
    extent, size = 6, 6
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        matmul_c1cf0401(x0, x1, y0, chunk * size, min(extent, chunk * size + size), chunk)
