"""Softmax and its kin, without overflow or loss."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.functions.reduction import without_axes
from tinytorch.tracer.shapes import axes_of
from tinytorch.tracer.tensor import Tensor


@in_float32
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = ops.exp(input - ops.max_(input, axes=axes).detach())
    return shifted / ops.sum_(shifted, axes=axes)


@in_float32
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(softmax(x)), without overflow or loss."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = input - ops.max_(input, axes=axes).detach()
    return shifted - ops.log(ops.sum_(ops.exp(shifted), axes=axes))


@in_float32
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow."""
    axes = axes_of(dim, input.ndim)
    top = ops.max_(input, axes=axes).detach()
    top = ops.where(ops.abs_(top) == math.inf, 0.0, top)
    out = ops.log(ops.sum_(ops.exp(input - top), axes=axes)) + top
    return without_axes(out, input, axes, keepdim)


__all__ = [
    "log_softmax", "logsumexp", "softmax",
]  # fmt: skip
METHODS = __all__
