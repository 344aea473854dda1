"""Functions of the book's first chapters, written as a user would write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.compat.tinypytorch.core import Function, Variable, as_array


class Square(Function):
    """x squared."""

    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, gy: Any) -> Any:
        return 2 * self.input.data * gy


class Exp(Function):
    """e to the power x."""

    def forward(self, x: Any) -> Any:
        return np.exp(x)

    def backward(self, gy: Any) -> Any:
        return np.exp(self.input.data) * gy


class Tanh(Function):
    """Hyperbolic tangent; its derivative needs the result alone."""

    def forward(self, x: Any) -> Any:
        self.y = np.tanh(x)
        return self.y

    def backward(self, gy: Any) -> Any:
        return gy * (1 - self.y * self.y)


class Add(Function):
    """Sum."""

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 + x1

    def backward(self, gy: Any) -> Any:
        return gy, gy


class Mul(Function):
    """Product."""

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 * x1

    def backward(self, gy: Any) -> Any:
        x0, x1 = (x.data for x in self.inputs)
        return gy * x1, gy * x0


class Neg(Function):
    """Negative."""

    def forward(self, x: Any) -> Any:
        return -x

    def backward(self, gy: Any) -> Any:
        return -gy


class Sub(Function):
    """Difference."""

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 - x1

    def backward(self, gy: Any) -> Any:
        return gy, -gy


class Div(Function):
    """Quotient."""

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 / x1

    def backward(self, gy: Any) -> Any:
        x0, x1 = (x.data for x in self.inputs)
        return gy / x1, -gy * x0 / x1**2


class Pow(Function):
    """Power with a fixed exponent."""

    def __init__(self, exponent: float) -> None:
        self.c = exponent

    def forward(self, x: Any) -> Any:
        return x**self.c

    def backward(self, gy: Any) -> Any:
        return self.c * self.input.data ** (self.c - 1) * gy


def square(x: Any) -> Any:
    """x squared."""
    return Square()(x)


def exp(x: Any) -> Any:
    """e to the power x."""
    return Exp()(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return Tanh()(x)


def add(x0: Any, x1: Any) -> Any:
    """Sum."""
    return Add()(x0, as_array(x1))


def mul(x0: Any, x1: Any) -> Any:
    """Product."""
    return Mul()(x0, as_array(x1))


def sub(x0: Any, x1: Any) -> Any:
    """Difference."""
    return Sub()(x0, as_array(x1))


def div(x0: Any, x1: Any) -> Any:
    """Quotient."""
    return Div()(x0, as_array(x1))


def numerical_diff(f: Callable[[Variable], Variable], x: Variable, eps: float = 1e-4) -> Any:
    """Central difference of a function at a variable, as an array."""
    above, below = f(Variable(as_array(x.data + eps))), f(Variable(as_array(x.data - eps)))
    return (above.data - below.data) / (2 * eps)


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(as_array(other), self)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": add, "__radd__": add, "__mul__": mul, "__rmul__": mul,
    "__neg__": lambda self: Neg()(self),
    "__sub__": sub, "__rsub__": _reflected(sub),
    "__truediv__": div, "__rtruediv__": _reflected(div),
    "__pow__": lambda self, exponent: Pow(exponent)(self),
}  # fmt: skip
for _name, _function in _OPERATORS.items():
    setattr(Variable, _name, _function)
