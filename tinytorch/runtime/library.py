"""Matrix products of the BLAS library that numpy already brings, found by symbol.

Known layouts, in the order tried: numpy's own OpenBLAS (pip: prefixed, 64-bit integers), plain
cblas in the process or in the environment (conda: OpenBLAS or MKL), Accelerate (macOS). Where
none is found, products run on a portable kernel instead.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinytorch.ir.source import Source
from tinytorch.ir.types import DType, int64

_GEMM = (  # symbol, bits of its integers
    ("scipy_cblas_{}64_", 64),
    ("cblas_{}64_", 64),
    ("cblas_{}_64", 64),
    ("cblas_{}$NEWLAPACK$ILP64", 64),
    ("scipy_cblas_{}", 32),
    ("cblas_{}$NEWLAPACK", 32),
    ("cblas_{}", 32),
)
_THREADS = (  # set, get: process-wide in OpenBLAS, whatever else a name promises
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)
_FILES = {
    "linux": ("libcblas.so.3", "libopenblas.so.0", "libmkl_rt.so.2", "libblis.so.4"),
    "darwin": ("libcblas.3.dylib", "libopenblas.0.dylib"),
}
_ACCELERATE = "/System/Library/Frameworks/Accelerate.framework/Accelerate"


@dataclass(frozen=True)
class Blas:
    """Addresses of BLAS functions. ``sgemm`` 0: there is no library; the other zeros: no such."""

    name: str
    integer_bits: int
    sgemm: int
    dgemm: int
    set_threads: int
    get_threads: int

    def gemm(self, dtype: DType) -> int:
        """Address of the product of a dtype, or 0 if the portable kernel must do it."""
        return {"float32": self.sgemm, "float64": self.dgemm}.get(dtype.name, 0)


NO_BLAS = Blas("portable", 64, 0, 0, 0, 0)


def _libraries() -> Iterator[tuple[str, ctypes.CDLL]]:
    """Libraries to search: numpy's extension (and so what it links), the process, then files."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            file = importlib.import_module(module).__file__
        except ImportError:
            continue
        if file is not None:
            yield "numpy", ctypes.CDLL(file)
            break
    yield "process", ctypes.CDLL(None)
    names = [Path(sys.prefix) / "lib" / name for name in _FILES.get(sys.platform, ())]
    for path in [*names, Path(_ACCELERATE)] if sys.platform == "darwin" else names:
        try:
            yield path.name, ctypes.CDLL(str(path))
        except OSError:
            continue


def _address(library: ctypes.CDLL, name: str) -> int:
    function = getattr(library, name, None)
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0


@functools.cache
def blas() -> Blas:
    """The library found in this process, or ``NO_BLAS``."""
    for name, library in _libraries():
        for pattern, bits in _GEMM:
            sgemm = _address(library, pattern.format("sgemm"))
            dgemm = _address(library, pattern.format("dgemm"))
            if not sgemm or not dgemm:
                continue
            setter, getter = 0, 0
            for pair in _THREADS:
                setter, getter = (_address(library, symbol) for symbol in pair)
                if setter and getter:
                    break
            both = (setter, getter) if setter and getter else (0, 0)
            return Blas(f"{name}:{pattern.format('sgemm')}", bits, sgemm, dgemm, *both)
    return NO_BLAS


# ------------------------------------------------------------- portable product

SIZES = ("n", "k", "left", "left_row", "left_step", "right", "right_row", "right_step", "out")
"""Words of the ``sizes`` buffer: extents, and start and strides of the operands in elements."""

_BLOCK = 64  # rows of the right operand packed at once
_WIDTH = 256  # elements of each

_TEXT = '''import numpy as np
from numba import njit

ZERO = np.{dtype}(0)


@njit(nogil=True, error_model="numpy", fastmath={{"contract"}})
def {name}(left, right, out, sizes, packed, lo, hi, chunk):
    n, k = sizes[0], sizes[1]
    left_at, left_row, left_step = sizes[2], sizes[3], sizes[4]
    right_at, right_row, right_step = sizes[5], sizes[6], sizes[7]
    out_at = sizes[8]
    for place in range(out_at + lo * n, out_at + hi * n):
        out[place] = ZERO
    for k0 in range(0, k, {block}):
        deep = min({block}, k - k0)
        for n0 in range(0, n, {width}):
            wide = min({width}, n - n0)
            for p in range(deep):
                start = right_at + (k0 + p) * right_row + n0 * right_step
                for j in range(wide):
                    packed[p * wide + j] = right[start + j * right_step]
            for i in range(lo, hi):
                a = left_at + i * left_row + k0 * left_step
                o = out_at + i * n + n0
                for p in range(deep):
                    factor = left[a + p * left_step]
                    for j in range(wide):
                        out[o + j] += factor * packed[p * wide + j]
'''


@functools.cache
def portable_gemm(dtype: DType) -> Source:
    """The text of a kernel that computes rows ``lo`` to ``hi`` of a product of any dtype.

    Buffers: left, right, out, ``sizes`` (see ``SIZES``).
    """
    name = f"portable_gemm_{dtype.short}"
    text = _TEXT.format(name=name, dtype=dtype.compute, block=_BLOCK, width=_WIDTH)
    buffers = (dtype, dtype, dtype, int64)
    return Source(name, "cpu", text, name, buffers, ((dtype, _BLOCK * _WIDTH),))
