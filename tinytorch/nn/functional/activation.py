"""Activations: elementwise, so that a fusing compiler folds them into their neighbours.

All take a floating-point tensor of any shape and return one of the same shape and dtype.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.noise import rand
from tinytorch.tracer.shapes import axis_of, check_tensor
from tinytorch.tracer.tensor import Tensor

sigmoid = elementwise.sigmoid
tanh = elementwise.tanh
_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def check_floating(input: Tensor, function: str) -> None:
    """Raise TypeError unless it is a tensor, NotImplementedError for ints and bools."""
    check_tensor(input, function)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')


def stored(input: Tensor, out: Tensor, inplace: bool) -> Tensor:
    """The result, written into the input if asked."""
    return input.copy_(out) if inplace else out


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """x where positive (or NaN), else 0."""
    return stored(input, elementwise.relu(input), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; by ``"tanh"`` approximately.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    check_floating(input, "gelu")
    if approximate == "none":
        return input * 0.5 * (1.0 + elementwise.erf(input * _SQRT_HALF))
    if approximate == "tanh":
        inner = _SQRT_TWO_OVER_PI * (input + 0.044715 * (input * input * input))
        return input * 0.5 * (1.0 + elementwise.tanh(inner))
    raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Product of x and its sigmoid."""
    check_floating(input, "silu")
    return stored(input, input * sigmoid(input), inplace)


def leaky_relu(input: Tensor, negative_slope: Scalar = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else x times the slope."""
    return stored(input, where(input > 0, input, input * negative_slope), inplace)


def elu(input: Tensor, alpha: Scalar = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha times expm1(x)."""
    check_floating(input, "elu")
    below = elementwise.expm1(where(input > 0, 0.0, input)) * alpha
    return stored(input, where(input > 0, input, below), inplace)


def stable_softplus(input: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow, with exact derivatives everywhere.

    ``where`` instead of ``relu`` and ``abs``, whose derivatives at 0 are both 0: so the branch of
    x <= 0 holds at 0 too, with its derivative of one half.
    """
    positive = input > 0
    below = where(positive, -input, input)
    return where(positive, input, 0.0) + elementwise.log1p(elementwise.exp(below))


def softplus(input: Tensor, beta: Scalar = 1.0, threshold: Scalar = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above the threshold."""
    check_floating(input, "softplus")
    scaled = input * beta
    return where(scaled > threshold, input, stable_softplus(scaled) / beta)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow or loss."""
    check_floating(input, "logsigmoid")
    return -stable_softplus(-input)


def celu(input: Tensor, alpha: Scalar = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha times expm1(x / alpha)."""
    check_floating(input, "celu")
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    below = elementwise.expm1(where(input > 0, 0.0, input) / alpha) * alpha
    return stored(input, where(input > 0, input, below), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled ELU that keeps mean 0 and variance 1.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    check_floating(input, "selu")
    below = elementwise.expm1(where(input > 0, 0.0, input)) * (_SELU_SCALE * _SELU_ALPHA)
    return stored(input, where(input > 0, input * _SELU_SCALE, below), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times tanh(softplus(x)). Source: Misra, "Mish", 2019."""
    check_floating(input, "mish")
    return stored(input, input * elementwise.tanh(stable_softplus(input)), inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half along an axis times the sigmoid of the second half.

    Raises RuntimeError for a 0-d tensor or an odd size.
    """
    check_tensor(input, "glu")
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    check_floating(input, "glu")
    axis = axis_of(dim, input.ndim)
    size = input.shape[axis]
    if size % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {axis} is size {size}"
        )
    before = (slice(None),) * axis
    first, second = input[(*before, slice(size // 2))], input[(*before, slice(size // 2, None))]
    return first * sigmoid(second)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else x times a weight: one for all, or one a channel (axis 1).

    Raises RuntimeError where the weight does not fit.
    """
    check_tensor(input, "prelu")
    check_tensor(weight, "prelu")
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}"
        )
    slope = weight.reshape(*(-1 if i == 1 else 1 for i in range(max(input.ndim, 2))))
    if input.ndim < 2:
        slope = weight.reshape(())
    return where(input > 0, input, input * slope)


def rrelu(
    input: Tensor, lower: Any = 1.0 / 8, upper: Any = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """x where positive, else x times a slope: random while training, else the middle one."""
    check_tensor(input, "rrelu")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = rand(input.shape, dtype=input.dtype) * (upper - lower) + lower
    return stored(input, where(input > 0, input, input * slope), inplace)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (elementwise.abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - tanh(input)


__all__ = [
    "celu", "elu", "gelu", "glu", "leaky_relu", "logsigmoid", "mish", "prelu", "relu", "rrelu",
    "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanhshrink",
]  # fmt: skip
