"""Softmax and its kin, without overflow or loss."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import DType
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.functions.reduction import without_axes
from tinytorch.tracer.kinds import Axes
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import axes_of, check_tensor
from tinytorch.tracer.tensor import Tensor


def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow; in a dtype, if one is given."""
    return _softmax(_converted(input, "softmax", dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """log(softmax(x)), without overflow or loss; in a dtype, if one is given."""
    return _log_softmax(_converted(input, "log_softmax", dtype), dim)


def _converted(input: Tensor, name: str, dtype: Any) -> Tensor:
    """The operand in the dtype of the result, which may be wider than its own."""
    input = check_tensor(input, name)
    return input if dtype is None else input.to(dtype)


@in_float32
def _softmax(input: Tensor, dim: int) -> Tensor:
    axes = axes_of(dim, input.ndim)
    if any(input._type.shape[a] == 0 for a in axes):
        return ops.exp(input)
    shifted = ops.exp(input - ops.max_(input, axes=axes).detach())
    return shifted / ops.sum_(shifted, axes=axes)


@in_float32
def _log_softmax(input: Tensor, dim: int) -> Tensor:
    axes = axes_of(dim, input.ndim)
    if any(input._type.shape[a] == 0 for a in axes):
        return ops.exp(input)
    shifted = input - ops.max_(input, axes=axes).detach()
    return shifted - ops.log(ops.sum_(ops.exp(shifted), axes=axes))


@in_float32
def logsumexp(input: Tensor, dim: Axes, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow; integers become the default float."""
    x = input if input.dtype.is_floating_point else input.to(mode.default_dtype)
    axes = axes_of(dim, x.ndim)
    if any(x._type.shape[a] == 0 for a in axes):
        return without_axes(ops.log(ops.sum_(x, axes=axes)), x, axes, keepdim)
    top = ops.max_(x, axes=axes).detach()
    top = ops.where(ops.abs_(top) == math.inf, 0.0, top)
    out = ops.log(ops.sum_(ops.exp(x - top), axes=axes)) + top
    return without_axes(out, x, axes, keepdim)


__all__ = [
    "log_softmax", "logsumexp", "softmax",
]  # fmt: skip
METHODS = __all__
