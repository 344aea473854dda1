"""``tinytorch.nn.init``: fill tensors in place with constants or random draws.

All return the tensor they fill, and record nothing for ``backward``. Random ones draw from
``generator``, by default the default one.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tinytorch.tracer.factories import as_tensor, eye, zeros
from tinytorch.tracer.functions import log, where
from tinytorch.tracer.generator import Generator
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.noise import rand, randn, randperm
from tinytorch.tracer.tensor import Tensor

_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid",
)  # fmt: skip


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


def _drawn(tensor: Tensor) -> Any:
    """The dtype to draw in: the default one for half precision and integers."""
    return tensor.dtype if tensor.dtype.is_floating_point and tensor.dtype.bits >= 32 else None


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws uniform in [a, b)."""
    drawn = rand(tensor.shape, generator=generator, dtype=_drawn(tensor))
    return _fill(tensor, drawn * (b - a) + a)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws of a normal distribution."""
    drawn = randn(tensor.shape, generator=generator, dtype=_drawn(tensor))
    return _fill(tensor, drawn * std + mean)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill with draws of a normal distribution, drawn again where outside [a, b]. Eager alone.

    Where little of the distribution lies inside, draws are uniform and kept with the probability
    of the normal density there: both are exact.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=2,
        )
    settings: Any = {"generator": generator, "dtype": _drawn(tensor)}
    inside = _normal_below((b - mean) / std) - _normal_below((a - mean) / std)
    values = zeros(tensor.shape, dtype=settings["dtype"])
    missing = values == 0
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    while bool(missing.any()):
        if inside > 0.3:
            drawn = randn(tensor.shape, **settings) * std + mean
            fits = (drawn >= a) & (drawn <= b)
        else:
            drawn = rand(tensor.shape, **settings) * (b - a) + a
            density = ((drawn - mean) / std).square() * -0.5 - peak
            fits = log(1.0 - rand(tensor.shape, **settings)) <= density
        values = where(missing & fits, drawn, values)
        missing = missing & ~fits
    return _fill(tensor, values)


def _normal_below(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


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


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution so that it hands its input channels on, in every group."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    outputs = tensor.shape[0] // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(outputs, tensor.shape[1])):
                tensor[(group * outputs + channel, channel, *centre)] = 1
    return tensor


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix, trailing axes as one. Eager alone.

    Source: Saxe, McClelland and Ganguli, 2013; signs as in Mezzadri, 2007.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = randn(rows, columns, generator=generator, dtype=_drawn(tensor)).numpy()
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.sign(np.diag(r)) * gain
    square = np.ascontiguousarray(q.T if rows < columns else q)
    return _fill(tensor, as_tensor(square).reshape(*tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix with normal draws, a share of every column with zeros. Eager alone.

    Source: Martens, "Deep learning via Hessian-free optimization", 2010.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    doomed = np.zeros((rows, columns), bool)
    for column in range(columns):
        order = randperm(rows, generator=generator).numpy()
        doomed[order[: math.ceil(sparsity * rows)], column] = True
    normal_(tensor, 0.0, std, generator)
    return _fill(tensor, where(as_tensor(doomed), 0.0, tensor.detach()))


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
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill uniformly so that activations keep their variance. Source: He et al., 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Fill normally so that activations keep their variance. Source: He et al., 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    total = sum(fans(tensor))
    return gain * math.sqrt(2.0 / total) if total else 0.0


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill uniformly for layers that are nearly linear. Source: Glorot and Bengio, 2010."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill normally for layers that are nearly linear. Source: Glorot and Bengio, 2010."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)
