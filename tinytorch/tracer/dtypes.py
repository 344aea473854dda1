"""Element types under PyTorch's names, some of which hide a builtin elsewhere."""

from __future__ import annotations

from tinytorch.ir import types
from tinytorch.ir.types import DType

dtype = DType
bool = types.bool_  # noqa: A001
uint8 = types.uint8
int8 = types.int8
int16 = short = types.int16
int32 = int = types.int32  # noqa: A001
int64 = long = types.int64
float16 = half = types.float16
bfloat16 = types.bfloat16
float32 = float = types.float32  # noqa: A001
float64 = double = types.float64

__all__ = [
    "bfloat16", "bool", "double", "dtype", "float", "float16", "float32", "float64", "half", "int",
    "int16", "int32", "int64", "int8", "long", "short", "uint8",
]  # fmt: skip
