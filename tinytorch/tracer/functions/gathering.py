"""Reading at positions that tensors hold, with PyTorch's names and errors."""

from __future__ import annotations

from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.types import broadcast_shapes, int32, int64
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import plain
from tinytorch.tracer.shapes import axis_of, check_tensor, expand, reshape, unsqueeze
from tinytorch.tracer.tensor import Tensor


def in_range(index: Tensor, size: Any, error: str, message: str, negative: bool) -> Tensor:
    """Guard an index tensor; negative indices count from the end if allowed."""
    if index.dtype.kind != "i":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {index.dtype}"
        )
    index = index.to(int64)
    size = plain(size)
    if isinstance(size, Extent):  # what the size is, whoever reports a failure knows
        message = message.replace(str(size), f"{{={size}}}")
    low = -size if negative else 0
    index = ops.require_range(index, low=low, high=size, error=error, message=message)
    return ops.where(index < 0, index + size, index) if negative else index


def check_index(index: Any, function: str, dtypes: tuple[Any, ...] = (int64, int32)) -> Tensor:
    """Check the dtype of an index; raise RuntimeError with PyTorch's wording."""
    if check_tensor(index, function).dtype not in dtypes:
        names = "/".join(d.name for d in reversed(dtypes))
        raise RuntimeError(f"{function}(): Expected dtype {names} for index")
    return index


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along an axis at the positions of a 1-d index tensor."""
    check_index(index, "index_select")
    axis = axis_of(dim, check_tensor(input, "index_select").ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    source = input if input.ndim else reshape(input, 1)
    size = source._type.shape[axis]
    checked = in_range(index, size, "IndexError", "index out of range in self", False)
    line = ops.take(source, checked if index.ndim else reshape(checked, 1), axis=axis)
    return line if input.ndim else reshape(line, ())


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Elements along an axis at the positions of an index of the result's shape."""
    check_index(index, "gather")
    axis = axis_of(dim, input.ndim)
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if input.ndim == 0 or index.ndim == 0:
        out = gather(reshape(input, -1), 0, reshape(index, -1))
        return reshape(out, tuple(index.shape))
    for i, (n, m) in enumerate(zip(index.shape, input.shape, strict=True)):
        if i != axis and n > m:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(index.shape)} to be no "
                f"larger than self {list(input.shape)} apart from dimension {axis}"
            )
    size = input._type.shape[axis]
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    checked = in_range(index, size, "RuntimeError", message, False)
    bounds = tuple(s if i == axis else n for i, (s, n) in enumerate(zip(input.shape, index.shape)))
    if bounds != tuple(input.shape):
        input = ops.slice_(input, starts=(0,) * input.ndim, stops=bounds, steps=(1,) * input.ndim)
    return ops.gather(input, checked, axis=axis)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements at row-major positions; negative ones count from the end."""
    if check_tensor(index, "take").dtype is not int64:
        raise RuntimeError("take(): Expected a long tensor for index, but got "
                           f"{index.dtype.name}")  # fmt: skip
    size = input._type.size
    if size == 0 and index._type.size:
        raise IndexError("take(): tried to take from an empty tensor")
    message = f"out of range: tried to access index {{value}} on a tensor of {size} elements."
    checked = in_range(index, size, "IndexError", message, True)
    return ops.take(reshape(input, -1), checked, axis=0)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """``gather`` with numpy's name: other axes broadcast; without ``dim``, of the flat tensor."""
    if check_tensor(indices, "take_along_dim").dtype is not int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{indices.dtype.name}"
        )
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    axis = axis_of(dim, input.ndim)
    a, b = list(input._type.shape), list(indices._type.shape)
    if a:
        size, count = a[axis], b[axis]
        a[axis] = b[axis] = 1
        shape = list(broadcast_shapes(tuple(a), tuple(b)))
        input = expand(input, *(size if i == axis else s for i, s in enumerate(shape)))
        indices = expand(indices, *(count if i == axis else s for i, s in enumerate(shape)))
        indices = ops.where(indices < 0, indices + size, indices)
    return gather(input, axis, indices)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class index, else 0, as int64 with a new last axis."""
    if check_tensor(tensor, "one_hot").dtype is not int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type int64, got {tensor.dtype}"
        )
    if num_classes == -1 and mode.trace is None and tensor._array is not None:
        if not tensor._type.size:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = max(int(tensor.array.max()) + 1, 1)
    if num_classes == -1:
        raise TraceError(
            f"{user_origin()}: one_hot needs num_classes: the number of classes in the data is not "
            "known before it is read"
        )
    if num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    checked = in_range(
        tensor, num_classes, "RuntimeError", "Class values must be smaller than num_classes.", False
    )
    last = unsqueeze(checked, -1)
    shape = (*tensor.shape, num_classes)
    classes = tensor.apply_op(ops.iota, (), {"shape": shape, "axis": tensor.ndim})
    return (last == classes).to(int64)


__all__ = ["gather", "index_select", "take", "take_along_dim"]
METHODS = __all__
