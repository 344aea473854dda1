"""Factories: tensors from data and numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.operators import weak_type
from tinytorch.ir.storage import numbers, stored
from tinytorch.ir.types import (
    DType,
    bfloat16,
    bool_,
    from_numpy_dtype,
    int64,
    promote,
)  # fmt: skip
from tinytorch.tracer.device import check_device
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number, plain
from tinytorch.tracer.refusals import allocating
from tinytorch.tracer.shapes import sizes_of
from tinytorch.tracer.tensor import Tensor


def sizes_given(sizes: tuple[Any, ...], size: Any, name: str) -> tuple[int, ...]:
    """Sizes given one by one, as one sequence, or under their name."""
    if size is None:
        return sizes_of(sizes, name)
    if sizes:
        raise TypeError(f"{name}() got multiple values for argument 'size'")
    return sizes_of((size,), name)


def finished(out: Tensor, requires_grad: bool) -> Tensor:
    return out.requires_grad_() if requires_grad else out


def tensor(data: Any, *, dtype: DType | None = None, requires_grad: bool = False,
           device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor with a copy of the data (numbers, nested lists, numpy arrays, tensors).

    Python floats become the default dtype, ints int64, bools bool; numpy arrays keep theirs.
    Raises TypeError for data that is not numeric, ValueError for ragged lists.
    """
    check_device(device)
    if type(data) is Number:
        out = data.trace.number_as_tensor(data)
        return finished(out.to(dtype or out.dtype), requires_grad)
    if isinstance(data, Tensor):
        out = data.detach().clone()
        return finished(out if dtype is None else out.to(dtype), requires_grad)
    if mode.trace is not None and isinstance(data, list | tuple) and _holds_number(data):
        out = _stacked(data, dtype or _literal_dtype(data))
        return finished(out, requires_grad)
    if mode.trace is not None and isinstance(data, np.ndarray):
        raise TraceError(
            f"{user_origin()}: a numpy array of shape {list(data.shape)} would be frozen into the "
            "compiled function; make it a tensor outside and pass it as an argument"
        )
    array = _as_array(data, dtype)
    if mode.trace is not None:
        return _traced_literal(array, requires_grad)
    return finished(Tensor.wrap(array), requires_grad)


def _holds_number(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(_holds_number(x) for x in data)
    return type(data) is Number


def _literal_dtype(data: Any) -> DType:
    """The dtype of nested lists of numbers, some of them run-time numbers."""
    values = data if isinstance(data, list | tuple) else [data]
    if any(isinstance(x, list | tuple) for x in values):
        found = [_literal_dtype(x) for x in values]
        return mode.default_dtype if mode.default_dtype in found else found[0]
    return mode.default_dtype if any(isinstance(x, float) for x in values) else int64


def _stacked(data: Any, dtype: DType) -> Tensor:
    """Nested lists with run-time numbers in them, as a tensor."""
    if isinstance(data, list | tuple):
        parts = [_stacked(x, dtype) for x in data]
        if len({p.shape for p in parts}) > 1:
            raise ValueError("tensor data must be rectangular")
        flat = [ops.reshape(p, shape=(1, *p.shape)) for p in parts]
        return ops.cat(*flat, axis=0) if len(flat) > 1 else flat[0]
    return full((), data, dtype=dtype)


def _as_array(data: Any, dtype: DType | None) -> np.ndarray:
    wanted: DType | None = None
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        found: set[DType] = set()
        data = _nested(data, found)
        wanted = functools.reduce(promote, found) if found else mode.default_dtype
    elif not isinstance(data, np.ndarray | np.generic | int | float | bool):
        data = np.asarray(data) if hasattr(data, "__array__") else _refuse(data)
    try:
        array = np.array(data, order="C")
    except ValueError as error:
        raise ValueError(f"tensor data must be rectangular: {error}") from None
    array = _known(array)
    if array.dtype.kind not in "biuf" and array.dtype != bfloat16.numpy:
        raise TypeError(f"can't convert data of dtype {array.dtype} to a tensor")
    if dtype is None and isinstance(data, float) and not isinstance(data, np.generic):
        dtype = mode.default_dtype
    dtype = dtype or wanted or from_numpy_dtype(array.dtype)
    if array.dtype.kind == "f" and dtype.kind == "i" and not np.isfinite(array).all():
        raise ValueError("cannot convert NaN or infinity to an integer tensor")
    return stored(array, dtype)


def _nested(data: Sequence[Any], found: set[DType]) -> list[Any]:
    """A sequence as nested lists, tensors of one element as numbers; notes what dtypes it holds.

    Python's floats count as the default dtype, what numpy or tinytorch made as its own.
    """
    kinds = set(map(type, data))
    found.update(dtype for kind, dtype in _literals() if kind in kinds)
    if kinds <= {bool, int, float}:
        return list(data)
    return [_item(x, found) for x in data]


def _literals() -> tuple[tuple[type, DType], ...]:
    return (bool, bool_), (int, int64), (float, mode.default_dtype)


def _item(x: Any, found: set[DType]) -> Any:
    if isinstance(x, Tensor):
        if x._type.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars; stack() makes one "
                f"tensor of several (found one of shape {list(x.shape)})"
            )
        found.add(x.dtype)
        return x.item()
    if isinstance(x, np.generic | np.ndarray) and x.dtype.kind in "biuf":
        found.add(from_numpy_dtype(x.dtype))
    elif isinstance(x, Sequence) and not isinstance(x, str | bytes):
        return _nested(x, found)
    elif isinstance(x, bool | int | float):  # of a class derived from them
        found.add(next(dtype for kind, dtype in _literals() if isinstance(x, kind)))
    return x


def _known(array: np.ndarray) -> np.ndarray:
    """An array of an extension's bfloat16 as stored elements."""
    return array.view(bfloat16.numpy) if array.dtype.name == "bfloat16" else array


def _refuse(data: Any) -> Any:
    raise TypeError(f"cannot make a tensor of {type(data).__name__}")


def _traced_literal(array: np.ndarray, requires_grad: bool) -> Tensor:
    """A literal inside a trace: small ones are built from constants, large ones are refused."""
    trace = mode.trace
    dtype = from_numpy_dtype(array.dtype)
    if array.size == 1:
        return finished(trace.constant(numbers(array).item(), array.shape, dtype), requires_grad)
    if array.size > 64:
        raise TraceError(
            f"{user_origin()}: a literal of {array.size} elements inside a compiled function; make "
            "it a tensor outside and pass it as an argument"
        )
    parts = [trace.constant(v, (1,), dtype) for v in numbers(array).reshape(-1).tolist()]
    flat = ops.cat(*parts, axis=0) if parts else trace.constant(0, (0,), dtype)
    return finished(ops.reshape(flat, shape=array.shape), requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor that shares memory with a numpy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if mode.trace is not None:
        return tensor(array)
    if not array.dtype.isnative or any(s < 0 for s in array.strides):
        raise ValueError("from_numpy needs native byte order and no negative strides; copy first")
    return Tensor.wrap(array).lend()


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Return data as a tensor, without a copy where possible."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype is None and mode.trace is None:
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def full(size: Any, fill_value: Scalar, *, dtype: DType | None = None, requires_grad: bool = False,
         device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of one number."""
    check_device(device)
    shape = sizes_of((size,) if isinstance(size, int) else size, "full")
    if any(s < 0 for s in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")
    if type(fill_value) is Number:
        value = fill_value.trace.number_as_tensor(fill_value)
        out = value.to(dtype or (mode.default_dtype if value.dtype.kind == "f" else value.dtype))
        return finished(out.expand(shape).clone(), requires_grad)
    if dtype is None:
        dtype = mode.default_dtype if isinstance(fill_value, float) else None
    if dtype is None:
        dtype = from_numpy_dtype(np.asarray(fill_value).dtype)
    if mode.trace is not None:
        return finished(mode.trace.constant(fill_value, shape, dtype), requires_grad)
    with allocating(shape, dtype):
        return finished(Tensor.wrap(stored(np.full(shape, fill_value), dtype)), requires_grad)


def zeros(*sizes: Any, size: Any = None, dtype: DType | None = None, requires_grad: bool = False,
          device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of zeros."""
    shape = sizes_given(sizes, size, "zeros")
    return full(shape, 0.0, dtype=dtype or mode.default_dtype, requires_grad=requires_grad,
                device=device)  # fmt: skip


def ones(*sizes: Any, size: Any = None, dtype: DType | None = None, requires_grad: bool = False,
         device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of ones."""
    shape = sizes_given(sizes, size, "ones")
    return full(shape, 1.0, dtype=dtype or mode.default_dtype, requires_grad=requires_grad,
                device=device)  # fmt: skip


def empty(*sizes: Any, size: Any = None, dtype: DType | None = None, requires_grad: bool = False,
          device: Any = None, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of arbitrary content (zeros here, so that runs repeat)."""
    return zeros(*sizes, size=size, dtype=dtype, requires_grad=requires_grad, device=device)


def zeros_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False,
               device: Any = None, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return zeros of another tensor's shape and dtype."""
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad, device=device)


def ones_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False,
              device: Any = None, memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return ones of another tensor's shape and dtype."""
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad, device=device)


def full_like(input: Tensor, fill_value: Scalar, *, dtype: DType | None = None,
              requires_grad: bool = False, device: Any = None,
              memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return one number in another tensor's shape and dtype."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype,
                requires_grad=requires_grad, device=device)  # fmt: skip


def _check_range(start: Any, end: Any, step: Any) -> None:
    for x in (start, end, step):
        weak_type(x)  # an int has 64 bits
    if not all(math.isfinite(x) for x in (start, end) if isinstance(x, float)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0 or step != step:  # noqa: PLR0124 - NaN
        raise RuntimeError("step must be nonzero")


def arange(start: Scalar, end: Scalar = None, step: Scalar = 1, *, dtype: DType | None = None,
           requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Return numbers from start (inclusive) to end (exclusive)."""
    check_device(device)
    if end is None:
        start, end = 0, start
    start, end, step = (_plain_number(x) for x in (start, end, step))
    if dtype is not None and dtype.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    _check_range(start, end, step)
    integral = all(isinstance(x, int | Extent) for x in (start, end, step))
    if integral and type(step) is int and step == 1:
        count = end - start
    else:
        start, end, step = (int(x) if isinstance(x, Extent) else x for x in (start, end, step))
        if dtype is int64:  # PyTorch counts in int64, but in float64 for narrower integers
            start, end, step = int(start), int(end), int(step)
            if not step:
                raise ValueError("step must be nonzero")
        count = math.ceil((end - start) / step)
        if dtype is not None and dtype.kind == "i":
            start, step = int(start), int(step)
    if count < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = dtype or (int64 if integral else mode.default_dtype)
    if mode.trace is None:
        with allocating((count,), dtype):
            values = stored(start + step * np.arange(count), dtype)
        return finished(Tensor.wrap(values), requires_grad)
    index = mode.trace.record(ops.iota, (), {"shape": (count,), "axis": 0})
    return finished((index * step + start).to(dtype), requires_grad)


def _plain_number(x: Any) -> Any:
    """A number as Python's, of the same kind; a size as it is."""
    return x.item() if isinstance(x, Tensor | np.generic) else plain(x)


def eye(n: int, m: int | None = None, *, dtype: DType | None = None, requires_grad: bool = False,
        device: Any = None) -> Tensor:  # fmt: skip
    """Return an (n, m) matrix with ones on the diagonal, m being n unless given."""
    check_device(device)
    n, m = sizes_of((n, n if m is None else m), "eye")
    if n < 0 or m < 0:
        name, size = ("n", n) if n < 0 else ("m", m)
        raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    same = arange(n).reshape(n, 1) == arange(m).reshape(1, m)
    return finished(same.to(dtype or mode.default_dtype), requires_grad)


__all__ = [
    "arange", "as_tensor", "empty", "eye", "from_numpy", "full", "full_like", "ones", "ones_like",
    "tensor", "zeros",
    "zeros_like",
]  # fmt: skip
