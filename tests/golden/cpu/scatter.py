"""put_add_cfeadc0a: 10 rows, 10 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def put_add_cfeadc0a(x0, x1, y0, lo, hi, chunk):
    for i in range(lo, hi):
        for p in range(1):
            for j in range(4):
                y0[p * 40 + i * 4 + j] = 0.0
    for n in range(7):
        at = x1[n]
        if lo <= at < hi:
            for p in range(1):
                for j in range(4):
                    y0[p * 40 + at * 4 + j] += x0[p * 28 + n * 4 + j]


@njit(parallel=True)
def run_put_add_cfeadc0a(x0, x1, y0):
    extent, size = 10, 10
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        put_add_cfeadc0a(x0, x1, y0, chunk * size, min(extent, chunk * size + size), chunk)
