"""What becomes of the losses of single elements: kept, averaged or added."""

from __future__ import annotations

import warnings

from tinytorch.tracer.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    """Raise ValueError unless the reduction is known."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that PyTorch's two old flags ask for, with a warning; else ``reduction``.

    Raises ValueError for one that does not exist.
    """
    if size_average is None and reduce is None:
        check_reduction(reduction)
        return reduction
    averaged = size_average is None or size_average
    reduced_at_all = reduce is None or reduce
    found = ("mean" if averaged else "sum") if reduced_at_all else "none"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' "
        "instead.",
        stacklevel=3,
    )
    return found


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """Losses as they are, their mean or their sum."""
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()
