"""Contractions: products summed over shared axes."""

from __future__ import annotations

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, fail, multilinear
from tinytorch.ir.ops.movement import permute
from tinytorch.ir.types import TensorType


def _matmul_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    a, b = types
    if a.ndim < 2 or a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2]:
        raise fail("matmul", "operands must be matrices with the same batch axes", a, b)
    if a.shape[-1] != b.shape[-2]:
        raise fail("matmul", f"inner sizes {a.shape[-1]} and {b.shape[-2]} differ", a, b)
    if a.dtype is not b.dtype:
        raise fail("matmul", "operands must have one dtype", a, b)
    return TensorType(a.dtype, (*a.shape[:-1], b.shape[-1]))


def _matmul_eager(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # inf and nan are results here
        return np.matmul(a, b)


def transposed(x: Handle) -> Handle:
    """The last two axes swapped."""
    n = len(x.aval.shape)
    return permute(x, order=(*range(n - 2), n - 1, n - 2))


matmul: Op = multilinear(
    "matmul", "contraction", "Matrix product over the last two axes; batch axes are equal.",
    infer=_matmul_type, eager=_matmul_eager, accumulates=True,
    transposes=(
        lambda g, a, b: matmul(g, transposed(b)),
        lambda g, a, b: matmul(transposed(a), g),
    ),
)  # fmt: skip
