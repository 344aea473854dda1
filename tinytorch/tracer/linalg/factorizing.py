"""Cholesky, QR, singular value and symmetric eigenvalue decompositions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.errors import LinAlgError
from tinytorch.tracer.autograd.function import Function
from tinytorch.tracer.functions.arranging import diag_embed, tril, triu
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.product import matmul
from tinytorch.tracer.functions.viewing import diagonal
from tinytorch.tracer.linalg.numpy_rule import check_matrix, computed
from tinytorch.tracer.linalg.solving import solve_triangular
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.tensor import Tensor


def _halved_lower(x: Tensor) -> Tensor:
    """The lower triangle, its diagonal halved."""
    return tril(x) - diag_embed(diagonal(x, 0, -2, -1)) * 0.5


def _symmetric(x: Tensor) -> Tensor:
    return (x + x.mT) * 0.5


def _cholesky_rule(a: np.ndarray) -> np.ndarray:
    whole = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)
    try:
        return np.asarray(np.linalg.cholesky(whole))
    except np.linalg.LinAlgError:
        for batch, place in enumerate(np.ndindex(whole.shape[:-2])):
            order = _failing_minor(whole[place])
            if order:
                raise LinAlgError(_not_positive(order, batch, a.ndim > 2)) from None
        raise


def _failing_minor(matrix: np.ndarray) -> int:
    """Order of the first leading minor that is not positive-definite; 0 for none."""
    for order in range(1, len(matrix) + 1):
        try:
            np.linalg.cholesky(matrix[:order, :order])
        except np.linalg.LinAlgError:
            return order
    return 0


def _not_positive(order: int, batch: int, batched: bool) -> str:
    which = f"(Batch element {batch}): " if batched else ""
    return (
        f"linalg.cholesky: {which}The factorization could not be completed because the input is "
        f"not positive-definite (the leading minor of order {order} is not positive-definite)."
    )


class _Cholesky(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:  # noqa: N803
        out: Tensor = computed("linalg.cholesky", _cholesky_rule, A)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (L,) = ctx.saved_tensors  # noqa: N806
        inner = _halved_lower(matmul(L.mT, tril(g)))
        left = solve_triangular(L.mT, inner, upper=True)
        return _symmetric(solve_triangular(L, left, upper=False, left=False))


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:  # noqa: N803
    """Lower L with ``A = L L.mT`` of symmetric positive-definite A (with ``upper``, L.mT).

    Raises LinAlgError for a matrix that is not positive-definite.
    """
    check_matrix(A, "linalg.cholesky", square=True)
    return _Cholesky.apply(A.mT if upper else A).mT if upper else _Cholesky.apply(A)


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangle."""

    Q: Tensor
    R: Tensor


class _QR(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, mode: Any) -> Any:  # noqa: N803
        Q, R = computed("linalg.qr", lambda a: tuple(np.linalg.qr(a, mode)), A)  # noqa: N806
        ctx.save_for_backward(A, Q, R)
        ctx.mode = mode
        return Q, R

    @staticmethod
    def backward(ctx: Any, gq: Tensor, gr: Tensor) -> Any:
        A, Q, R = ctx.saved_tensors  # noqa: N806
        m, n = A.shape[-2:]
        if ctx.mode == "complete" and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
            )
        if m >= n:
            return _qr_pulled(Q, R, gq, gr), None
        left, right = gr[..., :m], gr[..., m:]
        gq = gq + matmul(A[..., m:], right.mT)
        square = _qr_pulled(Q, R[..., :m], gq, left)
        return cat([square, matmul(Q, right)], -1), None


def _qr_pulled(Q: Tensor, R: Tensor, gq: Tensor, gr: Tensor) -> Tensor:  # noqa: N803
    """Cotangent of a matrix of no more columns than rows, by Giles' formula."""
    m = matmul(triu(R), triu(gr).mT) - matmul(gq.mT, Q)
    full = tril(m) + tril(m, -1).mT
    return solve_triangular(R, (gq + matmul(Q, full)).mT, upper=True).mT


def qr(A: Tensor, mode: str = "reduced") -> QRResult:  # noqa: N803
    """``A = Q R`` with orthonormal columns Q and upper triangles R; ``mode`` may be "complete"."""
    if mode not in ("reduced", "complete"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' or 'complete'"
        )
    return QRResult(*_QR.apply(check_matrix(A, "linalg.qr"), mode))


# --------------------------------------------------------------- singular values


class SVDResult(NamedTuple):
    """Left singular vectors, singular values in falling order, right ones as rows."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _differences(s: Tensor) -> Tensor:
    """``1 / (s_j - s_i)`` of each pair, 0 on the diagonal."""
    gap = s.unsqueeze(-2) - s.unsqueeze(-1)
    same = gap == 0
    eye = Tensor.wrap(np.eye(int(s.shape[-1]), dtype=bool))
    return where(same & eye, 0.0, 1 / where(same & eye, 1.0, gap))


class _SVD(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Any:  # noqa: N803
        U, S, Vh = computed(  # noqa: N806
            "linalg.svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), A
        )
        ctx.save_for_backward(U, S, Vh)
        return U, S, Vh

    @staticmethod
    def backward(ctx: Any, gu: Tensor, gs: Tensor, gvh: Tensor) -> Tensor:
        U, S, Vh = ctx.saved_tensors  # noqa: N806
        V = Vh.mT  # noqa: N806
        gv = gvh.mT
        F = _differences(S * S)  # noqa: N806
        row, column = S.unsqueeze(-2), S.unsqueeze(-1)
        left, right = matmul(U.mT, gu), matmul(V.mT, gv)
        core = (F * (left - left.mT)) * row + column * (F * (right - right.mT))
        out = matmul(matmul(U, core + diag_embed(gs)), Vh)
        if U.shape[-2] > U.shape[-1]:
            rest = gu / row
            out = out + matmul(rest - matmul(U, matmul(U.mT, rest)), Vh)
        if V.shape[-2] > V.shape[-1]:
            rest = (gv / row).mT
            out = out + matmul(U, rest - matmul(matmul(rest, V), Vh))
        return out


def svd(A: Tensor, full_matrices: bool = True) -> SVDResult:  # noqa: N803
    """``A = U diag(S) Vh``. Gradients need the economic form and distinct singular values."""
    check_matrix(A, "linalg.svd")
    square = A.shape[-1] == A.shape[-2]
    if not full_matrices or square:
        return SVDResult(*_SVD.apply(A))
    if A.requires_grad:
        raise RuntimeError(
            "linalg.svd: gradients need full_matrices=False, as the vectors beyond the rank are "
            "arbitrary"
        )
    return SVDResult(*computed("linalg.svd", lambda a: tuple(np.linalg.svd(a)), A))


def svdvals(A: Tensor) -> Tensor:  # noqa: N803
    """Singular values in falling order."""
    return _SingularValues.apply(check_matrix(A, "linalg.svdvals"))


class _SingularValues(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:  # noqa: N803
        ctx.save_for_backward(A)
        out: Tensor = computed("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (A,) = ctx.saved_tensors  # noqa: N806
        U, _, Vh = _SVD.apply(A)  # noqa: N806
        return matmul(U * g.unsqueeze(-2), Vh)


# ------------------------------------------------------------------ eigenvalues


class EighResult(NamedTuple):
    """Eigenvalues in rising order, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class _Eigh(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, triangle: Any) -> Any:  # noqa: N803
        L, V = computed(  # noqa: N806
            "linalg.eigh", lambda a: tuple(np.linalg.eigh(a, triangle)), A
        )
        ctx.save_for_backward(L, V)
        return L, V

    @staticmethod
    def backward(ctx: Any, gl: Tensor, gv: Tensor) -> Any:
        L, V = ctx.saved_tensors  # noqa: N806
        inner = diag_embed(gl) + matmul(V.mT, gv) * _differences(L)
        return _symmetric(matmul(matmul(V, inner), V.mT)), None


def _triangle(UPLO: str) -> Any:  # noqa: N803
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


def eigh(A: Tensor, UPLO: str = "L") -> EighResult:  # noqa: N803
    """Eigenvalues and eigenvectors of symmetric matrices, of which one triangle is read."""
    check_matrix(A, "linalg.eigh", square=True)
    return EighResult(*_Eigh.apply(A, _triangle(UPLO)))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Eigenvalues of symmetric matrices, in rising order."""
    return _SymmetricValues.apply(
        check_matrix(A, "linalg.eigvalsh", square=True), _triangle(UPLO)
    )


class _SymmetricValues(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, triangle: Any) -> Tensor:  # noqa: N803
        ctx.save_for_backward(A)
        ctx.triangle = triangle
        out: Tensor = computed("linalg.eigvalsh", lambda a: np.linalg.eigvalsh(a, triangle), A)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (A,) = ctx.saved_tensors  # noqa: N806
        _, V = _Eigh.apply(A, ctx.triangle)  # noqa: N806
        return matmul(V * g.unsqueeze(-2), V.mT), None


__all__: list[str] = []
METHODS: list[str] = []
