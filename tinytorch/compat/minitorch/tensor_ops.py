"""Backends: how map, zip, reduce and the matrix product are run.

``SimpleOps`` runs tinytorch's ops eagerly; ``FastOps`` compiles each of them, threads included.
A scalar function becomes a tensor function: MiniTorch's operators by a table, any other by being
called on tensors (``FastOps``), or element by element (``SimpleOps``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor as Values
from tinytorch.compat.minitorch import operators


def _as_number(condition: Values) -> Values:
    return condition.to(tt.float64)


LIFTED: dict[Callable[..., float], Callable[..., Values]] = {
    operators.id: lambda a: a.clone(),
    operators.neg: tt.neg,
    operators.sigmoid: tt.sigmoid,
    operators.relu: tt.relu,
    operators.log: lambda a: tt.log(a + operators.EPS),
    operators.exp: tt.exp,
    operators.inv: tt.reciprocal,
    operators.add: tt.add,
    operators.mul: tt.mul,
    operators.max: tt.maximum,
    operators.lt: lambda a, b: _as_number(a < b),
    operators.eq: lambda a, b: _as_number(a == b),
    operators.is_close: lambda a, b: _as_number(tt.abs(a - b) < 1e-2),
    operators.log_back: lambda a, d: d / (a + operators.EPS),
    operators.inv_back: lambda a, d: -d / (a * a),
    operators.relu_back: lambda a, d: tt.where(a > 0, d, 0.0),
}
"""Operators on whole tensors."""
REDUCED: dict[Callable[..., float], Callable[[Values, int], Values]] = {
    operators.add: lambda a, dim: a.sum(dim, keepdim=True),
    operators.mul: lambda a, dim: a.prod(dim, keepdim=True),
    operators.max: lambda a, dim: a.amax(dim, keepdim=True),
}
"""Reductions that have an op of their own."""


def _fold(
    fn: Callable[[Values, Values], Values], start: float, a: Values, dim: int
) -> Values:
    """Combine slices along an axis, from the first to the last."""
    parts = [a.narrow(dim, i, 1) for i in range(a.shape[dim])]
    return functools.reduce(lambda total, part: fn(part, total), parts, parts[0] * 0 + start)


def _one_by_one(fn: Callable[..., float]) -> Callable[..., Values]:
    """A scalar function on each element by itself."""
    each = np.vectorize(fn, otypes=[np.float64])
    return lambda *tensors: tt.from_numpy(np.asarray(each(*(t.numpy() for t in tensors))))


class TensorOps:
    """A way to run map, zip, reduce and the matrix product on float64 tensors."""

    cuda = False

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        """Return ``f(a)`` that applies ``fn`` to each element."""
        raise NotImplementedError()

    @staticmethod
    def cmap(fn: Callable[[float], float]) -> Callable[..., Any]:
        """Like ``map``, into a given tensor."""
        raise NotImplementedError()

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        """Return ``f(a, b)`` that applies ``fn`` to pairs, broadcasting."""
        raise NotImplementedError()

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        """Return ``f(a, dim)`` that combines elements along an axis, which stays with size 1."""
        raise NotImplementedError()

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        """Matrix product over the last two axes; the others broadcast."""
        raise NotImplementedError()


def _through(run: Callable[..., Values]) -> Callable[..., Any]:
    """Take and give MiniTorch's tensors."""

    def apply(a: Any, *others: Any) -> Any:
        given = [o._value.detach() if hasattr(o, "_value") else o for o in others]
        return a._new(run(a._value.detach(), *given))

    return apply


class SimpleOps(TensorOps):
    """Eager, on numpy."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        run = _through(LIFTED.get(fn) or _one_by_one(fn))

        def mapped(a: Any, out: Any = None) -> Any:
            result = run(a)
            return result if out is None else out._write(result)

        return mapped

    cmap = map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        return _through(LIFTED.get(fn) or _one_by_one(fn))

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        pairwise = LIFTED.get(fn) or _one_by_one(fn)
        return _through(REDUCED.get(fn) or functools.partial(_fold, pairwise, start))

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        return _through(_product)(a, b)


def _product(a: Values, b: Values) -> Values:
    assert a.shape[-1] == b.shape[-2]
    return tt.matmul(a, b)


def _compiled(run: Callable[..., Values]) -> Callable[..., Values]:
    """Compile a function for each layout of operands it meets, as a language of kernels would."""
    kinds: dict[Any, Callable[..., Values]] = {}

    def apply(*operands: Any) -> Values:
        key = tuple(
            (tuple(o.shape), o.stride()) if isinstance(o, Values) else o for o in operands
        )
        if key not in kinds:
            kinds[key] = tt.compile(run)
        return kinds[key](*operands)

    return apply


class FastOps(TensorOps):
    """Compiled, on all cores. A function of one's own must be arithmetic that tensors know."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        run = _through(_compiled(LIFTED.get(fn) or (lambda a: a * 0 + fn(a))))

        def mapped(a: Any, out: Any = None) -> Any:
            result = run(a)
            return result if out is None else out._write(result)

        return mapped

    cmap = map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        return _through(_compiled(LIFTED.get(fn) or (lambda a, b: (a + b) * 0 + fn(a, b))))

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        pairwise: Callable[..., Any] = LIFTED.get(fn) or fn
        one = REDUCED.get(fn) or functools.partial(_fold, pairwise, start)
        return _through(_compiled(lambda a, dim: one(a, int(dim))))

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        return _through(_compiled_product)(a, b)


_compiled_product = _compiled(_product)


class TensorBackend:
    """The operations that tensors are made of, run one way."""

    def __init__(self, ops: type[TensorOps]) -> None:
        self.ops = ops
        self.cuda = ops.cuda
        for name in ("neg", "sigmoid", "relu", "log", "exp", "id", "inv"):
            setattr(self, f"{name}_map", ops.map(getattr(operators, name)))
        self.id_cmap = ops.cmap(operators.id)
        for name in ("add", "mul", "lt", "eq", "is_close", "relu_back", "log_back", "inv_back"):
            setattr(self, f"{name}_zip", ops.zip(getattr(operators, name)))
        self.add_reduce = ops.reduce(operators.add, 0.0)
        self.mul_reduce = ops.reduce(operators.mul, 1.0)
        self.max_reduce = ops.reduce(operators.max, -1e9)
        self.matrix_multiply = ops.matrix_multiply

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the backend has no operation {name!r}")


SimpleBackend = TensorBackend(SimpleOps)
