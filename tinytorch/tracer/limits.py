"""What dtypes hold and how they combine: finfo, iinfo, promotion and casting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinytorch.ir import types
from tinytorch.ir.operators import weak_type
from tinytorch.ir.types import DType, TensorType
from tinytorch.tracer.mode import mode
from tinytorch.tracer.tensor import Tensor

_MANTISSA = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}


@dataclass(frozen=True)
class FloatLimits:
    """The numbers that a floating-point dtype holds."""

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float
    dtype: str


@dataclass(frozen=True)
class IntegerLimits:
    """The numbers that an integer dtype holds."""

    bits: int
    max: int
    min: int
    dtype: str


def finfo(dtype: DType | None = None) -> FloatLimits:
    """Limits of a floating-point dtype, by default the default one; TypeError for another."""
    dtype = dtype or mode.default_dtype
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to "
                        f"handle '{dtype}'")  # fmt: skip
    mantissa = _MANTISSA[dtype.name]
    largest_exponent = (1 << (dtype.bits - mantissa - 2)) - 1
    eps, tiny = 2.0**-mantissa, 2.0 ** (1 - largest_exponent)
    largest = (2 - eps) * 2.0**largest_exponent
    digits = int(mantissa * 0.30102999566398)
    resolution = 10.0**-digits
    return FloatLimits(dtype.bits, eps, largest, -largest, tiny, tiny, resolution, dtype.name)


def iinfo(dtype: DType) -> IntegerLimits:
    """Limits of an integer dtype; TypeError for another."""
    if not isinstance(dtype, DType) or dtype.kind != "i":
        raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                        f"'{dtype}'")  # fmt: skip
    top = (1 << (dtype.bits - (1 if dtype.signed else 0))) - 1
    return IntegerLimits(dtype.bits, top, -top - 1 if dtype.signed else 0, dtype.name)


def check_fits(value: Any, dtype: DType) -> None:
    """Raise RuntimeError if a Python number has no counterpart in an integer dtype."""
    if dtype.kind != "i" or not isinstance(value, int | float):
        return
    limits = iinfo(dtype)
    low = limits.min if dtype.signed else -limits.max
    if not low <= value <= limits.max:  # NaN included
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that holds both."""
    return types.promote(type1, type2)


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of one dtype may be written into a tensor of another."""
    order = "bif"
    return order.index(from_.kind) <= order.index(to.kind)


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of arithmetic on two operands, tensors or numbers."""
    found: list[TensorType] = [
        x.aval if isinstance(x, Tensor) else weak_type(x) for x in (tensor1, tensor2)
    ]
    return types.result_type(found, mode.default_dtype)


__all__ = [
    "can_cast", "finfo", "iinfo", "promote_types", "result_type",
]  # fmt: skip
