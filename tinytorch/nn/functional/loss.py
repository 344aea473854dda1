"""Losses that compare two tensors element by element."""

from __future__ import annotations

import warnings

from tinytorch.nn.functional.activation import stable_softplus
from tinytorch.nn.functional.reductions import reduced, reduction_of
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions import elementwise, logical_not, where
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.limits import promote_types
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_LOG_FLOOR = -100.0


def _pair(input: Tensor, target: Tensor, function: str) -> tuple[Tensor, Tensor]:
    """Both tensors in one dtype; warns, as PyTorch does, where their shapes differ."""
    check_tensor(input, function)
    check_tensor(target, function, "target")
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
    dtype = promote_types(input.dtype, target.dtype)
    if dtype is types.bool:
        raise NotImplementedError(f'"{function}" not implemented for bool')
    return input.to(dtype), target.to(dtype)


def _weighted(
    losses: Tensor, weight: Tensor | None, reduction: str, function: str
) -> Tensor:
    """Losses times weights of their shape; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(losses, reduction)
    check_tensor(weight, function)
    if weight.shape != losses.shape:
        raise ValueError(
            f"{function}: Weights and input must have the same size, but got "
            f"{list(weight.shape)} and {list(losses.shape)}"
        )
    total = losses * weight
    return total.sum() / weight.sum() if reduction == "mean" else reduced(total, reduction)


def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Squared difference; with ``weight`` (of the same shape) the mean is a weighted one."""
    reduction = reduction_of(size_average, reduce, reduction)
    input, target = _pair(input, target, "mse_loss")
    difference = input - target
    return _weighted(difference * difference, weight, reduction, "mse_loss")


def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Absolute difference; with ``weight`` (of the same shape) the mean is a weighted one."""
    reduction = reduction_of(size_average, reduce, reduction)
    _pair(input, target, "l1_loss")  # the difference promotes by itself, and refuses bools
    return _weighted(elementwise.abs(input - target), weight, reduction, "l1_loss")


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: Scalar = 1.0,
) -> Tensor:  # fmt: skip
    """d * d / (2 * beta) where the difference d is below beta, else |d| - beta / 2."""
    reduction = reduction_of(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    input, target = _pair(input, target, "smooth_l1_loss")
    d = elementwise.abs(input - target)
    return reduced(where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: Scalar = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """d * d / 2 where the difference d is at most delta, else delta * (|d| - delta / 2)."""
    reduction_of(None, None, reduction)
    if delta <= 0:
        raise RuntimeError(
            f"huber_loss does not support non-positive values for delta, got {delta}"
        )
    input, target = _pair(input, target, "huber_loss")
    d = elementwise.abs(input - target)
    losses = where(d <= delta, d * d * 0.5, (d - 0.5 * delta) * delta)
    return _weighted(losses, weight, reduction, "huber_loss")


def _check_equal_shapes(input: Tensor, target: Tensor, function: str) -> None:
    check_tensor(input, function)
    check_tensor(target, function)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )


def _floored_log(x: Tensor) -> Tensor:
    """log(x), at least -100; where x is 0 the derivative is 0, so that it never becomes NaN."""
    positive = x > 0
    logs = elementwise.log(where(positive, x, 1.0))
    return where(positive & (logs > _LOG_FLOOR), logs, _LOG_FLOOR)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(target * log(input) + (1 - target) * log(1 - input)); logarithms are at least -100.

    Input and target have one shape; raises ValueError otherwise, and RuntimeError for an input
    outside [0, 1]. The derivative of a logarithm at 0 is taken as 0.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _check_equal_shapes(input, target, "binary_cross_entropy")
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {target.dtype.name} but expected {input.dtype.name}")
    outside = logical_not((input >= 0) & (input <= 1))  # so that NaN is outside
    message = "all elements of input should be between 0 and 1"
    in_range(outside.to(types.int64), 1, "RuntimeError", message, False)
    outside = logical_not((target >= 0) & (target <= 1))
    message = "all elements of target should be between 0 and 1"
    in_range(outside.to(types.int64), 1, "RuntimeError", message, False)
    losses = -(target * _floored_log(input) + (1.0 - target) * _floored_log(1.0 - input))
    if weight is not None:
        losses = (losses * weight).to(input.dtype)
    return reduced(losses, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Binary cross entropy of sigmoid(input), without overflow; one shape for input and target.

    ``pos_weight`` multiplies the part of the positive class; it broadcasts.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "binary_cross_entropy_with_logits")
    if input.shape != target.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"\"binary_cross_entropy_with_logits\" not implemented for '{input.dtype.name}'"
        )
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            f"result type {input.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}"
        )
    if pos_weight is None:
        losses = input * (1.0 - target) + stable_softplus(-input)
    else:
        scale = (pos_weight - 1.0) * target + 1.0
        losses = input * (1.0 - target) + scale * stable_softplus(-input)
    return reduced(losses if weight is None else losses * weight, reduction)


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "l1_loss",
    "mse_loss", "smooth_l1_loss",
]  # fmt: skip
