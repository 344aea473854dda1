"""sum_0081b840: 300 rows, 100 a chunk."""

import numpy as np
from numba import njit, prange

from tinytorch.runtime.intrinsics import sum_step


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def sum_0081b840(x0, y0, y1, part0, part1, lo, hi, chunk):
    for j in range(200):
        part0[chunk * 200 + j] = 0.0
    total_sum_1 = 0.0
    for i in range(lo, hi):
        row_sum_3 = 0.0
        for j in range(200):
            x_2 = x0[i * 200 + j]
            part0[chunk * 200 + j] += x_2
            row_sum_3 = sum_step(row_sum_3, x_2)
        total_sum_1 = sum_step(total_sum_1, row_sum_3)
    part1[chunk] = total_sum_1


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def sum_0081b840_finish(x0, y0, y1, part0, part1, lo, hi, chunk):
    for j in range(200):
        y0[j] = 0.0
    for chunk in range(3):
        for j in range(200):
            y0[j] += part0[chunk * 200 + j]
    sum_4 = 0.0
    for chunk in range(3):
        sum_4 = sum_step(sum_4, part1[chunk])
    y1[0] = sum_4


@njit(parallel=True)
def run_sum_0081b840(x0, y0, y1, part0, part1):
    extent, size = 300, 100
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        sum_0081b840(x0, y0, y1, part0, part1, chunk * size, min(extent, chunk * size + size), chunk)
    sum_0081b840_finish(x0, y0, y1, part0, part1, 0, chunks, 0)
