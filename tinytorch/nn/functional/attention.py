"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.nn.functional.dropping import dropout
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import elementwise, extremes, matmul
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: Scalar = 0.0, is_causal: bool = False, scale: Scalar = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """``softmax(query @ key.T * scale + mask) @ value``.

    Query (..., L, E), key (..., S, E), value (..., S, V); the result is (..., L, V). A bool
    ``attn_mask`` says who takes part, a floating one is added; it broadcasts to (..., L, S).
    ``is_causal`` lets row i see columns up to i. ``scale`` None is 1 / sqrt(E). A row that sees
    nothing gives zeros. ``enable_gqa`` repeats key and value for groups of query heads (axis -3).
    Raises RuntimeError where shapes, dtypes or settings do not fit. Source: Vaswani et al.,
    "Attention Is All You Need", 2017.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        check_tensor(x, "scaled_dot_product_attention")
        if x.ndim < 2:
            raise RuntimeError(
                f"scaled_dot_product_attention: Expected query, key, and value to all be at least "
                f"2 dimensional, but got {name} of shape {list(x.shape)}"
            )
        if x.dtype is not query.dtype:
            raise RuntimeError(
                "Expected query, key, and value to have the same dtype, but got query.dtype: "
                f"{query.dtype.name} key.dtype: {key.dtype.name} and value.dtype: "
                f"{value.dtype.name} instead."
            )
    if attn_mask is not None and is_causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    if enable_gqa:
        key, value = _repeated(query, key), _repeated(query, value)
    half = query.dtype.bits < 32
    wide = [x.to(types.float32) if half else x for x in (query, key, value)]
    width = query.shape[-1]
    factor = (1.0 / math.sqrt(width) if width else math.inf) if scale is None else scale
    scores = matmul(wide[0] * factor, wide[1].transpose(-2, -1))
    if is_causal:
        rows, columns = scores.shape[-2:]
        scores = where(arange(columns) <= arange(rows).unsqueeze(-1), scores, -math.inf)
    if attn_mask is not None:
        scores = _masked(scores, attn_mask, query.dtype)
    weights = _softmax(scores)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return matmul(weights, wide[2]).to(query.dtype)


def _masked(scores: Tensor, mask: Tensor, dtype: Any) -> Tensor:
    check_tensor(mask, "scaled_dot_product_attention")
    if mask.dtype is types.bool:
        return where(mask, scores, -math.inf)
    if mask.dtype is not dtype and mask.dtype is not types.float32:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype.name} and query.dtype: {dtype.name} instead."
        )
    return scores + mask.to(scores.dtype)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax along the last axis; zeros where every score is -inf."""
    top = extremes.amax(scores, -1, keepdim=True).detach()
    terms = elementwise.exp(scores - where(top == -math.inf, 0.0, top))
    total = terms.sum(-1, keepdim=True)
    return terms / where(total == 0, 1.0, total)


def _repeated(query: Tensor, x: Tensor) -> Tensor:
    """Repeat heads (axis -3) to as many as the query has."""
    if query.ndim < 3 or x.ndim < 3 or query.shape[-3] % x.shape[-3]:
        raise RuntimeError(
            "enable_gqa: the number of heads in key and value must divide the number of heads in "
            f"query; got shapes {list(query.shape)} and {list(x.shape)}"
        )
    *batch, heads, length, width = x.shape
    times = query.shape[-3] // heads
    spread = x.unsqueeze(-3).expand(*batch, heads, times, length, width)
    return spread.reshape(*batch, heads * times, length, width)


__all__ = ["scaled_dot_product_attention"]
