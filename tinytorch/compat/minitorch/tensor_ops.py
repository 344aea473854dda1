"""Backends: how map, zip, reduce and the matrix product are run.

``SimpleOps`` runs tinytorch's ops eagerly; ``FastOps`` (``fast_ops``) compiles each of them,
threads included; ``CudaOps`` (``cuda_ops``) launches them as CUDA kernels. A scalar function
becomes a tensor function: MiniTorch's operators by a table, any other element by element
(``SimpleOps``), or by being called on tensors (the other two).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor as Values
from tinytorch.compat.minitorch import operators
from tinytorch.compat.minitorch.tensor_data import strided


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


IDENTITY: dict[Callable[..., float], float] = {
    operators.add: 0.0, operators.mul: 1.0, operators.max: -np.inf,
}  # fmt: skip


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The Python function behind one that numba compiles."""
    found: Callable[..., Any] = getattr(fn, "py_func", fn)
    return found


def folded(
    fn: Callable[..., float], pairwise: Callable[[Values, Values], Values], start: float
) -> Callable[[Values, int], Values]:
    """Return a reduction of an axis: ``fn`` of the total so far and each slice, from ``start`` on.

    ``pairwise`` is ``fn`` on tensors.
    """
    reduced = REDUCED.get(fn)

    def run(a: Values, dim: int) -> Values:
        if reduced is None or a.shape[dim] == 0:
            parts = [a.narrow(dim, i, 1) for i in range(a.shape[dim])]
            first = tt.full_like(a.narrow(dim, 0, 0).sum(dim, keepdim=True), start)
            return functools.reduce(pairwise, parts, first)
        total = reduced(a, dim)
        return total if start == IDENTITY[fn] else pairwise(tt.full_like(total, start), total)

    return run


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


def through(run: Callable[..., Values]) -> Callable[..., Any]:
    """Take and give MiniTorch's tensors."""

    def apply(a: Any, *others: Any) -> Any:
        given = [o._value.detach() if hasattr(o, "_value") else o for o in others]
        return a._new(run(a._value.detach(), *given))

    return apply


def mapping(run: Callable[..., Values]) -> Callable[..., Any]:
    """``run`` as what ``map`` returns: with a tensor to write into, which may be larger."""
    fresh = through(run)

    def mapped(a: Any, out: Any = None) -> Any:
        return fresh(a) if out is None else out._write(fresh(a))

    return mapped


class LowLevel:
    """``run`` as what ``tensor_map`` and its like return: a function of storages.

    It is called with storage, shape and strides of the result and of each operand, then further
    arguments, and writes the result into its storage.
    """

    def __init__(self, run: Callable[..., Values], operands: int, reads_out: bool = False) -> None:
        self.run = run
        self.operands = operands
        self.reads_out = reads_out

    def __call__(self, *parts: Any) -> None:
        end = 3 * (self.operands + 1)
        views = [strided(*parts[i : i + 3]) for i in range(0, end, 3)]
        given = views if self.reads_out else views[1:]
        result = self.run(*map(tt.from_numpy, given), *parts[end:])
        views[0][...] = result.detach().numpy()


class SimpleOps(TensorOps):
    """Eager, on numpy."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        return mapping(_eager(fn))

    cmap = map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        return through(_eager(fn))

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        return through(folded(plain(fn), _eager(fn), start))

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        return through(product)(a, b)


def _eager(fn: Callable[..., float]) -> Callable[..., Values]:
    return LIFTED.get(plain(fn)) or _one_by_one(plain(fn))


def product(a: Values, b: Values) -> Values:
    """Matrix product; raises AssertionError for sizes that do not fit."""
    assert a.shape[-1] == b.shape[-2]
    return tt.matmul(a, b)


def tensor_map(fn: Callable[[float], float]) -> LowLevel:
    """Return ``f(out, out_shape, out_strides, a, a_shape, a_strides)`` on storages."""
    return LowLevel(_eager(fn), 1)


def tensor_zip(fn: Callable[[float, float], float]) -> LowLevel:
    """Return ``f(out.., a.., b..)`` on storages, which broadcast."""
    return LowLevel(_eager(fn), 2)


def tensor_reduce(fn: Callable[[float, float], float]) -> LowLevel:
    """Return ``f(out.., a.., dim)`` on storages; ``out`` holds what the reduction starts from."""
    return LowLevel(onto(plain(fn), _eager(fn)), 1, reads_out=True)


def onto(
    fn: Callable[..., float], pairwise: Callable[[Values, Values], Values]
) -> Callable[[Values, Values, int], Values]:
    """Return a reduction of an axis that starts from a tensor."""
    if fn in IDENTITY:
        rest = folded(fn, pairwise, IDENTITY[fn])
        return lambda out, a, dim: pairwise(out, rest(a, int(dim)))

    def run(out: Values, a: Values, dim: int) -> Values:
        parts = (a.narrow(int(dim), i, 1) for i in range(a.shape[int(dim)]))
        return functools.reduce(pairwise, parts, out)

    return run


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
        self.max_reduce = ops.reduce(operators.max, -np.inf)
        self.matrix_multiply = ops.matrix_multiply

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the backend has no operation {name!r}")


SimpleBackend = TensorBackend(SimpleOps)
