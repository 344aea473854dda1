"""Norms of differences and angles between vectors."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.tracer.functions import elementwise, extremes
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.kinds import Axes, Scalar
from tinytorch.tracer.limits import promote_types
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def norm(x: Tensor, p: Scalar, dim: Any, keepdim: bool) -> Tensor:
    """p-norm along axes; its derivative where it is 0 is taken as 0, as in PyTorch."""
    p = float(p)
    size = elementwise.abs(x)
    if p == math.inf:
        return extremes.amax(size, dim, keepdim)
    if p == -math.inf:
        return extremes.amin(size, dim, keepdim)
    if p == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    if p == 1:
        return size.sum(dim, keepdim)
    if p == 2:
        total = (x * x).sum(dim, keepdim)
    else:
        nothing = x == 0  # the derivative of a power below 1 is infinite there
        total = where(nothing, 0.0, where(nothing, 1.0, size) ** p).sum(dim, keepdim)
    nothing = total == 0
    safe = where(nothing, 1.0, total)
    return where(nothing, 0.0, elementwise.sqrt(safe) if p == 2 else safe ** (1.0 / p))


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: Scalar = 2.0, eps: Scalar = 1e-6, keepdim: bool = False
) -> Tensor:
    """p-norm of ``x1 - x2 + eps`` along the last axis; shapes broadcast."""
    check_tensor(x1, "pairwise_distance")
    check_tensor(x2, "pairwise_distance")
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: Axes = 1, eps: Scalar = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along an axis; shapes broadcast.

    Each norm counts as at least ``eps``, its derivative stays that of the norm.
    """
    check_tensor(x1, "cosine_similarity")
    check_tensor(x2, "cosine_similarity")
    dtype = promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {dtype.name}"
        )
    ndim = max(x1.ndim, x2.ndim)
    aligned = [x.reshape(*(1,) * (ndim - x.ndim), *x.shape) for x in (x1.to(dtype), x2.to(dtype))]
    shape = [b if a == 1 else a for a, b in zip(aligned[0].shape, aligned[1].shape, strict=True)]
    unit = []
    for x in aligned:
        whole = x.expand(*shape)
        size = norm(whole, 2, dim, keepdim=True)
        unit.append(whole / (size + where(size < eps, eps - size, 0.0).detach()))
    return (unit[0] * unit[1]).sum(dim)


__all__ = ["cosine_similarity", "pairwise_distance"]
