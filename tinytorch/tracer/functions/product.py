"""Products of matrices, with PyTorch's names and rules."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.types import broadcast_shapes
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.shapes import check_tensor, expand, reshape, squeeze, transpose, unsqueeze
from tinytorch.tracer.tensor import Tensor


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with PyTorch's rules for vectors and broadcast batches."""
    check_tensor(input, "matmul")
    check_tensor(other, "matmul")
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{input.ndim}D and {other.ndim}D")  # fmt: skip
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: "
                           f"{input.dtype.name} != {other.dtype.name}")  # fmt: skip
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, input.shape))} and "
            f"{'x'.join(map(str, other.shape))})"
        )
    out = _batched(a, b)
    if input.ndim == 1:
        out = squeeze(out, -2)
    return squeeze(out, -1) if other.ndim == 1 else out


def _batched(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim > 2 and b.ndim == 2:  # one large product beats many small ones
        rows = ops.matmul(reshape(a, -1, a.shape[-1]), b)
        return reshape(rows, (*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return ops.matmul(expand(a, *batch, *a.shape[-2:]), expand(b, *batch, *b.shape[-2:]))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``; input (..., in), weight (out, in), bias (out)."""
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: input of shape {list(input.shape)} does not fit weight of shape "
            f"{list(weight.shape)}: the last axis must have size {weight.shape[-1]}"
        )
    if bias is not None and input.dtype is weight.dtype is bias.dtype:
        return _affine(input, weight, bias)
    out = _by_rows(input, weight)
    return out if bias is None else out + bias


def _by_rows(input: Tensor, weight: Tensor) -> Tensor:
    return matmul(input, transpose(weight, 0, 1) if weight.ndim == 2 else weight)


@in_float32
def _affine(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _by_rows(input, weight) + bias


mm = bmm = matmul


__all__ = [
    "bmm", "linear", "matmul", "mm",
]  # fmt: skip
METHODS = [
    "bmm", "matmul", "mm",
]  # fmt: skip
