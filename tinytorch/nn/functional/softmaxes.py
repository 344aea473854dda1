"""Softmax and its kin."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tinytorch.ir.types import DType
from tinytorch.tracer import dtypes as types
from tinytorch.tracer import functions as tensor_functions
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.noise import rand
from tinytorch.tracer.shapes import axis_of, check_tensor
from tinytorch.tracer.tensor import Tensor


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow.

    ``dim`` None is axis 0 of 0, 1 or 3 axes, else axis 1, with a warning, as in PyTorch.
    """
    dim = _axis(input, dim, "softmax", _stacklevel)
    return _along(tensor_functions.softmax, _floating(input, dtype, "softmax"), dim)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``softmax`` of -x."""
    dim = _axis(input, dim, "softmin", _stacklevel)
    return _along(tensor_functions.softmax, -_floating(input, dtype, "softmin"), dim)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """log(softmax(x)) along an axis, without overflow or loss; ``dim`` None as in ``softmax``."""
    dim = _axis(input, dim, "log_softmax", _stacklevel)
    return _along(tensor_functions.log_softmax, _floating(input, dtype, "log_softmax"), dim)


def gumbel_softmax(
    logits: Tensor, tau: Scalar = 1, hard: bool = False, eps: Scalar = 1e-10, dim: int = -1
) -> Tensor:
    """Softmax of ``(logits + Gumbel noise) / tau``: a sample of a relaxed categorical variable.

    ``hard`` gives one-hot rows whose gradient is the relaxed one's. Source: Jang, Gu and Poole,
    "Categorical Reparameterization with Gumbel-Softmax", 2017.
    """
    check_tensor(logits, "gumbel_softmax")
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    wide = types.float32 if logits.dtype.bits < 32 else logits.dtype
    drawn = 1.0 - rand(logits.shape, dtype=wide)  # in (0, 1]: its logarithm is finite
    noise = -elementwise.log(_at_least(-elementwise.log(drawn), wide)).to(logits.dtype)
    soft = tensor_functions.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    axis = axis_of(dim, logits.ndim)
    place = soft.detach().argmax(axis, keepdim=True)
    classes = arange(logits.shape[axis])
    classes = classes.reshape(*(-1 if i == axis else 1 for i in range(logits.ndim)))
    return (classes == place).to(soft.dtype) - soft.detach() + soft


def _along(function: Callable[..., Tensor], input: Tensor, dim: Any) -> Tensor:
    """Apply along an axis; without elements nothing is left to do."""
    axis = axis_of(dim, input.ndim)
    return input.clone() if input.numel() == 0 else function(input, axis)


def _at_least(x: Tensor, dtype: Any) -> Tensor:
    """Keep an exponential draw of 0 from giving infinite noise."""
    least = 1e-38 if dtype is types.float32 else 1e-307
    return elementwise.where(x < least, least, x)


def _axis(input: Tensor, dim: Any, function: str, stacklevel: int) -> Any:
    check_tensor(input, function)
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {function} has been deprecated. Change the call to "
        "include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def _floating(input: Tensor, dtype: Any, function: str) -> Tensor:
    input = input if dtype is None else input.to(dtype)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f'"{function}" not implemented for {input.dtype.name}; pass dtype='
        )
    return input


__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]
