"""One panel of a matrix product, by the BLAS library.

All matrices are row-major: ``out`` (rows, n) = left (rows, k) @ right (k, n), either operand
possibly stored transposed.
"""

from __future__ import annotations

from tinytorch.runtime import layout as at
from tinytorch.runtime.native.machine import dgemm_32, dgemm_64, load, sgemm_32, sgemm_64

ROW_MAJOR = 101
NO_TRANSPOSE = 111
TRANSPOSE = 112


def multiply(record: int, table: int, index: int) -> None:
    """Run panel ``index`` of a product (panels of one batch member follow each other)."""
    m = load(record + at.M)
    n = load(record + at.N)
    k = load(record + at.K)
    itemsize = load(record + at.ITEMSIZE)
    flip_left = load(record + at.TRANSPOSE_LEFT)
    flip_right = load(record + at.TRANSPOSE_RIGHT)
    panels = load(record + at.PANELS)
    member = index // panels
    first = (index - member * panels) * load(record + at.PANEL_ROWS)
    rows = min(load(record + at.PANEL_ROWS), m - first)
    left = load(table + at.WORD * load(record + at.LEFT))
    right = load(table + at.WORD * load(record + at.RIGHT))
    out = load(table + at.WORD * load(record + at.OUT))
    left += itemsize * (member * load(record + at.LEFT_STRIDE) + first * (1 if flip_left else k))
    right += itemsize * member * load(record + at.RIGHT_STRIDE)
    out += itemsize * (member * m * n + first * n)
    flip_a = TRANSPOSE if flip_left else NO_TRANSPOSE
    flip_b = TRANSPOSE if flip_right else NO_TRANSPOSE
    lda = max(1, m if flip_left else k)
    ldb = max(1, k if flip_right else n)
    gemm = load(record + at.GEMM)
    wide = load(record + at.GEMM_INT) == 64
    single = load(record + at.ITEMSIZE) == 4
    # fmt: off
    if wide and single:
        sgemm_64(gemm, ROW_MAJOR, flip_a, flip_b, rows, n, k, left, lda, right, ldb, out, n)
    elif wide:
        dgemm_64(gemm, ROW_MAJOR, flip_a, flip_b, rows, n, k, left, lda, right, ldb, out, n)
    elif single:
        sgemm_32(gemm, ROW_MAJOR, flip_a, flip_b, rows, n, k, left, lda, right, ldb, out, n)
    else:
        dgemm_32(gemm, ROW_MAJOR, flip_a, flip_b, rows, n, k, left, lda, right, ldb, out, n)
    # fmt: on
