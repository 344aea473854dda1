"""Reading at positions that tensors hold, with PyTorch's names and errors."""

from __future__ import annotations

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.types import int64
from tinytorch.tracer.mode import user_origin
from tinytorch.tracer.shapes import axis_of, reshape, unsqueeze
from tinytorch.tracer.tensor import Tensor


def in_range(index: Tensor, size: int, error: str, message: str, negative: bool) -> Tensor:
    """Guard an index tensor; negative indices count from the end if allowed."""
    if index.dtype.kind != "i":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {index.dtype}"
        )
    index = index.to(int64)
    low = -size if negative else 0
    index = ops.require_range(index, low=low, high=size, error=error, message=message)
    return ops.where(index < 0, index + size, index) if negative else index


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along an axis at the positions of a 1-d index tensor."""
    axis = axis_of(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    checked = in_range(index, input.shape[axis], "IndexError", "index out of range in self", False)
    return ops.take(input, checked if index.ndim else reshape(checked, 1), axis=axis)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Elements along an axis at the positions of an index of the result's shape."""
    axis = axis_of(dim, input.ndim)
    if index.dtype is not int64:
        raise RuntimeError("gather(): Expected dtype int64 for index")
    if index.ndim != input.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    size = input.shape[axis]
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    checked = in_range(index, size, "RuntimeError", message, False)
    bounds = tuple(s if i == axis else n for i, (s, n) in enumerate(zip(input.shape, index.shape)))
    if bounds != tuple(input.shape):
        input = ops.slice_(input, starts=(0,) * input.ndim, stops=bounds, steps=(1,) * input.ndim)
    return ops.gather(input, checked, axis=axis)


def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """``gather`` with numpy's name; other axes broadcast."""
    return gather(input, dim, indices)


def one_hot(tensor: Tensor, num_classes: int) -> Tensor:
    """1 at each class index, else 0, as int64 with a new last axis."""
    if num_classes < 1:
        raise TraceError(
            f"{user_origin()}: one_hot needs num_classes: the number of classes in the data is not "
            "known before it is read"
        )
    checked = in_range(
        tensor, num_classes, "RuntimeError", "Class values must be smaller than num_classes.", False
    )
    last = unsqueeze(checked, -1)
    shape = (*tensor.shape, num_classes)
    classes = tensor.apply_op(ops.iota, (), {"shape": shape, "axis": tensor.ndim})
    return (last == classes).to(int64)


__all__ = [
    "gather", "index_select", "take_along_dim",
]  # fmt: skip
METHODS = __all__
