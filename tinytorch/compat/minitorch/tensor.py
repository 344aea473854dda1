"""``Tensor``: float64 elements with a backend, and gradients found by tinytorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor as Values
from tinytorch.compat.minitorch import tensor_functions as functions
from tinytorch.compat.minitorch.tensor_data import TensorData, shape_broadcast
from tinytorch.compat.minitorch.tensor_ops import SimpleBackend, TensorBackend

_numbers = itertools.count()


class Tensor:
    """An array of floats. It takes part in derivatives once ``requires_grad_`` is called."""

    history: functions.History | None

    def __init__(
        self, v: TensorData | Values, back: functions.History | None = None,
        name: str | None = None, backend: TensorBackend | None = None,
    ) -> None:  # fmt: skip
        self.unique_id = next(_numbers)
        self._value = tt.from_numpy(v.view()) if isinstance(v, TensorData) else v
        self.backend = backend or SimpleBackend
        self.history = back
        self.name = str(self.unique_id) if name is None else name
        self.f = self.backend

    @staticmethod
    def make(
        storage: Any, shape: Sequence[int], strides: Sequence[int] | None = None,
        backend: TensorBackend | None = None,
    ) -> Tensor:  # fmt: skip
        """Build a tensor on a flat storage."""
        return Tensor(TensorData(storage, shape, strides), backend=backend)

    def _new(self, value: TensorData | Values) -> Tensor:
        """A tensor of this backend."""
        return Tensor(value, backend=self.backend)

    def _type_(self, backend: TensorBackend) -> None:
        """Go over to another backend."""
        self.backend = self.f = backend

    def map_values(self, run: Callable[..., Values], *others: Tensor) -> Tensor:
        """Apply a differentiable function of tinytorch to this tensor and others."""
        value = run(self._value, *(o._value for o in others))
        wanted = any(t.requires_grad() for t in (self, *others))
        history = functions.History(functions.Function, None, [self, *others]) if wanted else None
        return Tensor(value, history, backend=self.backend)

    def _write(self, other: Tensor) -> Tensor:
        with tt.no_grad():
            self._value.detach().copy_(other._value.detach())
        return self

    # ---------------------------------------------------------------- content

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self._value.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self._value.numel())

    @property
    def dims(self) -> int:
        """Number of axes."""
        return self._value.ndim

    @property
    def _tensor(self) -> TensorData:
        """The elements as storage, shape and strides; writes to it are writes to the tensor."""
        value = self._value.detach()
        if 0 in value.stride():  # elements share memory, which a TensorData's cannot
            value = value.contiguous()
        array, strides = value.numpy(), tuple(value.stride())
        flat = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,))
        return TensorData(flat, self.shape, strides)

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """The elements as a contiguous array."""
        return np.ascontiguousarray(self._value.detach().numpy())

    def item(self) -> float:
        """The one element; raises AssertionError if there are more."""
        assert self.size == 1
        return float(self._value.detach().reshape(1)[0].item())

    def __getitem__(self, key: int | Sequence[int]) -> float:
        key = (key,) if isinstance(key, int) else key
        return self._tensor.get(key)

    def __setitem__(self, key: int | Sequence[int], val: float) -> None:
        key = (key,) if isinstance(key, int) else key
        self._tensor.index(key)
        with tt.no_grad():
            self._value.detach()[tuple(key)] = float(val)

    def __repr__(self) -> str:
        return self._tensor.to_string() if self.shape else f"[{self.item():.2f}]"

    def __hash__(self) -> int:
        return self.unique_id

    # ------------------------------------------------------------ derivatives

    def requires_grad_(self, x: bool = True) -> None:
        """Make this tensor a leaf that collects a gradient."""
        self.history = functions.History() if x else None
        self._value = self._value.detach().requires_grad_(x)

    def requires_grad(self) -> bool:
        """Whether this tensor takes part in derivatives."""
        return self.history is not None

    def is_leaf(self) -> bool:
        """Whether the user made this tensor and it takes part in derivatives."""
        return self.history is not None and self.history.last_fn is None

    def is_constant(self) -> bool:
        """Whether this tensor takes no part in derivatives."""
        return self.history is None

    @property
    def parents(self) -> Iterable[Any]:
        """What this tensor was computed from."""
        assert self.history is not None
        return self.history.inputs

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` accumulated, on leaves."""
        grad = self._value.grad if self.is_leaf() else None
        return None if grad is None else self._new(grad)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        self._value.grad = None if value is None else value._value.detach()

    def accumulate_derivative(self, x: Any) -> None:
        """Add to the gradient; raises AssertionError for any but a leaf."""
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        x = x if isinstance(x, Tensor) else self._new(tt.full(self.shape, float(x)).double())
        self.grad = x if self.grad is None else self._new(self.grad._value + x._value)

    def chain_rule(self, d_output: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Gradients of the operands that are not constant, given that of this tensor."""
        history = self.history
        assert history is not None
        assert history.last_fn is not None
        assert history.ctx is not None
        found = history.last_fn._backward(history.ctx, d_output)
        assert len(found) == len(history.inputs), f"Bug in function {history.last_fn}"
        return [
            (inp, inp.expand(self._ensure_tensor(d)))
            for inp, d in zip(history.inputs, found) if not inp.is_constant()
        ]  # fmt: skip

    def backward(self, grad_output: Tensor | None = None) -> None:
        """Accumulate gradients into the leaves behind this tensor.

        Raises AssertionError without ``grad_output``, unless the shape is (1,).
        """
        if grad_output is None:
            assert self.shape == (1,), "Must provide grad_output if non-scalar"
            grad_output = self._new(tt.ones(1, dtype=tt.float64))
        self._value.backward(grad_output._value.detach(), retain_graph=True)

    def zero_grad_(self) -> None:
        """Set the gradient to zeros; raises AssertionError for any but a leaf."""
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        self.grad = self.zeros()

    def detach(self) -> Tensor:
        """The same elements without a history."""
        return self._new(self._value.detach())

    def expand(self, other: Tensor) -> Tensor:
        """Bring a gradient to this tensor's shape: sum what was broadcast, repeat what was summed.

        Such is the gradient of an operand whose result had another shape.
        """
        if self.shape == other.shape:
            return other
        whole = shape_broadcast(self.shape, other.shape)
        values = other._value.detach().expand(*whole)
        lead = len(whole) - self.dims
        axes = [*range(lead), *(lead + i for i, s in enumerate(self.shape)
                                if s == 1 and whole[lead + i] != 1)]  # fmt: skip
        summed = values.sum(tuple(axes), keepdim=True) if axes else values
        return self._new(summed.reshape(self.shape))

    # -------------------------------------------------------------- functions

    def _ensure_tensor(self, b: Any) -> Tensor:
        if isinstance(b, Tensor):
            return b
        return self._new(tt.full((1,), float(b), dtype=tt.float64))

    def _numbers(self, numbers: Sequence[int]) -> Tensor:
        return self._new(tt.tensor([float(n) for n in numbers], dtype=tt.float64))

    def __add__(self, b: Any) -> Tensor:
        return functions.Add.apply(self, self._ensure_tensor(b))

    def __sub__(self, b: Any) -> Tensor:
        return functions.Add.apply(self, -self._ensure_tensor(b))

    def __mul__(self, b: Any) -> Tensor:
        return functions.Mul.apply(self, self._ensure_tensor(b))

    def __truediv__(self, b: Any) -> Tensor:
        return functions.Mul.apply(self, functions.Inv.apply(self._ensure_tensor(b)))

    def __rtruediv__(self, b: Any) -> Tensor:
        return functions.Mul.apply(self._ensure_tensor(b), functions.Inv.apply(self))

    def __rsub__(self, b: Any) -> Tensor:
        return self._ensure_tensor(b) - self

    def __matmul__(self, b: Tensor) -> Tensor:
        return functions.MatMul.apply(self, b)

    def __lt__(self, b: Any) -> Tensor:
        return functions.LT.apply(self, self._ensure_tensor(b))

    def __gt__(self, b: Any) -> Tensor:
        return functions.LT.apply(self._ensure_tensor(b), self)

    def __eq__(self, b: object) -> Tensor:  # type: ignore[override]
        return functions.EQ.apply(self, self._ensure_tensor(b))

    def __neg__(self) -> Tensor:
        return functions.Neg.apply(self)

    __radd__ = __add__
    __rmul__ = __mul__

    def all(self, dim: int | None = None) -> Tensor:
        """1.0 where all elements (along an axis) are not 0."""
        source = self.view(self.size) if dim is None else self
        return functions.All.apply(source, self._ensure_tensor(0 if dim is None else dim))

    def is_close(self, y: Any) -> Tensor:
        """1.0 where less than 0.01 apart."""
        return functions.IsClose.apply(self, self._ensure_tensor(y))

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x))."""
        return functions.Sigmoid.apply(self)

    def relu(self) -> Tensor:
        """0 where negative."""
        return functions.ReLU.apply(self)

    def log(self) -> Tensor:
        """Natural logarithm of x + 1e-6."""
        return functions.Log.apply(self)

    def exp(self) -> Tensor:
        """e to the power x."""
        return functions.Exp.apply(self)

    def sum(self, dim: int | None = None) -> Tensor:
        """Sum along an axis, which stays with size 1; of everything, with shape (1,)."""
        if dim is None:
            return functions.Sum.apply(self.contiguous().view(self.size), self._ensure_tensor(0))
        return functions.Sum.apply(self, self._ensure_tensor(dim))

    def mean(self, dim: int | None = None) -> Tensor:
        """Mean along an axis, which stays with size 1; of everything, with shape (1,)."""
        return self.sum(dim) / (self.size if dim is None else self.shape[dim])

    def permute(self, *order: int) -> Tensor:
        """A view with the axes in another order."""
        return functions.Permute.apply(self, self._numbers(order))

    def view(self, *shape: int) -> Tensor:
        """The same elements in another shape; raises AssertionError unless contiguous."""
        return functions.View.apply(self, self._numbers(shape))

    def contiguous(self) -> Tensor:
        """A copy whose elements lie in row-major order."""
        return functions.Copy.apply(self)

    def zeros(self, shape: Sequence[int] | None = None) -> Tensor:
        """Zeros, of this shape or another."""
        return self._new(tt.zeros(tuple(self.shape if shape is None else shape), dtype=tt.float64))


Tensor.tuple = lambda self: self._tensor.tuple()  # type: ignore[attr-defined]
functions.Tensor = Tensor
