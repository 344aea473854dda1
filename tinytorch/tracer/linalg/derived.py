"""What is computed from factorizations: pseudo-inverses, least squares, ranks, exponentials."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.ir import ops
from tinytorch.tracer.autograd.function import Function
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.functions.norms import matrix_norm
from tinytorch.tracer.functions.product import matmul
from tinytorch.tracer.limits import finfo
from tinytorch.tracer.linalg.factorizing import eigvalsh, svdvals
from tinytorch.tracer.linalg.numpy_rule import check_matrix, computed
from tinytorch.tracer.linalg.solving import inv, solve, solve_triangular
from tinytorch.tracer.tensor import Tensor


class _PseudoInverse(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, rcond: float, hermitian: bool) -> Tensor:  # noqa: N803
        out: Tensor = computed("linalg.pinv", lambda a: np.linalg.pinv(a, rcond, hermitian), A)
        ctx.save_for_backward(A, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        A, P = ctx.saved_tensors  # noqa: N806
        across = matmul(g.mT, matmul(P, P.mT))
        along = matmul(matmul(P.mT, P), g.mT)
        out = across - matmul(A, matmul(P, across)) + along - matmul(along, P).matmul(A)
        return out - matmul(matmul(P.mT, g), P.mT), None, None


def pinv(A: Tensor, *, atol: float | None = None, rtol: float | None = None,  # noqa: N803
         hermitian: bool = False) -> Tensor:  # fmt: skip
    """Pseudo-inverses; singular values up to ``max(atol, rtol * largest)`` count as zero."""
    check_matrix(A, "linalg.pinv")
    limit = finfo(A.dtype).eps * max(A.shape[-2:]) if rtol is None and atol is None else rtol or 0.0
    if atol:
        largest = float(known(svdvals(A.detach()), "singular values", "call it outside").max())
        limit = max(limit, atol / largest) if largest else limit
    return _PseudoInverse.apply(A, limit, hermitian)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv`` under its older name."""
    return pinv(input, rtol=rcond)


def matrix_rank(A: Tensor, *, atol: Any = None, rtol: Any = None,  # noqa: N803
                hermitian: bool = False) -> Tensor:  # fmt: skip
    """How many singular values are above ``max(atol, rtol * largest)``, as int64."""
    check_matrix(A, "linalg.matrix_rank")
    values = eigvalsh(A.detach()).abs() if hermitian else svdvals(A.detach())
    if rtol is None:
        rtol = finfo(A.dtype).eps * max(A.shape[-2:]) if atol is None else 0.0
    limit = values.amax(-1, keepdim=True) * rtol
    if atol is not None:
        limit = limit.clamp(min=atol)
    return (values > limit).sum(-1)


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803
    """Condition numbers in a matrix norm, by default that of singular values."""
    check_matrix(A, "linalg.cond")
    if p in (None, 2, -2):
        values = svdvals(A)
        first, last = values.select(-1, 0), values.select(-1, -1)
        return last / first if p == -2 else first / last
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Matrices multiplied by themselves, by repeated squaring; below 0, their inverses."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{input.shape[-2] if input.ndim > 1 else 1} by {input.shape[-1]} matrices"
        )
    if n < 0:
        return matrix_power(inv(input), -n)
    row = input.apply_op(ops.iota, (), {"shape": input._type.shape, "axis": input.ndim - 2})
    col = input.apply_op(ops.iota, (), {"shape": input._type.shape, "axis": input.ndim - 1})
    out: Tensor | None = None
    square = input
    while n:
        if n & 1:
            out = square if out is None else matmul(out, square)
        n >>= 1
        square = matmul(square, square) if n else square
    if out is None:
        return (row == col).to(input.dtype)
    return out.clone() if out is input else out


class LstsqResult(NamedTuple):
    """Least-squares solutions, sums of squared residuals, ranks and singular values."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *,  # noqa: N803
          driver: str | None = None) -> LstsqResult:  # fmt: skip
    """X with the least ``|A X - B|``, the shortest of them where many are.

    Residuals are empty where A has not full rank or no more rows than columns, and for the default
    driver (gelsy), as in PyTorch.
    """
    check_matrix(A, "linalg.lstsq")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    vector = B.ndim == A.ndim - 1
    right = B.unsqueeze(-1) if vector else B
    limit = finfo(A.dtype).eps * max(A.shape[-2:]) if rcond is None else rcond
    solution = matmul(pinv(A, rtol=limit), right)
    rank = matrix_rank(A, rtol=limit)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else A.new_zeros(0)
    residuals = A.new_zeros(0)
    full = A.shape[-2] > A.shape[-1] and bool((rank == A.shape[-1]).all())
    if full and driver not in (None, "gelsy"):
        residuals = ((matmul(A, solution) - right) ** 2).sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    return LstsqResult(solution.squeeze(-1) if vector else solution, residuals, rank, values)


def matrix_exp(A: Tensor) -> Tensor:  # noqa: N803
    """Exponentials of square matrices: a Taylor polynomial of a scaled matrix, squared back.

    The degree is that which float64 needs for a norm of 1/2. Runs eagerly alone, as the scale
    depends on the data.
    """
    check_matrix(A, "linalg.matrix_exp", square=True)
    size = known(A.detach().abs(), "the norm of linalg.matrix_exp's operand", "call it outside")
    largest = float(size.sum(-2).max(initial=0.0))
    squarings = max(0, math.ceil(math.log2(largest)) + 1) if 0 < largest < math.inf else 0
    scaled = A * 2.0**-squarings
    eye = Tensor.wrap(np.eye(int(A.shape[-1]), dtype=A.dtype.numpy))
    out = eye + scaled * (1 / 14)
    for k in range(13, 0, -1):
        out = eye + matmul(scaled, out) * (1 / k)
    for _ in range(squarings):
        out = matmul(out, out)
    return out


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:  # noqa: N803
    """X with ``A X = input``, from the Cholesky factor of A."""
    L = L.mT if upper else L  # noqa: N806
    return solve_triangular(L.mT, solve_triangular(L, input, upper=False), upper=True)


def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, from its Cholesky factor."""
    eye = Tensor.wrap(np.eye(int(input.shape[-1]), dtype=input.dtype.numpy))
    return cholesky_solve(eye.expand(*input.shape), input, upper)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:  # noqa: N803
    """X with ``tensordot(A, X, X.ndim) = B``."""
    moved = A if dims is None else A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(moved.shape[B.ndim :])
    size = math.prod(shape)
    if size != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {size} != {B.numel()}"
        )
    return solve(moved.reshape(size, size), B.reshape(-1)).reshape(*shape)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:  # noqa: N803
    """The inverse of the map that ``tensordot(A, ., ind)`` is."""
    rows, columns = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            "prod(self.shape[:ind])"
        )
    return inv(A.reshape(math.prod(rows), math.prod(columns))).reshape(*columns, *rows)


__all__ = ["cholesky_inverse", "cholesky_solve", "matrix_exp", "matrix_power", "pinverse"]
METHODS = __all__
