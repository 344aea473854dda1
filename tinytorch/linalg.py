"""``tinytorch.linalg``: norms and products, which compile; factorizations, which run eagerly."""

from typing import Any

from tinytorch.errors import LinAlgError
from tinytorch.tracer.arguments import cover as _cover
from tinytorch.tracer.functions.norms import linalg_norm as norm
from tinytorch.tracer.functions.norms import matrix_norm, vector_norm
from tinytorch.tracer.functions.product import cross as _cross
from tinytorch.tracer.functions.product import matmul, multi_dot, vecdot
from tinytorch.tracer.functions.viewing import diagonal as _diagonal
from tinytorch.tracer.linalg.derived import (
    cond,
    lstsq,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    tensorinv,
    tensorsolve,
)
from tinytorch.tracer.linalg.factorizing import cholesky, eigh, eigvalsh, qr, svd, svdvals
from tinytorch.tracer.linalg.solving import det, inv, slogdet, solve, solve_triangular
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.tensor import Tensor


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross product along an axis of size 3."""
    return _cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:  # noqa: N803
    """The diagonal of two axes (by default the last), as a new last axis."""
    return _diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, N: Any = None) -> Tensor:  # noqa: N803
    """Powers 0, 1, ... of each element, along a new last axis."""
    n = int(x.shape[-1]) if N is None else N
    columns = [x.constant(1, shape=(*x.shape, 1))]
    for _ in range(n - 1):
        columns.append(columns[-1] * x.unsqueeze(-1))
    return cat(columns, -1)


__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv",
    "lstsq", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot",
    "norm", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "tensorinv",
    "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip

_cover(globals(), __all__[1:])
