"""``FastOps``: every operation compiled, run on all cores."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor as Values
from tinytorch.compat.minitorch.tensor_ops import (
    LIFTED,
    LowLevel,
    TensorOps,
    folded,
    mapping,
    onto,
    plain,
    product,
    through,
)  # fmt: skip


class Compiled:
    """A function of tensors, compiled for any sizes.

    Sizes 0 and 1 and operands in another order in memory make kernels of their own; there are few
    enough of these kinds not to be worth a warning.
    """

    def __init__(self, run: Callable[..., Values]) -> None:
        self.run = run
        self.kinds: dict[Any, Any] = {}
        self.last: Any = None

    def __call__(self, *operands: Values) -> Values:
        """Run it."""
        kind = tuple(
            (tuple(min(n, 2) for n in x.shape), x.is_contiguous()) for x in operands
        )
        if kind not in self.kinds:
            self.kinds[kind] = tt.compile(self.run)
        self.last = self.kinds[kind]
        return self.last(*operands)


def over_vectors(run: Callable[..., Values]) -> Callable[..., Values]:
    """A function of vectors, element by element, as one of tensors whose shapes broadcast.

    So one kernel serves all shapes.
    """

    def apply(*operands: Values) -> Values:
        shape = np.broadcast_shapes(*(tuple(x.shape) for x in operands))
        return run(*(x.expand(shape).reshape(-1) for x in operands)).reshape(shape)

    return apply


def over_rows(run: Callable[..., Values]) -> Callable[..., Values]:
    """A reduction of the rows of matrices as one along any axis, the last argument."""

    def apply(*operands: Any) -> Values:
        *tensors, dim = operands
        shape = list(tensors[-1].shape)
        shape[int(dim)] = 1
        rows = [
            x.movedim(int(dim), -1).reshape(math.prod(shape), x.shape[int(dim)]) for x in tensors
        ]
        return run(*rows).reshape(shape)

    return apply


def over_batches(run: Callable[..., Values]) -> Callable[..., Values]:
    """A function of two equally long lists of matrices as one of operands that broadcast."""

    def apply(a: Values, b: Values) -> Values:
        batch = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
        many = math.prod(batch)
        lists = (x.expand(*batch, *x.shape[-2:]).reshape(many, *x.shape[-2:]) for x in (a, b))
        return run(*lists).reshape(*batch, a.shape[-2], b.shape[-1])

    return apply


def lifted_map(fn: Callable[[float], float]) -> Callable[..., Values]:
    """A function of a number as one of a tensor; the arithmetic in it must be a tensor's too."""
    fn = plain(fn)
    return LIFTED.get(fn) or (lambda a: a * 0 + fn(a))


def lifted_zip(fn: Callable[[float, float], float]) -> Callable[..., Values]:
    """A function of two numbers as one of two tensors."""
    fn = plain(fn)
    return LIFTED.get(fn) or (lambda a, b: (a + b) * 0 + fn(a, b))


def lifted_reduce(fn: Callable[[float, float], float], start: float) -> Callable[..., Values]:
    """A function of two numbers as a reduction of the rows of a matrix."""
    run = folded(plain(fn), lifted_zip(fn), start)
    return lambda a: run(a, 1)


class FastOps(TensorOps):
    """Compiled, on all cores. A function of one's own must be arithmetic that tensors know."""

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        return mapping(over_vectors(Compiled(lifted_map(fn))))

    cmap = map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        return through(over_vectors(Compiled(lifted_zip(fn))))

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        return through(over_rows(Compiled(lifted_reduce(fn, start))))

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        return through(_products)(a, b)


_product = Compiled(product)
_products = over_batches(_product)


class Parallel(LowLevel):
    """A function of storages that can tell how it runs."""

    def __init__(
        self, compiled: Compiled, over: Callable[..., Any], operands: int, reads_out: bool = False
    ) -> None:
        super().__init__(over(compiled), operands, reads_out)
        self.compiled = compiled

    def parallel_diagnostics(self, signature: Any = None, level: int = 1) -> None:
        """Print the kernels of the last call: their chunks of rows run on all cores.

        From ``level`` 3 on as source, before that as loops. ``signature`` is not looked at.
        """
        for kernel in self.compiled.last.kernels if self.compiled.last else ():
            print(kernel.source if level >= 3 else kernel.loops)


def tensor_map(fn: Callable[[float], float]) -> Parallel:
    """Return ``f(out, out_shape, out_strides, a, a_shape, a_strides)`` on storages."""
    return Parallel(Compiled(lifted_map(fn)), over_vectors, 1)


def tensor_zip(fn: Callable[[float, float], float]) -> Parallel:
    """Return ``f(out.., a.., b..)`` on storages, which broadcast."""
    return Parallel(Compiled(lifted_zip(fn)), over_vectors, 2)


def tensor_reduce(fn: Callable[[float, float], float]) -> Parallel:
    """Return ``f(out.., a.., dim)`` on storages; ``out`` holds what the reduction starts from."""
    run = onto(plain(fn), lifted_zip(fn))
    return Parallel(Compiled(lambda out, a: run(out, a, 1)), over_rows, 1, reads_out=True)


tensor_matrix_multiply = Parallel(_product, over_batches, 2)

__all__ = [
    "FastOps", "tensor_map", "tensor_matrix_multiply", "tensor_reduce", "tensor_zip",
]  # fmt: skip
