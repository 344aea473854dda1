"""Losses of classification: the class axis is axis 1, or the only one.

A class is picked by comparing it with an index along the class axis and summing the row, not by
gathering: mask, product and sum fuse into the row kernel that computes the log-softmax, and the
derivative is elementwise instead of a scatter.
"""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.activation import log_softmax
from tinytorch.nn.functional.loss import check_reduction
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: Any = -100,
    reduction: str = "mean", label_smoothing: Any = 0.0,
) -> Tensor:  # fmt: skip
    """Cross entropy of softmax(input) with a target.

    Input: (C), (N, C) or (N, C, d1, ...). Target: class indices, int, of the input's shape without
    C; or class probabilities, floating, of the input's shape. ``weight`` (C) scales classes;
    targets equal to ``ignore_index`` count for nothing. ``label_smoothing`` in [0, 1] mixes the
    target with the uniform distribution. The mean of class indices divides by the sum of weights.

    Raises ValueError for batch sizes that differ, RuntimeError for other shapes and dtypes that do
    not fit, IndexError "Target 7 is out of bounds." for a class that does not exist.
    """
    _check_input(input, weight, "cross_entropy")
    check_tensor(target, "cross_entropy")
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    axis = 0 if input.ndim == 1 else 1
    if target.shape == input.shape:
        return _soft_cross_entropy(
            input, target, weight, ignore_index, reduction, label_smoothing, axis
        )
    logs = log_softmax(input, axis)
    losses, weights = _picked(logs, target, weight, ignore_index, axis)
    out = _combined(losses, weights, reduction)
    if label_smoothing > 0.0:
        scaled = logs if weight is None else logs * _along(weight, axis, logs.ndim)
        spread = where(target == ignore_index, 0.0, -scaled.sum(axis))
        smooth = _combined(spread, weights, reduction)
        out = out * (1.0 - label_smoothing) + smooth * (label_smoothing / logs.shape[axis])
    return out


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: Any = -100,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log-likelihood: minus the input at each target class.

    Input (C), (N, C) or (N, C, d1, ...) of log-probabilities; target class indices of the input's
    shape without C. Weights, ``ignore_index``, reduction and errors as in ``cross_entropy``.
    """
    _check_input(input, weight, "nll_loss")
    check_tensor(target, "nll_loss")
    check_reduction(reduction)
    losses, weights = _picked(input, target, weight, ignore_index, 0 if input.ndim == 1 else 1)
    return _combined(losses, weights, reduction)


def _check_input(input: Tensor, weight: Tensor | None, function: str) -> None:
    check_tensor(input, function)
    if input.ndim == 0:
        raise ValueError(f"{function}: Expected 1 or more dimensions (got 0)")
    if not input.dtype.is_floating_point:
        raise RuntimeError(f'"{function}" not implemented for {input.dtype.name}')
    classes = input.shape[0 if input.ndim == 1 else 1]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"{function}: weight tensor should be defined either for all {classes} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )


def _check_target(input: Tensor, target: Tensor, axis: int) -> None:
    if target.dtype.kind != "i":
        raise RuntimeError(
            f"expected target dtype to be int64 (class indices), but got {target.dtype.name} for a "
            f"target of shape {list(target.shape)} and input of shape {list(input.shape)}"
        )
    expected = (*input.shape[:axis], *input.shape[axis + 1 :])
    if tuple(target.shape) == expected:
        return
    if axis and target.ndim and target.shape[0] != input.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )
    raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")


def _along(values: Tensor, axis: int, ndim: int) -> Tensor:
    """A vector laid along one axis of ``ndim``."""
    return values.reshape(*(-1 if i == axis else 1 for i in range(ndim)))


def _picked(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: Any, axis: int
) -> tuple[Tensor, Tensor]:
    """Losses of the target classes, and what each counts in a mean (bool or a weight)."""
    _check_target(logs, target, axis)
    size = logs.shape[axis]
    target = target.to(types.int64)
    counted = target != ignore_index
    checked = in_range(
        where(counted, target, 0), size, "IndexError", "Target {value} is out of bounds.", False
    )
    hit = _along(arange(size), axis, logs.ndim) == checked.unsqueeze(axis)
    losses = -where(hit, logs, 0.0).sum(axis)
    if weight is None:
        return where(counted, losses, 0.0), counted
    chosen = where(hit, _along(weight.to(logs.dtype), axis, logs.ndim), 0.0).sum(axis)
    weights = where(counted, chosen, 0.0)
    return where(counted, losses * weights, 0.0), weights


def _combined(losses: Tensor, weights: Tensor, reduction: str) -> Tensor:
    """Losses as they are, their sum, or their sum over the sum of weights."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / weights.sum()


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: Any, reduction: str,
    label_smoothing: Any, axis: int,
) -> Tensor:  # fmt: skip
    """Cross entropy with probabilities; the mean divides by the number of rows."""
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.name}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if label_smoothing > 0.0:
        target = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
    products = log_softmax(input, axis) * target
    if weight is not None:
        products = products * _along(weight, axis, input.ndim)
    losses = -products.sum(axis)
    if reduction == "none":
        return losses
    rows = input.numel() // input.shape[axis] if input.numel() else 0
    return losses.sum() if reduction == "sum" else losses.sum() / rows
