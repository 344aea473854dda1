"""Bags of rows of a table: the sum, mean or maximum of the rows that indices choose."""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.layer import embedding
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions.elementwise import logical_not, where
from tinytorch.tracer.functions.gathering import gather
from tinytorch.tracer.functions.scattering import index_add, scatter_reduce
from tinytorch.tracer.functions.searching import searchsorted
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: Any = None,
    norm_type: Any = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: Any = None,
) -> Tensor:  # fmt: skip
    """The ``mode`` ("sum", "mean" or "max") of the rows of each bag: (bags, width).

    ``input`` is (bags, size), or all bags one after another with the ``offsets`` where they start
    (``include_last_offset``: and where the last ends). Rows at ``padding_idx`` count for nothing;
    empty bags give zeros. ``per_sample_weights`` multiplies rows before a sum. The other arguments
    are those of ``embedding``.
    """
    bag, count = _bags(input, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, but got {mode}")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only "
                f"supported for mode='sum' (got mode='{mode}'). Please open a feature request on "
                "GitHub."
            )
        if tuple(per_sample_weights.shape) != tuple(input.shape):
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is not "
                f"None, then it must have the same shape as the input ({list(input.shape)})"
            )
    flat = input.reshape(-1)
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    width = rows.shape[-1]
    kept = None
    if padding_idx is not None:
        padding_idx = padding_idx + weight.shape[0] if padding_idx < 0 else padding_idx
        kept = flat != padding_idx
    if mode == "max":
        return _largest(rows, bag, count, kept)
    if kept is not None:
        rows = where(kept.unsqueeze(-1), rows, 0.0)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    total = index_add(rows.new_zeros(count, width), 0, bag, rows)
    if mode == "sum":
        return total
    ones = rows.new_ones(flat.shape[0]) if kept is None else kept.to(rows.dtype)
    held = index_add(rows.new_zeros(count), 0, bag, ones)
    return total / where(held > 0, held, 1.0).unsqueeze(-1)


def _bags(input: Tensor, offsets: Tensor | None, with_end: bool) -> tuple[Tensor, Any]:
    """The bag of each index, and how many bags there are."""
    if check_tensor(input, "embedding_bag").ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        rows, size = input.shape
        return arange(rows).reshape(-1, 1).expand(rows, size).reshape(-1), rows
    if input.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts = offsets[:-1] if with_end else offsets
    at = arange(input.shape[0])
    bag = searchsorted(starts.to(types.int64).contiguous(), at, right=True) - 1
    return bag, starts.shape[0]


def _largest(rows: Tensor, bag: Tensor, count: Any, kept: Tensor | None) -> Tensor:
    """The largest of each bag; the first of equal ones receives the gradient."""
    number, width = rows.shape
    if number == 0:
        return rows.new_zeros(count, width)
    values = rows.detach()
    if kept is not None:
        values = where(kept.unsqueeze(-1), values, float("-inf"))
    place = bag.unsqueeze(-1).expand(number, width)
    lowest = rows.new_full((count, width), float("-inf"))
    best = scatter_reduce(lowest, 0, place, values, "amax")
    order = arange(number).unsqueeze(-1).expand(number, width)
    chosen = where(gather(best, 0, place) == values, order, number)
    if kept is not None:
        chosen = where(kept.unsqueeze(-1), chosen, number)
    none = arange(1).expand(count, width) + number
    first = scatter_reduce(none, 0, place, chosen, "amin")
    empty = first == number
    return where(logical_not(empty), gather(rows, 0, where(empty, 0, first)), 0.0)


__all__ = ["embedding_bag"]
