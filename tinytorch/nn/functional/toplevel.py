"""Functions of ``nn.functional`` that PyTorch has at its top too, with its arguments there."""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional import (
    activation,
    adaptive,
    convolution,
    distance,
    dropping,
    normalization,
    piecewise,
    pooling,
    resampling,
)
from tinytorch.nn.functional.layer import bilinear
from tinytorch.nn.functional.layer import embedding as _embedding
from tinytorch.tracer.arguments import cover as _cover
from tinytorch.tracer.tensor import Tensor

_HOMES = (activation, adaptive, convolution, distance, dropping, normalization, piecewise, pooling,
          resampling)  # fmt: skip
_SAME = [
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "celu",
    "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_similarity", "dropout", "group_norm", "hardshrink", "layer_norm",
    "max_pool1d", "max_pool2d", "max_pool3d", "pairwise_distance", "pixel_shuffle",
    "pixel_unshuffle", "prelu", "rms_norm", "rrelu", "selu", "threshold",
]  # fmt: skip
globals().update(
    {n: next(getattr(h, n) for h in _HOMES if hasattr(h, n)) for n in _SAME}
)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:  # fmt: skip
    """``nn.functional.embedding`` with the table first; ``padding_idx`` below 0 means none."""
    return _embedding(
        indices, weight, None if padding_idx < 0 else padding_idx,
        scale_grad_by_freq=scale_grad_by_freq, sparse=sparse,
    )  # fmt: skip


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
    cudnn_enabled: bool = False,
) -> Any:  # fmt: skip
    """``nn.functional.batch_norm`` with the weight and bias first."""
    return normalization.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


__all__ = [*_SAME, "batch_norm", "bilinear", "embedding"]

_cover(globals(), __all__)
