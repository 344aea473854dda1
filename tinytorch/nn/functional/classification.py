"""Losses of classification: the class axis is axis 1, or the only one.

A class is picked by comparing it with an index along the class axis and summing the row, not by
gathering: mask, product and sum fuse into the row kernel that computes the log-softmax, and the
derivative is elementwise instead of a scatter.
"""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.reductions import reduced, reduction_of
from tinytorch.nn.functional.softmaxes import log_softmax
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions.elementwise import clamp_min, where
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.kinds import Scalar, Whole
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: Whole = -100, reduce: bool | None = None, reduction: str = "mean",
    label_smoothing: Scalar = 0.0,
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
    reduction = reduction_of(size_average, reduce, reduction)
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
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: Whole = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log-likelihood: minus the input at each target class.

    Input (C), (N, C) or (N, C, d1, ...) of log-probabilities; target class indices of the input's
    shape without C. Weights, ``ignore_index``, reduction and errors as in ``cross_entropy``.
    """
    _check_input(input, weight, "nll_loss")
    check_tensor(target, "nll_loss")
    reduction = reduction_of(size_average, reduce, reduction)
    losses, weights = _picked(input, target, weight, ignore_index, 0 if input.ndim == 1 else 1)
    return _combined(losses, weights, reduction)


def _check_input(input: Tensor, weight: Tensor | None, function: str) -> None:
    check_tensor(input, function)
    if input.ndim == 0:
        raise ValueError(f"{function}: Expected 1 or more dimensions (got 0)")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')
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
    batch = target.shape[0] if target.ndim else 0
    if axis and batch != input.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({batch})."
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


# --------------------------------------------------------------------- margins


def multi_margin_loss(
    input: Tensor, target: Tensor, p: Scalar = 1, margin: Scalar = 1.0,
    weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over the other classes of max(0, margin - x[target] + x) ** p, times weight[target].

    Input (N, C) or (C), target class indices (N) or (). Raises ValueError for p other than 1
    and 2, RuntimeError where shapes do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    _check_input(input, weight, "multi_margin_loss")
    check_tensor(target, "multi_margin_loss")
    axis = input.ndim - 1
    if input.ndim > 2 or target.shape.numel() != input.numel() // max(input.shape[-1], 1):
        raise RuntimeError(
            f"multi_margin_loss: inconsistent target size, expected {list(input.shape[:-1])} but "
            f"got {list(target.shape)}"
        )
    size = input.shape[axis]
    checked = in_range(
        target.reshape(*input.shape[:-1]), size, "RuntimeError", "target out of range", False
    )
    hit = arange(size) == checked.unsqueeze(-1)
    chosen = where(hit, input, 0.0).sum(-1, keepdim=True)
    gap = clamp_min(margin - chosen + input, 0)
    terms = gap if p == 1 else gap * gap
    if weight is not None:
        terms = terms * where(hit, weight.to(input.dtype), 0.0).sum(-1, keepdim=True)
    return reduced(where(hit, 0.0, terms).sum(-1) / size, reduction)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Sum over labels and other classes of max(0, 1 - x[label] + x[other]), over C.

    Input (N, C) or (C); target of the same shape: class indices, up to the first -1. Raises
    RuntimeError where shapes do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _check_input(input, None, "multilabel_margin_loss")
    check_tensor(target, "multilabel_margin_loss")
    if input.ndim > 2 or target.shape != input.shape:
        raise RuntimeError(
            f"multilabel_margin_loss: inconsistent target size {list(target.shape)} for input of "
            f"size {list(input.shape)}"
        )
    size = input.shape[-1]
    classes = arange(size)
    ended = ((target == -1).unsqueeze(-2) & (classes <= classes.unsqueeze(-1))).to(types.int64)
    valid = ended.sum(-1) == 0
    checked = in_range(where(valid, target, 0), size, "RuntimeError", "target out of range", False)
    hit = (checked.unsqueeze(-1) == classes) & valid.unsqueeze(-1)  # (..., label, class)
    chosen = where(hit, input.unsqueeze(-2), 0.0).sum(-1)
    other = hit.to(types.int64).sum(-2) == 0
    gap = clamp_min(1.0 - chosen.unsqueeze(-1) + input.unsqueeze(-2), 0)
    counted = valid.unsqueeze(-1) & other.unsqueeze(-2)
    return reduced(where(counted, gap, 0.0).sum((-2, -1)) / size, reduction)


__all__ = ["cross_entropy", "multi_margin_loss", "multilabel_margin_loss", "nll_loss"]
