"""``CudaOps``: every operation printed as a CUDA kernel and launched.

The kernels are those that tinytorch prints of its loop nests. They run on an NVIDIA GPU, or in
numba-cuda's simulator where ``NUMBA_ENABLE_CUDASIM=1`` was set before Python started; else the
first operation raises CompileError. Operands lie in the host's memory and are copied for each
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor as Values
from tinytorch import compiler
from tinytorch.compat.minitorch import operators
from tinytorch.compat.minitorch.fast_ops import (
    lifted_map,
    lifted_reduce,
    lifted_zip,
    over_batches,
    over_rows,
    over_vectors,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor_data import TensorData
from tinytorch.compat.minitorch.tensor_ops import TensorOps, mapping, product, through
from tinytorch.runtime import cuda
from tinytorch.tracer.subtrace import close

THREADS_PER_BLOCK = 32


def on_device(run: Callable[..., Values]) -> Callable[..., Values]:
    """A function launched on a device, printed for each combination of shapes that it meets."""
    kinds: dict[Any, Callable[[list[Any]], Values]] = {}

    def apply(*operands: Values) -> Values:
        shapes = tuple(tuple(x.shape) for x in operands)
        if shapes not in kinds:
            kinds[shapes] = printed(run, operands)
        return kinds[shapes]([x.numpy() for x in operands])

    return apply


def printed(
    run: Callable[..., Values], examples: Sequence[Values]
) -> Callable[[list[Any]], Values]:
    """Print a function of tensors like the examples as CUDA text; return what launches it."""
    graph = close(run, examples, "minitorch").graph
    (result,) = graph.outputs
    # In the simulator every thread of a block is a thread of Python.
    program, text = compiler.print_cuda(graph, THREADS_PER_BLOCK if cuda.simulated() else None)
    names = cuda.define(text)

    def launch(arrays: list[Any]) -> Values:
        found = cuda.launch(names, program, arrays)[program.outputs[0]]
        return tt.from_numpy(found.reshape(result.type.shape))

    return launch


class CudaOps(TensorOps):
    """On a GPU. A function of one's own must be arithmetic that tensors know."""

    cuda = True

    @staticmethod
    def map(fn: Callable[[float], float]) -> Callable[..., Any]:
        return mapping(over_vectors(on_device(lifted_map(fn))))

    cmap = map

    @staticmethod
    def zip(fn: Callable[[float, float], float]) -> Callable[..., Any]:
        return through(over_vectors(on_device(lifted_zip(fn))))

    @staticmethod
    def reduce(fn: Callable[[float, float], float], start: float = 0.0) -> Callable[..., Any]:
        return through(over_rows(on_device(lifted_reduce(fn, start))))

    @staticmethod
    def matrix_multiply(a: Any, b: Any) -> Any:
        return through(_products)(a, b)


_products = over_batches(on_device(product))
_add_up = CudaOps.reduce(operators.add)


def sum_practice(a: Any) -> TensorData:
    """Sums of each 32 elements of a vector of at most 64, in two elements."""
    (size,) = a.shape
    rows = np.zeros((2, THREADS_PER_BLOCK))
    rows.reshape(-1)[:size] = a.to_numpy()
    return TensorData(_add_up(a._new(tt.from_numpy(rows)), 1).to_numpy(), (2,))


def mm_practice(a: Any, b: Any) -> TensorData:
    """Product of two square matrices of one size."""
    result: TensorData = CudaOps.matrix_multiply(a, b)._tensor
    return result


__all__ = ["THREADS_PER_BLOCK", "CudaOps", "mm_practice", "sum_practice"]
