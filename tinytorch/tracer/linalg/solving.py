"""Inverses, solutions of linear equations, and determinants."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.tracer.autograd.function import Function
from tinytorch.tracer.functions.arranging import tril, triu
from tinytorch.tracer.functions.product import matmul
from tinytorch.tracer.linalg.numpy_rule import check_matrix, computed, refuse_singular
from tinytorch.tracer.tensor import Tensor


class _Inverse(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:  # noqa: N803
        def rule(a: np.ndarray) -> np.ndarray:
            refuse_singular("linalg.inv", "inversion", a)
            return np.asarray(np.linalg.inv(a))

        out: Tensor = computed("linalg.inv", rule, A)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        return -matmul(matmul(out.mT, g), out.mT)


def inv(A: Tensor) -> Tensor:  # noqa: N803
    """Inverses of square matrices; raises LinAlgError (a RuntimeError) for singular ones."""
    return _Inverse.apply(check_matrix(A, "linalg.inv", square=True))


def inverse(input: Tensor) -> Tensor:
    """``linalg.inv`` under its older name."""
    return inv(input)


def _summed_to(g: Tensor, shape: Any) -> Tensor:
    """A gradient of broadcast batches, added up to the shape of what was broadcast."""
    if tuple(g.shape) == tuple(shape):
        return g
    extra = g.ndim - len(shape)
    repeated = [i + extra for i, n in enumerate(shape) if n == 1 != g.shape[i + extra]]
    return g.sum((*range(extra), *repeated), keepdim=True).reshape(tuple(shape))


class _Solve(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:  # noqa: N803
        def rule(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            refuse_singular("linalg.solve", "solve", a)
            return np.asarray(np.linalg.solve(a, b))

        out: Tensor = computed("linalg.solve", rule, A, B)
        ctx.save_for_backward(A, out)
        ctx.shapes = A.shape, B.shape
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        A, out = ctx.saved_tensors  # noqa: N806
        right = _Solve.apply(A.mT, g)
        shapes = ctx.shapes
        return _summed_to(-matmul(right, out.mT), shapes[0]), _summed_to(right, shapes[1])


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # noqa: N803
    """X with ``A X = B`` (``X A = B`` if not ``left``); B is a batch of vectors or of matrices.

    Raises RuntimeError for shapes that do not fit, LinAlgError for singular matrices.
    """
    check_matrix(A, "linalg.solve", square=True)
    if B.dtype is not A.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{A.dtype.name} and B of type {B.dtype.name} instead"
        )
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector:
        return solve(A, B.unsqueeze(-1), left=True).squeeze(-1)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({A.shape[-2]}x{A.shape[-1]} and "
            f"{B.shape[-2]}x{B.shape[-1]})"
        )
    return _Solve.apply(A, B) if left else _Solve.apply(A.mT, B.mT).mT


class _Triangular(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor, upper: bool) -> Tensor:  # noqa: N803
        out: Tensor = computed("linalg.solve_triangular", np.linalg.solve, A, B)
        ctx.save_for_backward(A, out)
        ctx.upper, ctx.shapes = upper, (A.shape, B.shape)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        A, out = ctx.saved_tensors  # noqa: N806
        right = _Triangular.apply(A.mT, g, not ctx.upper)
        full = -matmul(right, out.mT)
        kept = triu(full) if ctx.upper else tril(full)
        return _summed_to(kept, ctx.shapes[0]), _summed_to(right, ctx.shapes[1]), None


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True,  # noqa: N803
                     unitriangular: bool = False) -> Tensor:  # fmt: skip
    """X with ``A X = B`` for triangular A; the other triangle is not read."""
    check_matrix(A, "linalg.solve_triangular", square=True)
    check_matrix(B, "linalg.solve_triangular")
    A = triu(A, int(unitriangular)) if upper else tril(A, -int(unitriangular))  # noqa: N806
    if unitriangular:
        A = A + _eye(A)  # noqa: N806
    return _Triangular.apply(A, B, upper) if left else _Triangular.apply(A.mT, B.mT, not upper).mT


def _eye(like: Tensor) -> Tensor:
    n = int(like.shape[-1])
    return Tensor.wrap(np.eye(n, dtype=like.dtype.numpy))


# ---------------------------------------------------------------- determinants


class _Determinant(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:  # noqa: N803
        out: Tensor = computed("linalg.det", np.linalg.det, A)
        ctx.save_for_backward(A, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        A, out = ctx.saved_tensors  # noqa: N806
        if (out.detach() != 0).all():
            cofactors = out[..., None, None] * inv(A).mT
        else:  # the inverse does not exist where the cofactors do
            cofactors = computed("linalg.det", _cofactors, A.detach())
        return g[..., None, None] * cofactors


def _cofactors(a: np.ndarray) -> np.ndarray:
    """Matrices of cofactors, from singular values: they exist for singular matrices, too."""
    u, s, vh = np.linalg.svd(a)
    others = np.repeat(s[..., None, :], s.shape[-1], -2)
    others[..., np.arange(s.shape[-1]), np.arange(s.shape[-1])] = 1
    signs = np.linalg.det(u) * np.linalg.det(vh)
    return np.asarray(signs[..., None, None] * ((u * np.prod(others, -1)[..., None, :]) @ vh))


def det(A: Tensor) -> Tensor:  # noqa: N803
    """Determinants of square matrices."""
    return _Determinant.apply(check_matrix(A, "linalg.det", square=True))


class SlogdetResult(NamedTuple):
    """Sign of a determinant and logarithm of its magnitude."""

    sign: Tensor
    logabsdet: Tensor


class _LogDeterminant(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Any:  # noqa: N803
        sign, size = computed("linalg.slogdet", lambda a: tuple(np.linalg.slogdet(a)), A)
        ctx.save_for_backward(A)
        ctx.mark_non_differentiable(sign)
        return sign, size

    @staticmethod
    def backward(ctx: Any, _: Any, g: Tensor) -> Tensor:
        (A,) = ctx.saved_tensors  # noqa: N806
        return g[..., None, None] * inv(A).mT


def slogdet(A: Tensor) -> SlogdetResult:  # noqa: N803
    """Sign and logarithm of the magnitude of determinants; -inf for singular matrices."""
    return SlogdetResult(*_LogDeterminant.apply(check_matrix(A, "linalg.slogdet", square=True)))


def logdet(input: Tensor) -> Tensor:
    """Logarithm of determinants: NaN where one is negative."""
    sign, size = slogdet(input)
    return size.masked_fill(sign < 0, float("nan"))


__all__ = ["det", "inverse", "logdet", "slogdet"]
METHODS = __all__
