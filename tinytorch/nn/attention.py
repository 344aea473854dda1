"""Multi-head attention as a module."""

from __future__ import annotations

from typing import Any

from tinytorch.nn import functional as F
from tinytorch.nn import init
from tinytorch.nn.layer import Linear
from tinytorch.nn.module import Module
from tinytorch.nn.parameter import Parameter
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import empty
from tinytorch.tracer.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that PyTorch shows for the output projection."""


class MultiheadAttention(Module):
    """Attention with ``num_heads`` heads of width ``embed_dim / num_heads``.

    Query (T, B, E), key (S, B, kdim), value (S, B, vdim); batch first with ``batch_first``; or
    without a batch axis. One weight ``in_proj_weight`` (3 E, E) if all three have width E, else
    ``q_proj_weight``, ``k_proj_weight``, ``v_proj_weight``; Xavier-uniform at the start.
    ``add_bias_kv`` adds a learned position to key and value, ``add_zero_attn`` one of zeros.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        super().__init__()
        check_device(device)
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        widths = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim, dtype=dtype))
        for letter, width in widths.items():
            weight = Parameter(empty(embed_dim, width, dtype=dtype))
            self.register_parameter(
                f"{letter}_proj_weight", None if self._qkv_same_embed_dim else weight
            )
        if not self._qkv_same_embed_dim:
            self.register_parameter("in_proj_weight", None)
        in_bias = Parameter(empty(3 * embed_dim, dtype=dtype)) if bias else None
        self.register_parameter("in_proj_bias", in_bias)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, dtype=dtype
        )
        for name in ("bias_k", "bias_v"):
            learned = Parameter(empty(1, 1, embed_dim, dtype=dtype)) if add_bias_kv else None
            self.register_parameter(name, learned)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the projections anew."""
        for name, weight in self.named_parameters(recurse=False):
            if name.endswith("proj_weight"):
                init.xavier_uniform_(weight)
            elif name in ("bias_k", "bias_v"):
                init.xavier_normal_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None,
        average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Return the result (of the query's shape) and, with ``need_weights``, the weights.

        Masks and shapes: see ``nn.functional.multi_head_attention_forward``.
        """
        turned = self.batch_first and query.ndim == 3
        if turned:
            same = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = (same[id(x)] for x in (query, key, value))
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, training=self.training,
            key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight, k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )  # fmt: skip
        return (out.transpose(0, 1) if turned else out), weights
