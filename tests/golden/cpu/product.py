"""matmul_8beef8f8: 6 rows, 6 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def matmul_8beef8f8(x0, x1, y0, pack, lo, hi, chunk):
    for p in range(5):
        for j in range(7):
            pack[p * 7 + j] = x1[j * 5 + p]
    for i in range(lo, hi):
        factor_0 = x0[i * 5]
        factor_1 = x0[i * 5 + 1]
        factor_2 = x0[i * 5 + 2]
        factor_3 = x0[i * 5 + 3]
        factor_4 = x0[i * 5 + 4]
        for j in range(7):
            y0[i * 7 + j] = factor_0 * pack[j] + factor_1 * (pack[j + 7]) + factor_2 * (pack[j + 14]) + factor_3 * (pack[j + 21]) + factor_4 * (pack[j + 28])


@njit(parallel=True)
def run_matmul_8beef8f8(x0, x1, y0):
    extent, size = 6, 6
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        pack = np.empty(35, np.float32)
        matmul_8beef8f8(x0, x1, y0, pack, chunk * size, min(extent, chunk * size + size), chunk)
