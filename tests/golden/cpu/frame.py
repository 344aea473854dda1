"""cat_43df3461: 20 rows, 20 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def cat_43df3461(x0, x1, y0, lo, hi, chunk):
    for i in range(lo, hi):
        cat_1 = (x1[i] if 0 <= (i) // 4 < 3 else x0[i - 12])
        y0[i] = cat_1


@njit(parallel=True)
def run_cat_43df3461(x0, x1, y0):
    extent, size = 20, 20
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        cat_43df3461(x0, x1, y0, chunk * size, min(extent, chunk * size + size), chunk)


"""pad_3af85702: 7 rows, 7 a chunk."""

import numpy as np
from numba import njit, prange


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def pad_3af85702(x0, y0, lo, hi, chunk):
    for i in range(lo, hi):
        for j in range(6):
            pad_1 = (x0[i * 4 + j - 5] if 0 <= i - 1 < 5 and 0 <= j - 1 < 4 else 0.0)
            y0[i * 6 + j] = pad_1


@njit(parallel=True)
def run_pad_3af85702(x0, y0):
    extent, size = 7, 7
    chunks = (extent + size - 1) // size
    for chunk in prange(chunks):
        pad_3af85702(x0, y0, chunk * size, min(extent, chunk * size + size), chunk)
