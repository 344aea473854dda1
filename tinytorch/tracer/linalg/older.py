"""Factorizations under their older names, at the top of the package, with their own arguments."""

from __future__ import annotations

from typing import NamedTuple

from tinytorch.tracer.linalg import factorizing
from tinytorch.tracer.linalg.factorizing import QRResult, svdvals
from tinytorch.tracer.tensor import Tensor


class OlderSVDResult(NamedTuple):
    """Left singular vectors, singular values, and right singular vectors as columns."""

    U: Tensor
    S: Tensor
    V: Tensor


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """``linalg.cholesky``."""
    return factorizing.cholesky(input, upper=upper)


def qr(input: Tensor, some: bool = True) -> QRResult:
    """``linalg.qr``, in its reduced form if ``some``."""
    return factorizing.qr(input, "reduced" if some else "complete")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> OlderSVDResult:
    """``linalg.svd`` with V itself; without ``compute_uv`` U and V are zeros."""
    if not compute_uv:
        rows, columns = input.shape[-2:]
        lead = input.shape[:-2]
        return OlderSVDResult(input.new_zeros(*lead, rows, rows), svdvals(input),
                              input.new_zeros(*lead, columns, columns))  # fmt: skip
    U, S, Vh = factorizing.svd(input, full_matrices=not some)  # noqa: N806
    return OlderSVDResult(U, S, Vh.mT)


__all__ = ["cholesky", "qr", "svd"]
METHODS = __all__
