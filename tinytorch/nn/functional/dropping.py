"""Dropout: random zeros while training, drawn from the default generator."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.noise import rand
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_ALPHA = 1.7580993408473766
"""Minus the value that SELU approaches at -inf: scale * alpha of Klambauer et al., 2017."""


def _check(input: Tensor, p: Any, function: str) -> None:
    check_tensor(input, function)
    if p != p:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _kept(input: Tensor, p: Any, shape: tuple[Any, ...]) -> Tensor:
    """True with probability 1 - p."""
    # float32 draws also for half precision, whose range ends below 2 ** 24
    dtype = types.float32 if input.dtype.bits < 32 else input.dtype
    return rand(shape, dtype=dtype) >= p


def dropout(input: Tensor, p: Scalar = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p, and scale the others by 1 / (1 - p).

    The input itself if not ``training`` or p is 0. Draws from the default generator. Raises
    ValueError unless 0 <= p <= 1.
    """
    _check(input, p, "dropout")
    return _dropped(input, p, training, inplace, tuple(input.shape))


def _dropped(
    input: Tensor, p: Any, training: bool, inplace: bool, shape: tuple[Any, ...]
) -> Tensor:
    """Dropout with one draw for each element of ``shape``, which broadcasts to the input's."""
    if not training or p == 0:
        return input
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"result type float can't be cast to the desired output type {input.dtype.name}"
        )
    if p == 1:
        out = input * 0.0
    else:
        out = input * (_kept(input, p, shape).to(input.dtype) * (1.0 / (1.0 - p)))
    return input.copy_(out) if inplace else out


def _by_channel(
    input: Tensor, p: Any, training: bool, inplace: bool, lead: int, function: str
) -> Tensor:
    """Dropout with one draw for each index of the first ``lead`` axes."""
    _check(input, p, function)
    shape = (*input.shape[:lead], *(1,) * (input.ndim - lead))
    return _dropped(input, p, training, inplace, shape)


def dropout1d(
    input: Tensor, p: Scalar = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L); see ``dropout``.

    Raises RuntimeError for other numbers of axes.
    """
    _check(input, p, "dropout1d")
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _by_channel(input, p, training, inplace, input.ndim - 1, "dropout1d")


def dropout2d(
    input: Tensor, p: Scalar = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels (axes 0 and 1) of (N, C, H, W); see ``dropout``.

    Three axes are read as (N, C, L), two as (N, C), with a warning, as in PyTorch. Raises
    RuntimeError for fewer.
    """
    _check(input, p, "dropout2d")
    if input.ndim < 2:
        if not training:
            return input
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    if input.ndim != 4:
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input, which is read as (N, C, ...): channels "
            "are axis 1. Use dropout1d for (N, C, L) and dropout for (N, C).",
            stacklevel=2,
        )
    return _by_channel(input, p, training, inplace, 2, "dropout2d")


def dropout3d(
    input: Tensor, p: Scalar = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W); see ``dropout``.

    Raises RuntimeError for other numbers of axes.
    """
    _check(input, p, "dropout3d")
    if input.ndim not in (4, 5):
        raise RuntimeError(
            f"dropout3d: Expected 4D or 5D input, but received a {input.ndim}D input; use dropout"
        )
    return _by_channel(input, p, training, inplace, input.ndim - 3, "dropout3d")


def alpha_dropout(
    input: Tensor, p: Scalar = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1: for networks of SELU.

    Dropped elements take the value that SELU approaches at -inf, and all are scaled and shifted.
    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    _check(input, p, "alpha_dropout")
    return _alpha(input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(
    input: Tensor, p: Scalar = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels of (N, C, ...)."""
    _check(input, p, "feature_alpha_dropout")
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha(input, p, training, inplace, shape)


def _alpha(
    input: Tensor, p: Any, training: bool, inplace: bool, shape: tuple[Any, ...]
) -> Tensor:
    if not training or p == 0:
        return input
    if p == 1:
        out = input * 0.0
    else:
        scale = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        kept = _kept(input, p, shape)
        out = where(kept, input, -_ALPHA) * scale + scale * _ALPHA * p
    return input.copy_(out) if inplace else out


__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip
