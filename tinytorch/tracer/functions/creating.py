"""Tensors of regular content: ranges, and tensors like another."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import DType, float64
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import arange, from_numpy, full, tensor
from tinytorch.tracer.kinds import Operand, Scalar
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import check_tensor, sizes_of
from tinytorch.tracer.tensor import Tensor


def _number(value: Any) -> Any:
    return value.known() if type(value) is Number else value


def linspace(start: Any, end: Operand, steps: int, *, dtype: DType | None = None,
             requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """``steps`` numbers from ``start`` to ``end``, both included, evenly apart.

    The second half counts down from ``end``, so that both ends are exact, as in PyTorch.
    """
    check_device(device)
    start, end = (_number(x.item() if isinstance(x, Tensor) else x) for x in (start, end))
    steps = operator.index(steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    dtype = dtype or mode.default_dtype
    at = arange(steps)
    if steps == 1:
        return full((1,), start, dtype=dtype, requires_grad=requires_grad)
    step = (end - start) / max(steps - 1, 1)
    middle = steps // 2
    wide = at.double()
    out = ops.where(at < middle, wide * step + start, (wide - (steps - 1)) * step + end).to(dtype)
    return out.requires_grad_() if requires_grad else out


def logspace(start: Any, end: Operand, steps: int, base: float = 10.0, *,
             dtype: DType | None = None, requires_grad: bool = False,
             device: Any = None) -> Tensor:  # fmt: skip
    """``base`` to the powers of ``linspace(start, end, steps)``."""
    exact = linspace(start, end, steps, dtype=float64, device=device)
    out = ops.pow_(exact.constant(base, shape=(), dtype=exact.dtype), exact)
    out = out.to(dtype or mode.default_dtype)
    return out.requires_grad_() if requires_grad else out


def scalar_tensor(s: Scalar, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A 0-d tensor of a number, of the default dtype unless one is given."""
    return full((), s, dtype=dtype or mode.default_dtype, device=device)


def asarray(obj: Any, *, dtype: DType | None = None, device: Any = None,
            copy: bool | None = None) -> Tensor:  # fmt: skip
    """Data as a tensor; numpy arrays share memory unless ``copy`` is true."""
    check_device(device)
    if isinstance(obj, Tensor):
        out = obj if dtype is None else obj.to(dtype)
        return out.clone() if copy and out is obj else out
    if isinstance(obj, np.ndarray) and not copy and dtype is None and mode.trace is None:
        return from_numpy(obj)
    return tensor(obj, dtype=dtype)


def empty_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False,
               device: Any = None, memory_format: Any = None) -> Tensor:  # fmt: skip
    """A tensor of another's shape and dtype, of arbitrary content (zeros, so that runs repeat)."""
    return full(check_tensor(input, "empty_like").shape, 0, dtype=dtype or input.dtype,
                requires_grad=requires_grad, device=device)  # fmt: skip


def new_full(self: Tensor, size: Any, fill_value: Scalar, *, dtype: DType | None = None,
             requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """One number everywhere, in this tensor's dtype."""
    return full(size, fill_value, dtype=dtype or self.dtype, requires_grad=requires_grad,
                device=device)  # fmt: skip


def new_zeros(self: Tensor, *size: Any, dtype: DType | None = None, requires_grad: bool = False,
              device: Any = None) -> Tensor:  # fmt: skip
    """Zeros, in this tensor's dtype."""
    return new_full(self, sizes_of(size, "new_zeros"), 0, dtype=dtype,
                    requires_grad=requires_grad, device=device)  # fmt: skip


def new_ones(self: Tensor, *size: Any, dtype: DType | None = None, requires_grad: bool = False,
             device: Any = None) -> Tensor:  # fmt: skip
    """Ones, in this tensor's dtype."""
    return new_full(self, sizes_of(size, "new_ones"), 1, dtype=dtype,
                    requires_grad=requires_grad, device=device)  # fmt: skip


new_empty = new_zeros


def new_tensor(self: Tensor, data: Any, *, dtype: DType | None = None,
               requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Data as a tensor of this one's dtype."""
    return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad, device=device)


__all__ = ["asarray", "empty_like", "linspace", "logspace", "scalar_tensor"]
METHODS = ["new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"]
