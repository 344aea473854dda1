"""Losses that are divergences or negative log-likelihoods of distributions."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tinytorch.nn.functional.reductions import check_reduction, reduced, reduction_of
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import full
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_LOG_TWO_PI = math.log(2 * math.pi)


def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """target * (log(target) - input), input being log-probabilities; shapes broadcast.

    ``log_target`` says that the target holds logarithms, too. ``reduction`` may also be
    ``"batchmean"``, the sum over the size of axis 0: the divergence as it is defined.
    """
    check_tensor(input, "kl_div")
    check_tensor(target, "kl_div")
    if not input.dtype.is_floating_point or not target.dtype.is_floating_point:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if reduction != "batchmean":
        reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition"
            ".'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if log_target:
        losses = elementwise.exp(target) * (target - input)
    else:
        nothing = target == 0
        own = target * elementwise.log(where(nothing, 1.0, target))
        losses = where(nothing, 0.0, own) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.ndim else losses
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: bool | None = None, eps: Scalar = 1e-8, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(input) - target * input, or input - target * log(input + eps) without ``log_input``.

    ``full`` adds Stirling's approximation of log(target!) where the target is above 1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "poisson_nll_loss")
    check_tensor(target, "poisson_nll_loss")
    if log_input:
        losses = elementwise.exp(input) - target * input
    else:
        losses = input - target * elementwise.log(input + eps)
    if full:
        many = target > 1
        t = where(many, target, 1.0)
        stirling = t * elementwise.log(t) - t + 0.5 * elementwise.log(t * (2 * math.pi))
        losses = losses + where(many, stirling, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: Scalar = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """(log(var) + (input - target) ** 2 / var) / 2, the variance being at least ``eps``.

    ``var`` is a number, of the input's shape, or without its last axis. ``full`` adds
    log(2 * pi) / 2. Raises ValueError where shapes do not fit or a variance is negative. No
    gradient is lost where the variance is limited.
    """
    check_tensor(input, "gaussian_nll_loss")
    check_tensor(target, "gaussian_nll_loss")
    check_reduction(reduction)
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = _filled(input, var)
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif tuple(input.shape[:-1]) != tuple(var.shape[:-1]) or var.shape[-1] != 1:
            raise ValueError("var is of incorrect size")
    if not var.dtype.is_floating_point:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {var.dtype.name}"
        )
    in_range((var < 0).to(types.int64), 1, "ValueError", "var has negative entry/entries", False)
    limited = var + where(var < eps, eps - var, 0.0).detach()
    difference = input - target
    losses = 0.5 * (elementwise.log(limited) + difference * difference / limited)
    return reduced(losses + 0.5 * _LOG_TWO_PI if full else losses, reduction)


def _filled(like: Tensor, value: Any) -> Tensor:
    return full(like.shape, value, dtype=like.dtype)


__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]
