"""Losses that order or attract whole vectors, and margins between numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.nn.functional.activation import logsigmoid, stable_softplus
from tinytorch.nn.functional.distance import pairwise_distance
from tinytorch.nn.functional.reductions import reduced, reduction_of
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import clamp_min, where
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_COSINE_EPSILON = 1e-12


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: Scalar = 0.0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Inputs (N, D) with target (N), or (D) with (). Raises RuntimeError where shapes do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    for x in (input1, input2, target):
        check_tensor(x, "cosine_embedding_loss")
    if target.ndim > 1 or (input1.ndim, input2.ndim) != (target.ndim + 1,) * 2:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    product = (input1 * input2).sum(-1)
    sizes = [(x * x).sum(-1) + _COSINE_EPSILON for x in (input1, input2)]
    cosine = product / elementwise.sqrt(sizes[0] * sizes[1])
    alike = where(target == 1, 1.0 - cosine, 0.0)
    apart = where(target == -1, clamp_min(cosine - margin, 0), 0.0)
    return reduced(alike + apart, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: Scalar = 1.0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """x where the target is 1, max(0, margin - x) where it is -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "hinge_embedding_loss")
    check_tensor(target, "hinge_embedding_loss")
    apart = where(target != 1, clamp_min(margin - input, 0), 0.0)
    return reduced(apart + where(target != -1, input, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: Scalar = 0.0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, -target * (input1 - input2) + margin). Raises RuntimeError for other ranks."""
    reduction = reduction_of(size_average, reduce, reduction)
    for x in (input1, input2, target):
        check_tensor(x, "margin_ranking_loss")
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + exp(-target * input)), without overflow."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "soft_margin_loss")
    check_tensor(target, "soft_margin_loss")
    losses = stable_softplus(-(target.to(input.dtype) * input))
    if losses.shape != input.shape:
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(losses.shape)}"
        )
    return reduced(losses, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over the classes (the last axis) of the binary cross entropy of sigmoid(input)."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "multilabel_soft_margin_loss")
    check_tensor(target, "multilabel_soft_margin_loss")
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    weighted = losses if weight is None else losses * weight
    axis = input.ndim - 1
    return reduced(weighted.sum(axis) / input.shape[axis], reduction)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: Scalar = 1.0, p: Scalar = 2.0,
    eps: Scalar = 1e-6, swap: bool = False, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, |anchor - positive| - |anchor - negative| + margin), in the p-norm.

    ``swap`` takes the nearer of anchor and positive to the negative. Raises ValueError for a
    margin that is not positive, RuntimeError for ranks that differ.
    """
    reduction = reduction_of(size_average, reduce, reduction)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return reduced(_triplet(anchor, positive, negative, margin, swap, distance), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: Scalar = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``triplet_margin_loss`` with a distance of one's own (the 2-norm if None)."""
    reduction = reduction_of(None, None, reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    return reduced(_triplet(anchor, positive, negative, margin, swap, distance), reduction)


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: Any, swap: bool,
    distance: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:  # fmt: skip
    for x in (anchor, positive, negative):
        check_tensor(x, "triplet_margin_loss")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = elementwise.minimum(far, distance(positive, negative))
    return clamp_min(near - far + margin, 0)


__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss",
    "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip
