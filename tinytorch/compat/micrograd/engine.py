"""``Value``: micrograd's scalar, a float64 tensor without axes underneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinytorch as tt
from tinytorch import Tensor


class Value:
    """A number that remembers how it was computed.

    ``data`` and ``grad`` are Python floats; both can be assigned. Gradients accumulate over
    ``backward`` calls, on every value of the graph, until they are set back to 0.
    """

    def __init__(
        self, data: Any, _children: tuple[Value, ...] = (), _op: str = "", label: str = ""
    ) -> None:
        if isinstance(data, Tensor):
            self._tensor = data
            if data.requires_grad:
                data.retain_grad()
        else:
            self._tensor = tt.tensor(float(data), dtype=tt.float64, requires_grad=True)
        self._prev = set(_children)
        self._op = _op
        self.label = label

    # ------------------------------------------------------------- content

    @property
    def data(self) -> float:
        """The number."""
        return float(self._tensor.detach().item())

    @data.setter
    def data(self, value: Any) -> None:
        with tt.no_grad():
            self._tensor.detach().fill_(float(value))

    @property
    def grad(self) -> float:
        """What ``backward`` has found so far, 0 before it."""
        grad = self._tensor.grad
        return 0.0 if grad is None else float(grad.item())

    @grad.setter
    def grad(self, value: Any) -> None:
        self._tensor.grad = tt.tensor(float(value), dtype=tt.float64)

    def backward(self) -> None:
        """Accumulate the derivative of this value into ``grad`` of all that it depends on."""
        self._tensor.grad = None
        self._tensor.backward(retain_graph=True)
        self.grad = 1.0

    # ---------------------------------------------------------- arithmetic

    def _with(self, other: Any, operation: Callable[[Any, Any], Tensor], symbol: str) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(operation(self._tensor, other._tensor), (self, other), symbol)

    def __add__(self, other: Any) -> Value:
        return self._with(other, tt.add, "+")

    def __mul__(self, other: Any) -> Value:
        return self._with(other, tt.mul, "*")

    def __pow__(self, other: float) -> Value:
        """Power with an int or float exponent; raises AssertionError for another one."""
        assert isinstance(other, int | float), "only supporting int/float powers for now"
        return Value(self._tensor**other, (self,), f"**{other}")

    def relu(self) -> Value:
        """0 where negative."""
        return Value(self._tensor.relu(), (self,), "ReLU")

    def tanh(self) -> Value:
        """Hyperbolic tangent, without overflow."""
        return Value(self._tensor.tanh(), (self,), "tanh")

    def exp(self) -> Value:
        """e to the power of this value."""
        return Value(self._tensor.exp(), (self,), "exp")

    def log(self) -> Value:
        """Natural logarithm."""
        return Value(self._tensor.log(), (self,), "log")

    def __neg__(self) -> Value:
        return self * -1

    def __radd__(self, other: Any) -> Value:
        return self + other

    def __sub__(self, other: Any) -> Value:
        return self + (-other)

    def __rsub__(self, other: Any) -> Value:
        return other + (-self)

    def __rmul__(self, other: Any) -> Value:
        return self * other

    def __truediv__(self, other: Any) -> Value:
        return self * other**-1

    def __rtruediv__(self, other: Any) -> Value:
        return other * self**-1

    def __gt__(self, other: Any) -> bool:
        return self.data > _number(other)

    def __lt__(self, other: Any) -> bool:
        return self.data < _number(other)

    def __float__(self) -> float:
        return self.data

    def __repr__(self) -> str:
        return f"Value({self.data})"


def _number(value: Any) -> float:
    return value.data if isinstance(value, Value) else float(value)
