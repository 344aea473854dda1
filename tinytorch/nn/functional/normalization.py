"""Normalisation: values centred and scaled over some axes.

Mean and variance are taken in two passes (the variance of the centred values), so that a large
mean costs no precision. Half precision is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.nn.functional.distance import norm
from tinytorch.nn.functional.sizes import whole
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.padding import constant_pad_nd
from tinytorch.tracer.functions.windows import windows
from tinytorch.tracer.kinds import Axes, Scalar, Whole, Wholes
from tinytorch.tracer.limits import finfo
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def _wide(input: Tensor) -> Tensor:
    return input.to(types.float32) if input.dtype.bits < 32 else input


def _check_floating(input: Tensor, function: str) -> None:
    check_tensor(input, function)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype.name}')


def _moments(wide: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, centred values and biased variance; the axes stay.

    What rounding leaves of the mean in the centred values is taken out of them as well: their sum
    is taken where the sum of their squares is, so it costs no pass over the values. It is 0 in
    exact arithmetic and has no derivative. Source: Chan, Golub and LeVeque, "Algorithms for
    Computing the Sample Variance", 1983.
    """
    mean = wide.mean(axes, keepdim=True)
    centred = wide - mean
    variance = (centred * centred).mean(axes, keepdim=True)
    slip = centred.detach().mean(axes, keepdim=True)
    return mean + slip, centred - slip, variance


def _unbiased(centred: Tensor, axes: tuple[int, ...], count: Any) -> Tensor:
    """Variance for running statistics, which divides by one less than the count."""
    fixed = centred.detach()
    return (fixed * fixed).sum(axes, keepdim=True) / (count - 1)


def _scaled(values: Tensor, scale: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    out = values * (scale if weight is None else scale * weight)
    return out if bias is None else out + bias


def _along_channels(values: Any, ndim: int) -> Any:
    """A vector laid along axis 1 of ``ndim``."""
    return None if values is None else values.reshape(1, -1, *(1,) * (ndim - 2))


def check_one_dtype(function: str, input: Tensor, *others: Tensor | None) -> None:
    """Raise RuntimeError unless all have the input's dtype, or float32 beside a half."""
    for x in others:
        if x is None or x.dtype is input.dtype:
            continue
        if not (input.dtype.is_half and x.dtype is types.float32):
            raise RuntimeError(
                f"{function}: mixed dtype (CPU): all inputs must share same datatype, got "
                f"{input.dtype.name} and {x.dtype.name}"
            )


def _check_length(name: str, value: Tensor | None, channels: int) -> None:
    if value is not None and tuple(value.shape) != (channels,):
        raise RuntimeError(f"{name} should contain {channels} elements not {value.numel()}")


# ----------------------------------------------------------- over the batch


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: Scalar = 0.1, eps: Scalar = 1e-5,
) -> Tensor:  # fmt: skip
    """Centre and scale each channel (axis 1) of (N, C) or (N, C, ...), then ``* weight + bias``.

    While ``training`` by the batch's own mean and (biased) variance; running statistics, where
    given, move towards them by ``momentum``, in place, the variance unbiased. Else by the running
    statistics. Raises ValueError for a single value a channel in training, RuntimeError where
    shapes do not fit. Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """
    _check_floating(input, "batch_norm")
    if input.ndim < 2:
        raise RuntimeError(
            f"batch_norm: expected an input of at least 2 axes (N, C, ...), got {list(input.shape)}"
        )
    channels = input.shape[1]
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight,
             "bias": bias}  # fmt: skip
    for name, value in named.items():
        _check_length(name, value, channels)
    check_one_dtype("batch_norm", input, *named.values())
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    count = input.numel() // channels if channels else 0
    if training:
        _check_many(count, input)
    wide = _wide(input)
    axes = (0, *range(2, input.ndim))
    scale, shift = _along_channels(weight, input.ndim), _along_channels(bias, input.ndim)
    if training:
        mean, centred, variance = _moments(wide, axes)
        _update(running_mean, mean, momentum)
        _update(running_var, _unbiased(centred, axes, count), momentum)
    else:
        centred = wide - _along_channels(running_mean, input.ndim)
        variance = _along_channels(running_var, input.ndim)
    return _scaled(centred, elementwise.rsqrt(variance + eps), scale, shift).to(input.dtype)


def _check_many(count: Any, input: Tensor) -> None:
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )


def _update(running: Tensor | None, new: Tensor, momentum: Any) -> None:
    """Move a running statistic towards a new value, in place."""
    if running is None:
        return
    with no_grad():
        fresh = new.detach().reshape(*running.shape)
        running.copy_(running * (1 - momentum) + fresh * momentum)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: Scalar = 0.1, eps: Scalar = 1e-5,
) -> Tensor:  # fmt: skip
    """Centre and scale each channel of each sample of (N, C, ...), then ``* weight + bias``.

    Running statistics, where given, move towards the mean over the samples. Without
    ``use_input_stats`` they are used instead. Raises ValueError for one element a channel.
    """
    _check_floating(input, "instance_norm")
    if input.ndim < 3:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"{input.shape}"
        )
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    channels, axes = input.shape[1], tuple(range(2, input.ndim))
    count = 1
    for size in input.shape[2:]:
        count = count * size
    if count == 1:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"{input.shape}"
        )
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight,
             "bias": bias}  # fmt: skip
    for name, value in named.items():
        _check_length(name, value, channels)
    mean, centred, variance = _moments(_wide(input), axes)
    _update(running_mean, mean.mean(0), momentum)
    _update(running_var, _unbiased(centred, axes, count).mean(0), momentum)
    scale, shift = _along_channels(weight, input.ndim), _along_channels(bias, input.ndim)
    return _scaled(centred, elementwise.rsqrt(variance + eps), scale, shift).to(input.dtype)


# ------------------------------------------------------------ over a sample


def group_norm(
    input: Tensor, num_groups: Whole, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: Scalar = 1e-5,
) -> Tensor:  # fmt: skip
    """Centre and scale each of ``num_groups`` groups of channels of each sample of (N, C, ...).

    Then ``* weight + bias``, one a channel. Raises RuntimeError where the groups do not divide
    the channels or shapes do not fit. Source: Wu and He, "Group Normalization", 2018.
    """
    _check_floating(input, "group_norm")
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    groups = whole(num_groups, "group_norm", "num_groups")
    n, channels = input.shape[:2]
    if groups < 1 or channels % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {list(value.shape)} and input of shape "
                f"{list(input.shape)}"
            )
    check_one_dtype("group_norm", input, weight, bias)
    _check_many(input.numel() // groups, input)
    grouped = _wide(input).reshape(n, groups, channels // groups, *input.shape[2:])
    _, centred, variance = _moments(grouped, tuple(range(2, grouped.ndim)))
    shape = (1, groups, channels // groups, *(1,) * (input.ndim - 2))
    scale = None if weight is None else weight.reshape(*shape)
    shift = None if bias is None else bias.reshape(*shape)
    out = _scaled(centred, elementwise.rsqrt(variance + eps), scale, shift)
    return out.reshape(*input.shape).to(input.dtype)


def _check_normalized(
    function: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None,
    bias: Tensor | None,
) -> tuple[int, ...]:  # fmt: skip
    """The last axes to be normalised; raise RuntimeError where shapes do not fit."""
    _check_floating(input, function)
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(value.shape)} and normalized_shape = {list(shape)}"
            )
    if function != "rms_norm":  # which promotes, as in PyTorch
        check_one_dtype(function, input, weight, bias)
    if tuple(input.shape[-len(shape) :]) != shape:
        expected = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{expected}], but "
            f"got input of size{list(input.shape)}"
        )
    return tuple(range(-len(shape), 0))


def layer_norm(
    input: Tensor, normalized_shape: Wholes, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: Scalar = 1e-5,
) -> Tensor:  # fmt: skip
    """Centre and scale the last axes to mean 0 and variance 1, then ``* weight + bias``.

    ``normalized_shape`` names the last axes by size; weight and bias have that shape. The
    variance divides by the count. Half precision is computed in float32. Raises RuntimeError
    where shapes do not fit. Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """
    axes = _check_normalized("layer_norm", input, normalized_shape, weight, bias)
    _, centred, variance = _moments(_wide(input), axes)
    out = centred * elementwise.rsqrt(variance + eps)
    if weight is not None:
        out = out * weight
    if bias is not None:
        out = out + bias
    return out.to(input.dtype)


def rms_norm(
    input: Tensor, normalized_shape: Wholes, weight: Tensor | None = None, eps: Scalar = None
) -> Tensor:
    """Scale the last axes to a mean square of 1, then ``* weight``.

    ``eps`` None is the machine epsilon of the dtype computed in. Raises RuntimeError where shapes
    do not fit. Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """
    check_tensor(input, "rms_norm")
    if input.ndim < len(tuple(normalized_shape)):
        raise ValueError(
            f"Input tensor must have at least {len(tuple(normalized_shape))} dimensions, but got "
            f"{input.ndim}"
        )
    axes = _check_normalized("rms_norm", input, normalized_shape, weight, None)
    wide = _wide(input)
    eps = finfo(wide.dtype).eps if eps is None else eps
    out = wide * elementwise.rsqrt((wide * wide).mean(axes, keepdim=True) + eps)
    return (out if weight is None else out * weight).to(input.dtype)


def local_response_norm(
    input: Tensor, size: Any, alpha: Scalar = 1e-4, beta: Scalar = 0.75, k: Any = 1.0
) -> Tensor:
    """Each channel of (N, C, ...) over ``(k + alpha * mean of squares) ** beta`` of its neighbours.

    The mean runs over ``size`` channels, zeros beyond the ends. Raises ValueError for fewer than
    three axes.
    """
    check_tensor(input, "local_response_norm")
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    span = whole(size, "local_response_norm", "size")
    borders = [0, 0] * (input.ndim - 2) + [span // 2, (span - 1) // 2]
    squares = constant_pad_nd(input * input, borders)
    mean = windows(squares, (1,), (span,), (1,), (1,)).mean(-1)
    return input / (mean * alpha + k) ** beta


def normalize(input: Tensor, p: Scalar = 2.0, dim: Axes = 1, eps: Scalar = 1e-12) -> Tensor:
    """The input over its p-norm along an axis (or several), which counts as at least ``eps``."""
    _check_floating(input, "normalize")
    size = norm(input, p, dim, keepdim=True)
    return input / where(size < eps, eps, size)


__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip
