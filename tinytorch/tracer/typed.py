"""Tensors by class: ``Tensor(2, 3)``, ``LongTensor([1, 2])``, and what ``Tensor.type`` says.

PyTorch's older way to make tensors: sizes give a tensor of arbitrary content (zeros, so that runs
repeat), a sequence or array its numbers in the class's dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir import types
from tinytorch.ir.extent import Extent
from tinytorch.ir.types import DType
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import empty, tensor
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.views import Size


def _is_size(value: Any) -> bool:
    return isinstance(value, int | np.integer | Extent | Number) and not isinstance(value, bool)


def _made(dtype: DType, args: tuple[Any, ...], device: Any) -> Tensor:
    check_device(device)
    if len(args) == 1 and not _is_size(args[0]):
        return _of_data(dtype, args[0])
    for place, size in enumerate(args, 1):
        if not _is_size(size):
            raise TypeError(
                f"new(): argument 'size' failed to unpack the object at pos {place}: it must be "
                f"an int, not {type(size).__name__}"
            )
    return empty(*args, dtype=dtype) if args else empty(0, dtype=dtype)


def _of_data(dtype: DType, data: Any) -> Tensor:
    if isinstance(data, Size):
        return empty(data, dtype=dtype)
    if isinstance(data, Tensor):
        if data.dtype is not dtype:
            raise TypeError(
                f"expected a tensor of {dtype} (got one of {data.dtype}); use .to({dtype})"
            )
        return data.detach()
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not hasattr(data, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return tensor(data, dtype=dtype)


def _new(cls: type, *args: Any, device: Any = None) -> Tensor:
    """Make a tensor of the default dtype: of sizes, or of data. Of a tensor, its like."""
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0].detach()
    return _made(mode.default_dtype, args, device)


Tensor.__new__ = _new  # type: ignore[method-assign,assignment]


class _Typed(type):
    """The class of classes that stand for a dtype: a tensor of the dtype is an instance."""

    dtype: DType

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """Make a tensor of the class's dtype: of sizes, or of data."""
        return _made(cls.dtype, args, device)


class FloatTensor(metaclass=_Typed):
    """Tensors of float32."""

    dtype = types.float32


class DoubleTensor(metaclass=_Typed):
    """Tensors of float64."""

    dtype = types.float64


class HalfTensor(metaclass=_Typed):
    """Tensors of float16."""

    dtype = types.float16


class BFloat16Tensor(metaclass=_Typed):
    """Tensors of bfloat16."""

    dtype = types.bfloat16


class ByteTensor(metaclass=_Typed):
    """Tensors of uint8."""

    dtype = types.uint8


class CharTensor(metaclass=_Typed):
    """Tensors of int8."""

    dtype = types.int8


class ShortTensor(metaclass=_Typed):
    """Tensors of int16."""

    dtype = types.int16


class IntTensor(metaclass=_Typed):
    """Tensors of int32."""

    dtype = types.int32


class LongTensor(metaclass=_Typed):
    """Tensors of int64."""

    dtype = types.int64


class BoolTensor(metaclass=_Typed):
    """Tensors of bool."""

    dtype = types.bool_


_CLASSES: dict[str, Any] = {
    c.dtype.name: c for c in (
        FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor, ByteTensor, CharTensor, ShortTensor,
        IntTensor, LongTensor, BoolTensor,
    )
}  # fmt: skip


def type_of(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Return the tensor in a dtype; without one, the name of its own as PyTorch writes it.

    ``dtype`` may be a class or the name of one too. Raises TypeError for what names no dtype.
    """
    if dtype is None:
        return f"tinytorch.{_CLASSES[self.dtype.name].__name__}"
    return self.to(_dtype(dtype))


def _dtype(named: Any) -> DType:
    if isinstance(named, DType):
        return named
    if isinstance(named, _Typed):
        return named.dtype
    if named is Tensor:
        return mode.default_dtype
    if isinstance(named, str):
        for kind in _CLASSES.values():
            if kind.__name__ == named.rpartition(".")[2]:
                return _dtype(kind)
    raise TypeError(f"invalid type: {named!r}")


Tensor.type = type_of  # type: ignore[attr-defined]

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip
