"""Activations: elementwise, so that a fusing compiler folds them into their neighbours.

All take a floating-point tensor of any shape and return one of the same shape and dtype.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.tracer import functions as tensor_functions
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

sigmoid = elementwise.sigmoid
tanh = elementwise.tanh
_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)


def _stored(input: Tensor, out: Tensor, inplace: bool) -> Tensor:
    """The result, written into the input if asked."""
    return input.copy_(out) if inplace else out


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """x where positive (or NaN), else 0."""
    return _stored(input, elementwise.relu(input), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; by ``"tanh"`` approximately.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    if approximate == "none":
        return input * 0.5 * (1.0 + elementwise.erf(input * _SQRT_HALF))
    if approximate == "tanh":
        inner = _SQRT_TWO_OVER_PI * (input + 0.044715 * (input * input * input))
        return input * 0.5 * (1.0 + elementwise.tanh(inner))
    raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Product of x and its sigmoid."""
    return _stored(input, input * sigmoid(input), inplace)


def leaky_relu(input: Tensor, negative_slope: Any = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else x times the slope."""
    return _stored(input, where(input > 0, input, input * negative_slope), inplace)


def elu(input: Tensor, alpha: Any = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha times expm1(x)."""
    below = elementwise.expm1(where(input > 0, 0.0, input)) * alpha
    return _stored(input, where(input > 0, input, below), inplace)


def stable_softplus(input: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow, with exact derivatives everywhere.

    ``where`` instead of ``relu`` and ``abs``, whose derivatives at 0 are both 0: so the branch of
    x <= 0 holds at 0 too, with its derivative of one half.
    """
    positive = input > 0
    below = where(positive, -input, input)
    return where(positive, input, 0.0) + elementwise.log1p(elementwise.exp(below))


def softplus(input: Tensor, beta: Any = 1.0, threshold: Any = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above the threshold."""
    scaled = input * beta
    return where(scaled > threshold, input, stable_softplus(scaled) / beta)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow or loss."""
    return -stable_softplus(-input)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    return tensor_functions.softmax(_floating(input, dtype, "softmax"), dim)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along an axis, without overflow or loss."""
    return tensor_functions.log_softmax(_floating(input, dtype, "log_softmax"), dim)


def _floating(input: Tensor, dtype: Any, function: str) -> Tensor:
    check_tensor(input, function)
    input = input if dtype is None else input.to(dtype)
    if not input.dtype.is_floating_point:
        raise RuntimeError(f'"{function}" not implemented for {input.dtype.name}; pass dtype=')
    return input
