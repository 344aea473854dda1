"""Questions about tensors whose answers are Python values."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.tracer.functions.comparison import isclose
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_REMEDY = "return the tensors and compare them outside, or keep the answer a tensor: (a == b).all()"


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype holds fractions."""
    return bool(check_tensor(input, "is_floating_point").dtype.is_floating_point)


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex: never, there is none."""
    check_tensor(input, "is_complex")
    return False


def is_signed(self: Tensor) -> bool:
    """Whether the dtype holds negative numbers."""
    return bool(self.dtype.signed)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero."""
    return bool(check_tensor(input, "is_nonzero"))


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return tuple(input.shape) == tuple(other.shape)


def numel(input: Tensor) -> Any:
    """Number of elements."""
    return check_tensor(input, "numel").numel()


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same. Runs eagerly only."""
    if tuple(check_tensor(input, "equal").shape) != tuple(check_tensor(other, "equal").shape):
        return False
    same = input == other
    return bool(known(same, "a Python bool", _REMEDY).all())


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
             equal_nan: bool = False) -> bool:  # fmt: skip
    """Whether all |a - b| <= atol + rtol * |b|. Runs eagerly only."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.name} did not match {other.dtype.name}")
    close = isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return bool(known(close, "a Python bool", _REMEDY).all())


def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    return int(known(self, "an address", "call it outside").ctypes.data)


def __dlpack__(self: Tensor, **options: Any) -> Any:  # noqa: N807
    """The memory as a DLPack capsule, shared."""
    if self.requires_grad:
        raise BufferError(
            "Can't export tensors that require gradient, use tensor.detach()"
        )
    array = known(self, "a DLPack capsule", "call it outside")
    self.lend()
    return array.__dlpack__(**options)


def __dlpack_device__(self: Tensor) -> tuple[int, int]:  # noqa: N807
    """DLPack's name of the CPU."""
    return (1, 0)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of an object that speaks DLPack, shared."""
    array = np.from_dlpack(ext_tensor)
    if not array.flags.writeable:
        array = array.copy()
    return Tensor.wrap(array).lend()


__all__ = [
    "allclose", "equal", "from_dlpack", "is_complex", "is_floating_point", "is_nonzero",
    "is_same_size", "is_tensor", "numel",
]  # fmt: skip
METHODS = [
    "__dlpack__", "__dlpack_device__", "allclose", "data_ptr", "equal", "is_complex",
    "is_floating_point", "is_nonzero", "is_same_size", "is_signed",
]  # fmt: skip
