"""Clipping of gradients, by their common norm or each value. Works inside compiled functions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from types import GeneratorType
from typing import Any

from tinytorch.tracer import dtypes
from tinytorch.tracer.factories import tensor
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import clamp, isfinite, logical_not
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.tensor import Tensor

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        return [tensors]
    found = list(tensors)
    if isinstance(tensors, GeneratorType) and not found:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    return found


def _norm(x: Tensor, order: float) -> Tensor:
    """The norm of all elements of a tensor."""
    size = elementwise.abs(x)
    if order == math.inf:
        return size.amax() if x.numel() else size.sum()
    if order == -math.inf:
        return size.amin()
    if order == 0:
        return (size != 0).to(x.dtype).sum()
    if order == 1:
        return size.sum()
    if order == 2:
        return elementwise.sqrt((x * x).sum())
    return (size**order).sum() ** (1.0 / order)


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the norm of the norms of tensors, a scalar. ``norm_type`` may be infinite.

    With ``error_if_nonfinite`` raises RuntimeError where it is NaN or infinite. ``foreach`` is
    accepted and has no effect.
    """
    order = float(norm_type)
    found = _listed(tensors)
    if not found:
        return tensor(0.0)
    with no_grad():
        total = _norm(stack(_promoted([_norm(x, order) for x in found])), order)
        if error_if_nonfinite:
            message = (
                f"The total norm of order {order} for gradients from `parameters` is non-finite, "
                "so it cannot be clipped. To disable this error and scale the gradients by the "
                "non-finite norm anyway, set `error_if_nonfinite=False`"
            )
            in_range(logical_not(isfinite(total)).to(dtypes.int64), 1, "RuntimeError", message,
                     False)  # fmt: skip
    return total


def _promoted(norms: list[Tensor]) -> list[Tensor]:
    widest = max((n.dtype for n in norms), key=lambda dtype: dtype.bits)
    return [n.to(widest) for n in norms]


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: Any, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients in place by max_norm / (total_norm + 1e-6), where that is below 1."""
    scale = clamp(max_norm / (total_norm + 1e-6), max=1.0)
    with no_grad():
        for parameter in _listed(parameters):
            grad = parameter.grad
            if grad is not None:
                grad.mul_(scale.to(grad.dtype))


def clip_grad_norm_(
    parameters: Tensors, max_norm: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Scale the gradients of parameters in place to a total norm of at most ``max_norm``.

    Returns the norm they had, all taken as one vector; see ``get_total_norm`` for the settings.
    """
    found = _listed(parameters)
    grads = [p.grad for p in found if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(found, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensors, clip_value: Any, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients in place to [-clip_value, clip_value]."""
    with no_grad():
        for parameter in _listed(parameters):
            grad = parameter.grad
            if grad is not None:
                grad.clamp_(min=-clip_value, max=clip_value)
