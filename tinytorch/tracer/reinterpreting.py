"""``x.view(dtype)``: the bits in memory read as numbers of another dtype."""

from __future__ import annotations

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.ir.types import DType, TensorType
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.tensor import Tensor


def reinterpreted(x: Tensor, dtype: DType) -> Tensor:
    """The same memory under another dtype, without history; runs eagerly alone.

    For a dtype of another size the last axis, whose elements must lie side by side, grows or
    shrinks. Raises RuntimeError where sizes, strides or the place in memory do not allow that.
    """
    if mode.trace is not None or x._array is None:
        raise TraceError(
            f"{user_origin()}: view({dtype.name}) of a traced tensor of {x._type}: bits in memory "
            "have no meaning for a compiled function; call it outside, or convert with "
            f"x.to({dtype.name})"
        )
    own, new = x.dtype.itemsize, dtype.itemsize
    array = x._array
    if own != new:
        names = f"{x.dtype.name} as {dtype.name} (different element sizes)"
        if x.ndim == 0:
            raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
        if x.numel() and x.shape[-1] != 1 and x._strides[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 to view {names}, but got "
                               f"{x._strides[-1]}")  # fmt: skip
        if new > own and x.shape[-1] * own % new:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {new // own} to view {names}, but got "
                f"{x.shape[-1]}"
            )
        if new > own and any(s * own % new for s in x._strides[:-1]):
            raise RuntimeError(f"self.stride() must be divisible by {new // own} to view {names}")
        if new > own and (array.__array_interface__["data"][0] % new):
            raise RuntimeError(
                f"self.storage_offset() must be divisible by {new // own} to view {names}"
            )
    if array.size == 0:
        shape = (*x._type.shape[:-1], x._type.shape[-1] * own // new)
        return Tensor.make(TensorType(dtype, shape), np.empty(shape, dtype.numpy), x._storage)
    shown = array.view(dtype.numpy)
    strides = tuple(s // new for s in shown.strides)
    return Tensor.make(TensorType(dtype, shown.shape), shown, x._storage, strides)


__all__ = ["reinterpreted"]
