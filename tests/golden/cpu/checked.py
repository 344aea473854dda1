"""require_range_71dc6597: 7 rows, 7 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def require_range_71dc6597(x0, y0, status, lo, hi, chunk):
    failed_2 = False
    for i in range(lo, hi):
        x_1 = x0[i]
        failed_2 = failed_2 | ((x_1 < 0) | (x_1 >= 10))
        y0[i] = x_1
    if failed_2:
        status[0] = 1


@njit(parallel=True)
def run_require_range_71dc6597(x0, y0, status):
    extent, size = 7, 7
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        require_range_71dc6597(x0, y0, status, chunk * size, min(extent, chunk * size + size), chunk)


"""take_bd87a670: 28 rows, 28 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def take_bd87a670(x0, x1, y0, lo, hi, chunk):
    for i in range(lo, hi):
        x_1 = x0[(i) // 4]
        at_2 = x_1
        take_3 = x1[at_2 * 4 + (i) % 4]
        y0[i] = take_3


@njit(parallel=True)
def run_take_bd87a670(x0, x1, y0):
    extent, size = 28, 28
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        take_bd87a670(x0, x1, y0, chunk * size, min(extent, chunk * size + size), chunk)
