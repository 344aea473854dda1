"""The functions on scalars by the name of MiniTorch's module."""

from tinytorch.compat.minitorch.autodiff import unwrap_tuple, wrap_tuple
from tinytorch.compat.minitorch.scalar import (
    EQ,
    LT,
    Add,
    Exp,
    Inv,
    Log,
    Mul,
    Neg,
    ReLU,
    ScalarFunction,
    Sigmoid,
)  # fmt: skip

__all__ = [
    "EQ", "LT", "Add", "Exp", "Inv", "Log", "Mul", "Neg", "ReLU", "ScalarFunction", "Sigmoid",
    "unwrap_tuple", "wrap_tuple",
]  # fmt: skip
