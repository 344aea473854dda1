"""``Variable`` and ``Function``: boxes around arrays, and what connects them.

A ``Function`` is written as there, ``forward`` and ``backward`` on arrays; it becomes one
``autograd.Function`` of tinytorch, whose ``backward`` finds all gradients. Every variable carries
the tensor that stands for it in that graph.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor


class Config:
    """Switches: ``enable_backprop`` says whether graphs are recorded."""

    enable_backprop = True


@contextlib.contextmanager
def using_config(name: str, value: Any) -> Iterator[None]:
    """Set a switch for the duration of a ``with`` block."""
    old = getattr(Config, name)
    setattr(Config, name, value)
    try:
        yield
    finally:
        setattr(Config, name, old)


def no_grad() -> contextlib.AbstractContextManager[None]:
    """Record no graphs inside a ``with`` block."""
    return using_config("enable_backprop", False)


class Variable:
    """A box around a numpy array, with the gradient found for it and the function it came from.

    Raises TypeError for data that is neither an array nor None.
    """

    __array_priority__ = 200

    def __init__(self, data: Any, name: str | None = None) -> None:
        self.name = name
        self.creator: Function | None = None
        self.generation = 0
        self.data = data

    @property
    def data(self) -> Any:
        """The array."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is not None and not isinstance(value, np.ndarray):
            raise TypeError(f"{type(value)} is not supported")
        self._data = value
        self._tensor = _stand_in(value).requires_grad_()

    @property
    def grad(self) -> Any:
        """The gradient as an array of the data's shape; None before ``backward``."""
        grad = self._tensor.grad
        return None if grad is None else grad.detach().numpy()

    @grad.setter
    def grad(self, value: Any) -> None:
        self._tensor.grad = None if value is None else _stand_in(value).expand(self._tensor.shape)

    def set_creator(self, func: Function) -> None:
        """Note which function computed this variable."""
        self.creator = func
        self.generation = func.generation + 1

    def cleargrad(self) -> None:
        """Forget the gradient."""
        self._tensor.grad = None

    def backward(self, retain_grad: bool = False) -> None:
        """Accumulate gradients into the variables that this one was computed from.

        It starts from ``grad``, or from ones. ``retain_grad`` keeps the gradients of what lies
        between, else only variables without a creator have one afterwards.
        """
        start = self.grad
        seed = _stand_in(np.ones_like(self.data) if start is None else start)
        between = [v for v in history(self) if v.creator is not None]
        if retain_grad:
            for variable in between:
                variable._tensor.retain_grad()
        self._tensor.grad = None
        if self.creator is None:
            self.grad = seed.numpy()
            return
        self._tensor.backward(seed, retain_graph=True)
        if retain_grad:
            self.grad = seed.numpy()
        else:
            for variable in between:
                variable.cleargrad()

    # ------------------------------------------------------- like an array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data."""
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        """Number of axes of the data."""
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        """Number of elements of the data."""
        return int(self.data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype of the data."""
        return np.dtype(self.data.dtype)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        if self.data is None:
            return "variable(None)"
        return f"variable({str(self.data).replace(chr(10), chr(10) + ' ' * 9)})"


def _stand_in(data: Any) -> Tensor:
    """The tensor that stands for an array in the graph; floating-point, to have gradients."""
    array = np.asarray(0.0 if data is None else data)
    return tt.tensor(array if array.dtype.kind == "f" else array.astype(np.float64))


def history(root: Variable) -> list[Variable]:
    """All variables behind one, itself included."""
    found: dict[int, Variable] = {}
    waiting = [root]
    while waiting:
        variable = waiting.pop()
        if id(variable) not in found:
            found[id(variable)] = variable
            if variable.creator is not None:
                waiting.extend(variable.creator.inputs)
    return list(found.values())


def as_variable(obj: Any) -> Variable:
    """Return a variable as it is, an array or number in a new one."""
    return obj if isinstance(obj, Variable) else Variable(as_array(obj))


def as_array(x: Any) -> Any:
    """Return a number as an array without axes; anything else as it is."""
    return np.array(x) if np.isscalar(x) else x


class _Recorded(tt.autograd.Function):
    """One call of a TinyPytorch function as a node of tinytorch's graph."""

    @staticmethod
    def forward(ctx: Any, function: Function, results: list[Any], *inputs: Tensor) -> Any:
        ctx.function = function
        ctx.shapes = [tuple(x.shape) for x in inputs]
        outputs = tuple(_stand_in(y) for y in results)
        return outputs if len(outputs) > 1 else outputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        found = ctx.function.backward(*(g.numpy() for g in grads))
        found = found if isinstance(found, tuple) else (found,)
        return None, None, *(
            None if g is None else _stand_in(_summed_to(np.asarray(g), shape))
            for g, shape in zip(found, ctx.shapes, strict=True)
        )


def _summed_to(grad: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Any:
    """Undo a broadcast: sum over the axes along which an operand was repeated."""
    lead = grad.ndim - len(shape)
    axes = [*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1)]
    return grad.sum(axis=tuple(axes), keepdims=True).reshape(shape) if grad.shape != shape else grad


class Function:
    """Base of functions: subclasses define ``forward`` and ``backward`` on arrays.

    After a call, ``inputs`` holds its variables and ``outputs`` weak references to its results;
    ``input`` and ``output`` are the first of each.
    """

    generation = 0
    inputs: list[Variable]
    outputs: list[weakref.ref[Variable]]

    def __call__(self, *inputs: Any) -> Any:
        """Apply to variables (arrays and numbers become ones); return one, or a list."""
        variables = [as_variable(x) for x in inputs]
        results = self.forward(*(x.data for x in variables))
        results = results if isinstance(results, tuple) else (results,)
        outputs = [Variable(as_array(y)) for y in results]
        if Config.enable_backprop:
            self.generation = max(x.generation for x in variables)
            self.inputs = variables
            recorded = _Recorded.apply(self, list(results), *(x._tensor for x in variables))
            for output, tensor in zip(outputs, recorded if len(outputs) > 1 else [recorded]):
                output._tensor = tensor
                output.set_creator(self)
            self.outputs = [weakref.ref(output) for output in outputs]
        return outputs if len(outputs) > 1 else outputs[0]

    @property
    def input(self) -> Variable:
        """The first variable of the last call."""
        return self.inputs[0]

    @property
    def output(self) -> Variable | None:
        """The first result of the last call, if it is still held by somebody."""
        return self.outputs[0]()

    def forward(self, *xs: Any) -> Any:
        """Compute results from arrays."""
        raise NotImplementedError()

    def backward(self, *gys: Any) -> Any:
        """Compute the inputs' gradients from the results' gradients."""
        raise NotImplementedError()
