"""Activations made of straight pieces; their derivatives at the joints are PyTorch's.

All take a floating-point tensor of any shape and return one of the same shape and dtype; NaN
stays NaN.
"""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.activation import (
    celu,
    check_floating,
    elu,
    leaky_relu,
    relu,
    rrelu,
    selu,
    stored,
)
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def hardtanh(
    input: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]; no gradient at or beyond the limits.

    Raises ValueError if the limits cross.
    """
    check_tensor(input, "hardtanh")
    if input.dtype is types.bool:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    below = where(input < min_val, min_val, input)
    beyond = (input <= min_val) | (input >= max_val)
    out = where(input > max_val, max_val, below).to(input.dtype)
    if input.dtype.is_floating_point:
        out = where(beyond, out.detach(), input)  # a limit that is met passes no gradient on
        if min_val != min_val or max_val != max_val:
            out = input * float("nan")
    return stored(input, out, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """(x + 3) / 6 limited to [0, 1]."""
    check_floating(input, "hardsigmoid")
    out = where(input <= -3, 0.0, where(input >= 3, 1.0, input / 6 + 0.5))
    return stored(input, out, inplace)


@in_float32
def _hard_gated(input: Tensor) -> Tensor:
    return input * (input + 3) / 6


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times hardsigmoid(x). Source: Howard et al., "Searching for MobileNetV3", 2019."""
    check_floating(input, "hardswish")
    inside = _hard_gated(input)
    out = where(input <= -3, input * 0.0, where(input >= 3, input, inside))
    return stored(input, out, inplace)


def hardshrink(input: Tensor, lambd: Scalar = 0.5) -> Tensor:
    """0 where |x| is at most lambd, else x."""
    check_floating(input, "hardshrink")
    return where((input >= -lambd) & (input <= lambd), 0.0, input)


def softshrink(input: Tensor, lambd: Scalar = 0.5) -> Tensor:
    """x moved towards 0 by lambd, at most to 0. Raises RuntimeError for a negative lambd."""
    check_floating(input, "softshrink")
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    below = where(input < -lambd, input + lambd, input * 0.0)
    return where(input > lambd, input - lambd, below)


def threshold(input: Tensor, threshold: Scalar, value: Scalar, inplace: bool = False) -> Tensor:
    """x where above the threshold (or NaN), else ``value``."""
    check_tensor(input, "threshold")
    if input.dtype is types.bool:
        raise NotImplementedError('"threshold" not implemented for bool')
    return stored(input, where(input <= threshold, value, input).to(input.dtype), inplace)


def relu_(input: Tensor) -> Tensor:
    """In-place form of ``relu``."""
    return relu(input, True)


def elu_(input: Tensor, alpha: Scalar = 1.0) -> Tensor:
    """In-place form of ``elu``."""
    return elu(input, alpha, True)


def celu_(input: Tensor, alpha: Scalar = 1.0) -> Tensor:
    """In-place form of ``celu``."""
    return celu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """In-place form of ``selu``."""
    return selu(input, True)


def leaky_relu_(input: Tensor, negative_slope: Scalar = 0.01) -> Tensor:
    """In-place form of ``leaky_relu``."""
    return leaky_relu(input, negative_slope, True)


def rrelu_(
    input: Tensor, lower: Any = 1.0 / 8, upper: Any = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place form of ``rrelu``."""
    return rrelu(input, lower, upper, training, True)


def hardtanh_(input: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0) -> Tensor:
    """In-place form of ``hardtanh``."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: Scalar, value: Scalar) -> Tensor:
    """In-place form of ``threshold``."""
    out = where(input <= threshold, value, input).to(input.dtype)
    return stored(input, out, True)


__all__ = [
    "celu_", "elu_", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu_", "relu6", "relu_", "rrelu_", "selu_", "softshrink", "threshold", "threshold_",
]  # fmt: skip
