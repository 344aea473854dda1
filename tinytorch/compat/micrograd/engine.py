"""``Value``: micrograd's scalar, a float64 tensor without axes underneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import tinytorch as tt
from tinytorch import Tensor

Operation: TypeAlias = tuple[Callable[..., Tensor], "tuple[Value, ...]"]
"""What a value was computed by, and from what."""


class Value:
    """A number that remembers how it was computed.

    ``data`` and ``grad`` are Python floats; both can be assigned. Gradients accumulate over
    ``backward`` calls, on every value of the graph, until they are set back to 0.

    An operation of one's own is written as micrograd's are: ``Value(number, children, name)``, then
    a function without arguments as ``_backward`` that adds to the children's ``grad``.
    """

    def __init__(
        self, data: Any, _children: tuple[Value, ...] = (), _op: str = "", label: str = ""
    ) -> None:
        self._prev = set(_children)
        self._op = _op
        self.label = label
        self._used = False
        self._operation: Operation | None = None
        self._own_backward: Callable[[], None] | None = None
        if _children:
            self._tensor = self._by_hand(float(data))
        else:
            self._tensor = tt.tensor(float(data), dtype=tt.float64, requires_grad=True)

    def _by_hand(self, number: float) -> Tensor:
        """A node of tinytorch's graph that runs ``_backward`` of this value for its derivative."""
        operands = [child._operand() for child in self._prev]
        tensor = _ByHand.apply(self, number, *(operands or [tt.zeros((), requires_grad=True)]))
        return _kept(tensor)

    def _operand(self) -> Tensor:
        self._used = True
        return self._tensor

    @property
    def _backward(self) -> Callable[[], None]:
        """A function that adds ``grad`` times the derivative to ``grad`` of each operand.

        ``backward`` runs one that was assigned; what operations here assign by themselves is for
        calling by hand. Raises RuntimeError if assigned once the value has been used.
        """
        return self._own_backward or self._one_step

    @_backward.setter
    def _backward(self, function: Callable[[], None]) -> None:
        if self._own_backward is None and (self._operation is not None or not self._prev):
            if self._used:
                raise RuntimeError(
                    "assign _backward before the value is used: what was computed from it goes by "
                    "its old derivative"
                )
            self._tensor = self._by_hand(self.data)
        self._own_backward = function

    def _one_step(self) -> None:
        if self._operation is None:
            return
        run, children = self._operation
        leaves = [tt.tensor(c.data, dtype=tt.float64, requires_grad=True) for c in children]
        seed = tt.tensor(self.grad, dtype=tt.float64)
        run(*leaves).backward(seed)
        for child, leaf in zip(children, leaves):
            child.grad += 0.0 if leaf.grad is None else leaf.grad.item()

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

    def _with(self, other: Any, run: Callable[..., Tensor], symbol: str) -> Value:
        return _computed(symbol, run, self, other if isinstance(other, Value) else Value(other))

    def __add__(self, other: Any) -> Value:
        return self._with(other, tt.add, "+")

    def __mul__(self, other: Any) -> Value:
        return self._with(other, tt.mul, "*")

    def __pow__(self, other: float) -> Value:
        """Power with an int or float exponent; raises AssertionError for another one."""
        assert isinstance(other, int | float), "only supporting int/float powers for now"
        return _computed(f"**{other}", lambda x: x**other, self)

    def relu(self) -> Value:
        """0 where negative."""
        return _computed("ReLU", tt.relu, self)

    def tanh(self) -> Value:
        """Hyperbolic tangent, without overflow."""
        return _computed("tanh", tt.tanh, self)

    def exp(self) -> Value:
        """e to the power of this value."""
        return _computed("exp", tt.exp, self)

    def log(self) -> Value:
        """Natural logarithm."""
        return _computed("log", tt.log, self)

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


def _computed(symbol: str, run: Callable[..., Tensor], *children: Value) -> Value:
    """The value of an operation of tinytorch on others."""
    out = Value.__new__(Value)
    out._prev, out._op, out.label, out._used = set(children), symbol, "", False
    out._operation, out._own_backward = (run, children), None
    out._tensor = _kept(run(*(child._operand() for child in children)))
    return out


def _kept(tensor: Tensor) -> Tensor:
    """The tensor, made to keep its gradient if it has one."""
    if tensor.requires_grad:
        tensor.retain_grad()
    return tensor


class _ByHand(tt.autograd.Function):
    """A value whose derivative its own ``_backward`` computes, from ``grad`` to ``grad``."""

    @staticmethod
    def forward(ctx: Any, value: Value, number: float, *operands: Tensor) -> Tensor:
        ctx.value, ctx.none = value, len(operands) - len(value._prev)
        return tt.tensor(number, dtype=tt.float64)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        value, children = ctx.value, list(ctx.value._prev)
        before = [(v, v._tensor.grad) for v in (value, *children)]
        for child in children:
            child._tensor.grad = None
        value._tensor.grad = grad
        try:
            value._backward()
            found = [tt.tensor(child.grad, dtype=tt.float64) for child in children]
        finally:
            for v, old in before:
                v._tensor.grad = old
        return None, None, *found, *[None] * ctx.none


def _number(value: Any) -> float:
    return value.data if isinstance(value, Value) else float(value)
