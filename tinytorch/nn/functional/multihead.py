"""Attention with several heads: projections, masks, weights.

Source: Vaswani et al., "Attention is all you need", 2017.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from tinytorch.ir.types import DType
from tinytorch.nn.functional.attention import scaled_dot_product_attention
from tinytorch.nn.functional.dropping import dropout
from tinytorch.nn.functional.layer import linear
from tinytorch.nn.functional.softmaxes import softmax
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange, full, zeros
from tinytorch.tracer.functions import bmm, where
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.tensor import Tensor


def additive_mask(
    mask: Tensor | None, name: str, dtype: DType, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """A mask to be added to scores: -inf where a bool mask holds, a float mask as it is.

    Raises AssertionError for other dtypes; warns if another mask is of another dtype.
    """
    if mask is None:
        return None
    if mask.dtype is not types.bool and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and other.dtype is not mask.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both "
            "instead.",
            stacklevel=3,
        )
    if mask.dtype is not types.bool:
        return mask
    return where(mask, full((), -math.inf, dtype=dtype), full((), 0.0, dtype=dtype))


def causal_mask(rows: int, columns: int, dtype: DType | None = None) -> Tensor:
    """-inf above the diagonal, else 0: position i sees positions up to i."""
    later = arange(columns).unsqueeze(0) > arange(rows).unsqueeze(1)
    return where(later, full((), -math.inf, dtype=dtype), full((), 0.0, dtype=dtype))


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attend from a query (T, B, E) to a key (S, B, Ek) and value (S, B, Ev), or without B.

    ``key_padding_mask`` (B, S) and ``attn_mask`` (T, S) or (B * heads, T, S) are bool (where True,
    not attended to) or added to the scores. Returns (T, B, E), and with ``need_weights`` the
    weights (B, T, S), or (B, heads, T, S) if they are not averaged. ``is_causal`` says that the
    mask is causal. Raises AssertionError and RuntimeError where shapes do not fit.
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    padding = additive_mask(
        key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask"
    )
    mask = additive_mask(attn_mask, "attn_mask", query.dtype)
    causal = is_causal and padding is None and not need_weights
    mask = None if causal else mask
    embed, heads = query.shape[-1], int(num_heads)
    _check_widths(query, key, value, embed_dim_to_check, heads, use_separate_proj_weight)
    weights: Any = in_proj_weight
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected((query, key, value), weights, in_proj_bias, embed)
    if not batched:
        q, k, v = (x.unsqueeze(1) for x in (q, k, v))
        padding = None if padding is None else padding.unsqueeze(0)
    length, batch = q.shape[0], q.shape[1]
    mask = _check_mask(mask, length, k.shape[0], batch * heads)
    if bias_k is not None and bias_v is not None:
        k = cat([k, bias_k.expand(1, batch, embed)])
        v = cat([v, bias_v.expand(1, batch, embed)])
        mask, padding = _longer(mask), _longer(padding)
    q, k, v = (x.reshape(x.shape[0], batch * heads, -1).transpose(0, 1) for x in (q, k, v))
    k, v = k if static_k is None else static_k, v if static_v is None else static_v
    if add_zero_attn:
        k, v = (cat([x, zeros(x.shape[0], 1, x.shape[2], dtype=x.dtype)], 1) for x in (k, v))
        mask, padding = _longer(mask), _longer(padding)
    mask = _joined(mask, padding, batch, heads, k.shape[1])
    chance = dropout_p if training else 0.0
    shown: Any = None
    if need_weights:
        out, shown = _attended(q, k, v, mask, chance)
        shown = shown.reshape(batch, heads, length, -1)
        shown = shown.mean(1) if average_attn_weights else shown
        shown = shown if batched else shown.squeeze(0)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, chance, causal)
    out = linear(out.transpose(0, 1).reshape(length, batch, -1), out_proj_weight, out_proj_bias)
    return (out if batched else out.squeeze(1)), shown


def _attended(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: Any
) -> tuple[Tensor, Tensor]:
    """What is attended to, and the weights: NaN in rows where nothing may be, as in PyTorch."""
    scores = bmm(q * math.sqrt(1.0 / q.shape[-1]), k.transpose(-2, -1))
    weights = softmax(scores if mask is None else scores + mask, -1)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return bmm(weights, v), weights


def _projected(
    inputs: tuple[Tensor, Tensor, Tensor], weights: Any, bias: Tensor | None, embed: int
) -> list[Tensor]:
    """Query, key and value times their weights; one product if all three are one tensor."""
    thirds = [slice(i * embed, (i + 1) * embed) for i in range(3)]
    biases = [None] * 3 if bias is None else [bias[third] for third in thirds]
    if isinstance(weights, tuple):
        for word, x, weight in zip(("query", "key", "value"), inputs, weights):
            if tuple(weight.shape) != (embed, x.shape[-1]):
                raise AssertionError(
                    f"expecting {word} weights shape of {(embed, x.shape[-1])}, but got "
                    f"{weight.shape}"
                )
        return [linear(x, w, b) for x, w, b in zip(inputs, weights, biases)]
    if inputs[0] is inputs[1] and inputs[1] is inputs[2]:
        joined = linear(inputs[0], weights, bias)
        return [joined[..., third] for third in thirds]
    return [linear(x, weights[third], b) for x, third, b in zip(inputs, thirds, biases)]


def _longer(mask: Tensor | None) -> Tensor | None:
    """A mask for one more position, which may be attended to."""
    if mask is None:
        return None
    return cat([mask, zeros(*mask.shape[:-1], 1, dtype=mask.dtype)], -1)


def _joined(
    mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, length: int
) -> Tensor | None:
    """Both masks as one that can be added to scores (batch * heads, target, source)."""
    if padding is None:
        return mask
    for axis, size in enumerate((batch, length)):
        if padding.shape[axis] != size:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{axis}] to be {size}, but got "
                f"{padding.shape[axis]}"
            )
    spread = padding.reshape(batch, 1, 1, length).expand(batch, heads, 1, length)
    spread = spread.reshape(batch * heads, 1, length)
    return spread if mask is None else mask + spread


def _check_mask(mask: Tensor | None, target: int, source: int, rows: int) -> Tensor | None:
    if mask is None:
        return None
    expected = (target, source) if mask.ndim == 2 else (rows, target, source)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _check_widths(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: Any, heads: int, separate: bool
) -> None:
    embed = query.shape[-1]
    if embed != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {embed}")
    if embed % heads:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {heads}")
    if separate and key.shape[:-1] != value.shape[:-1]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _check_ranks(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None,
    heads: Any,
) -> bool:  # fmt: skip
    """Whether there is a batch axis; raises AssertionError where ranks do not fit together."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.ndim}-D query tensor"
        )
    batched = query.ndim == 3
    kind = "batched (3-D)" if batched else "unbatched (2-D)"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {query.ndim}-D but found "
            f"{key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D "
            f"but found {padding.ndim}-D tensor instead"
        )
    if mask is not None and mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{mask.ndim}-D tensor instead"
        )
    expected = (int(heads), query.shape[0], key.shape[0])
    if mask is not None and mask.ndim == 3 and not batched and tuple(mask.shape) != expected:
        raise AssertionError(
            f"Expected `attn_mask` shape to be {expected} but got {mask.shape}"
        )
    return batched


__all__ = ["multi_head_attention_forward"]
