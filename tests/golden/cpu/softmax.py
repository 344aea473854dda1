"""max_exp_sum_8ef8f4d1: 512 rows, 16 a chunk."""

import numpy as np
from numba import njit, prange

from tinytorch.runtime.intrinsics import exp, interleave, max_step, sum_step

c0 = np.float32(-np.inf)
c1 = np.float32(0.0)


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def max_exp_sum_8ef8f4d1(x0, y0, row0, lo, hi, chunk):
    for i in range(lo, hi):
        max_2 = c0
        for j in range(128):
            interleave(1)
            x_1 = x0[i * 128 + j]
            max_2 = max_step(max_2, x_1)
        sum_6 = c1
        for j in range(128):
            interleave(1)
            x_3 = x0[i * 128 + j]
            sub_4 = x_3 - max_2
            exp_5 = exp(sub_4)
            sum_6 = sum_step(sum_6, exp_5)
            row0[j] = exp_5
        for j in range(128):
            interleave(1)
            kept_7 = row0[j]
            div_8 = kept_7 / sum_6
            y0[i * 128 + j] = div_8


@njit(parallel=True)
def run_max_exp_sum_8ef8f4d1(x0, y0):
    extent, size = 512, 16
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        row0 = np.empty(128, np.float32)
        max_exp_sum_8ef8f4d1(x0, y0, row0, chunk * size, min(extent, chunk * size + size), chunk)
