"""``tinytorch.nn.init``: fill tensors in place with constants or random draws.

All return the tensor they fill, and record nothing for ``backward``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from tinytorch.tracer.factories import eye, rand, randn
from tinytorch.tracer.functions import where
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "sigmoid")


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """Return the recommended gain of a nonlinearity; ``param`` is leaky_relu's slope.

    Raises ValueError for an unknown name or a slope that is no number.
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + float(param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fill(tensor: Tensor, values: Tensor) -> Tensor:
    with no_grad():
        return tensor.copy_(values)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill with draws uniform in [a, b)."""
    return _fill(tensor, rand(tensor.shape, dtype=_drawn(tensor)) * (b - a) + a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with draws of a normal distribution."""
    return _fill(tensor, randn(tensor.shape, dtype=_drawn(tensor)) * std + mean)


def _drawn(tensor: Tensor) -> Any:
    """The dtype to draw in: the default one for half precision and integers."""
    return tensor.dtype if tensor.dtype.is_floating_point and tensor.dtype.bits >= 32 else None


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Fill with draws of a normal distribution, drawn again where outside [a, b]."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=2,
        )
    normal_(tensor, mean, std)
    for _ in range(64):
        outside = (tensor.detach() < a) | (tensor.detach() > b)
        if not bool(outside.any()):
            return tensor
        again = randn(tensor.shape, dtype=_drawn(tensor)) * std + mean
        _fill(tensor, where(outside, again.to(tensor.dtype), tensor.detach()))
    return _fill(tensor, tensor.detach().clamp(a, b))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity, or as much of it as fits."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    return _fill(tensor, eye(max(rows, columns))[:rows, :columns])


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs and outputs meet in one weight: shape (out, in, ...)."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return fans(tensor)[mode == "fan_out"]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fill uniformly so that activations keep their variance. Source: He et al., 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fill normally so that activations keep their variance. Source: He et al., 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def _xavier_std(tensor: Tensor, gain: float) -> float:
    total = sum(fans(tensor))
    return gain * math.sqrt(2.0 / total) if total else 0.0


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill uniformly for layers that are nearly linear. Source: Glorot and Bengio, 2010."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill normally for layers that are nearly linear. Source: Glorot and Bengio, 2010."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain))
