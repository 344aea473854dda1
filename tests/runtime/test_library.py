from __future__ import annotations

from tinytorch.ir import types as T
from tinytorch.runtime import device
from tinytorch.runtime.library import NO_BLAS, blas, portable_gemm


def test_numpy_brings_a_library():
    found = blas()
    assert found.sgemm
    assert found.dgemm
    assert found.gemm(T.float32) == found.sgemm
    assert found.gemm(T.int32) == 0
    assert NO_BLAS.gemm(T.float32) == 0


def test_portable_text_is_python():
    compile(portable_gemm(T.float64).text, "portable", "exec")


def test_facts_of_the_host():
    host = device.host()
    assert host.cores >= 1
    assert host.name
    target = device.target()
    assert target.name == "cpu"
    assert target.cache_bytes >= target.l1_bytes > 0
