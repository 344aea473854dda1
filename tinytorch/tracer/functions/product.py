"""Products of vectors, matrices and batches of them, with PyTorch's names and rules."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import broadcast_shapes
from tinytorch.tracer.functions.covers import in_float32
from tinytorch.tracer.kinds import Scalar
from tinytorch.tracer.shapes import (
    axis_of,
    check_tensor,
    expand,
    permute,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)
from tinytorch.tracer.tensor import Tensor


def _shape(x: Tensor) -> str:
    return "x".join(map(str, x.shape))


def _same_dtype(input: Tensor, other: Tensor) -> None:
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: "
                           f"{input.dtype.name} != {other.dtype.name}")  # fmt: skip


def _check_dims(name: str, x: Tensor, ndim: int, which: str) -> None:
    if check_tensor(x, name).ndim != ndim:
        raise RuntimeError(f"{name}: {which} must be a {ndim}D tensor, got {x.ndim}D")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with PyTorch's rules for vectors and broadcast batches."""
    check_tensor(input, "matmul")
    check_tensor(other, "matmul")
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{input.ndim}D and {other.ndim}D")  # fmt: skip
    _same_dtype(input, other)
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_shape(input)} and {_shape(other)})"
        )
    out = _batched(a, b)
    if input.ndim == 1:
        out = squeeze(out, -2)
    return squeeze(out, -1) if other.ndim == 1 else out


def _batched(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim > 2 and b.ndim == 2 and a._type.size:  # one large product beats many small ones
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


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices."""
    _check_dims("mm", input, 2, "self")
    _check_dims("mm", mat2, 2, "mat2")
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices, of one size."""
    _check_dims("bmm", input, 3, "batch1")
    _check_dims("bmm", mat2, 3, "batch2")
    _check_batch(input, mat2)
    return matmul(input, mat2)


def _check_batch(a: Tensor, b: Tensor) -> None:
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, "
            f"{a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input.ndim}, {vec.ndim}"
        )
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({input.shape[0]}), mat ({_shape(input)}), "
                           f"vec ({vec.shape[0]})")  # fmt: skip
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements."""
    if check_tensor(input, "dot").ndim != 1 or check_tensor(tensor, "dot").ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors"
        )
    if input.dtype is not tensor.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype.name} and "
            f"{tensor.dtype.name}"
        )
    if input.shape[0] != tensor.shape[0]:
        raise RuntimeError(
            "inconsistent tensor size, expected tensor [" f"{input.shape[0]}] and src "
            f"[{tensor.shape[0]}] to have the same number of elements, but got {input.shape[0]} "
            f"and {tensor.shape[0]} elements respectively"
        )
    return matmul(input, tensor)


vdot = dot


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum of products along an axis; shapes broadcast."""
    product = x * y
    axis = axis_of(dim, product.ndim)
    return squeeze(ops.sum_(product, axes=(axis,)), axis) if product.ndim else product


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of an element of one vector and an element of another."""
    if input.ndim != 1 or vec2.ndim != 1:
        which, x = ("input", input) if input.ndim != 1 else ("vec2", vec2)
        raise RuntimeError(
            f"outer: Expected 1-D argument {'self' if which == 'input' else which}, but got "
            f"{x.ndim}-D"
        )
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)


ger = outer


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last axis of both; a scalar multiplies."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ((-1,), (-1,)))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over given axes of both, or over the last axes of one and first of other."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, tuple | list):
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}"
            )
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    left = [axis_of(d, a.ndim) for d in left]
    right = [axis_of(d, b.ndim) for d in right]
    for i, j in zip(left, right, strict=True):
        if a.shape[i] == 1 and b.shape[j] != 1:
            b = ops.sum_(b, axes=(j,))
        elif b.shape[j] == 1 and a.shape[i] != 1:
            a = ops.sum_(a, axes=(i,))
        elif a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
    rest_a = [i for i in range(a.ndim) if i not in left]
    rest_b = [i for i in range(b.ndim) if i not in right]
    _same_dtype(a, b)
    inside = _count(a, left)
    rows = reshape(permute(a, *rest_a, *left), (_count(a, rest_a), inside))
    cols = reshape(permute(b, *right, *rest_b), (inside, _count(b, rest_b)))
    shape = (*(a.shape[i] for i in rest_a), *(b.shape[i] for i in rest_b))
    return reshape(ops.matmul(rows, cols), shape)


def _count(x: Tensor, axes: Sequence[int]) -> Any:
    total: Any = 1
    for i in axes:
        total = total * x.shape[i]
    return total


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Each element of one tensor times the whole other, in its place."""
    n = max(input.ndim, other.ndim)
    a = reshape(input, ((1,) * (n - input.ndim)) + tuple(input.shape))
    b = reshape(other, ((1,) * (n - other.ndim)) + tuple(other.shape))
    left = reshape(a, tuple(s for m in a.shape for s in (m, 1)))
    right = reshape(b, tuple(s for m in b.shape for s in (1, m)))
    return reshape(left * right, tuple(m * k for m, k in zip(a.shape, b.shape, strict=True)))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross product along an axis of size 3 (the first such, without ``dim``)."""
    shape = broadcast_shapes(input._type.shape, other._type.shape)
    if dim is None:
        three = [i for i, s in enumerate(shape) if s == 3]
        if not three:
            raise RuntimeError("no dimension of size 3 in input")
        dim = three[0]
    axis = axis_of(dim, len(shape))
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and "
            f"{other.shape[dim]}"
        )
    a, b = expand(input, *shape), expand(other, *shape)
    a1, a2 = _turned(a, axis, 1), _turned(a, axis, 2)
    b1, b2 = _turned(b, axis, 1), _turned(b, axis, 2)
    return a1 * b2 - a2 * b1


def _turned(x: Tensor, axis: int, by: int) -> Tensor:
    shape = x._type.shape

    def part(start: int, stop: int) -> Tensor:
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        stops = tuple(stop if i == axis else s for i, s in enumerate(shape))
        return ops.slice_(x, starts=starts, stops=stops, steps=(1,) * len(shape))

    return ops.cat(part(by, 3), part(0, by), axis=axis)


# ----------------------------------------------------------- sums with products


def _of_one_dtype(input: Tensor, product: Tensor) -> Tensor:
    """The product; raise RuntimeError unless it has the dtype of what it is added to."""
    if input.dtype is not product.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {input.dtype.name} and "
            f"{product.dtype.name}"
        )
    return product


def _scaled(product: Tensor, input: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product; with beta 0, NaN in ``input`` does not spread."""
    term = product if type(alpha) is int and alpha == 1 else product * alpha
    if isinstance(beta, int | float) and beta == 0:
        shape = broadcast_shapes(input._type.shape, term._type.shape)
        return expand(term, *shape).clone()
    own = input if type(beta) is int and beta == 1 else input * beta
    if broadcast_shapes(own._type.shape, term._type.shape) != tuple(term._type.shape):
        raise RuntimeError(
            f"The expanded size of the tensor {list(term.shape)} must match the existing size "
            f"{list(input.shape)}"
        )
    return own + term


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor,
          *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (mat1 @ mat2)``."""
    return _scaled(_of_one_dtype(input, mm(mat1, mat2)), input, beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor,
          *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (mat @ vec)``."""
    return _scaled(_of_one_dtype(input, mv(mat, vec)), input, beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor,
         *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * outer(vec1, vec2)``."""
    return _scaled(outer(vec1, vec2), input, beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1,
            alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * bmm(batch1, batch2)``."""
    return _scaled(_of_one_dtype(input, bmm(batch1, batch2)), input, beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1,
           alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (the sum of bmm(batch1, batch2) over the batch)``."""
    total = ops.reshape(
        ops.sum_(bmm(batch1, batch2), axes=(0,)), shape=(batch1.shape[1], batch2.shape[2])
    )
    return _scaled(_of_one_dtype(input, total), input, beta, alpha)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Product of a chain of matrices, in the order that costs least.

    By dynamic programming (Cormen et al., Introduction to Algorithms, 15.2).
    """
    if len(tensors) < 2:
        raise RuntimeError(
            f"multi_dot(): expected at least 2 tensors but got {len(tensors)}"
        )
    parts = list(tensors)
    first, last = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = unsqueeze(parts[0], 0) if first else parts[0]
    parts[-1] = unsqueeze(parts[-1], 1) if last else parts[-1]
    sizes = [int(parts[0].shape[0]), *(int(x.shape[1]) for x in parts)]
    n = len(parts)
    cost = {(i, i): (0, i) for i in range(n)}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j] = builtins.min(
                (cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def chain(i: int, j: int) -> Tensor:
        if i == j:
            return parts[i]
        k = cost[i, j][1]
        return mm(chain(i, k), chain(k + 1, j))

    out = chain(0, n - 1)
    out = squeeze(out, 0) if first else out
    return squeeze(out, -1) if last else out


def chain_matmul(*matrices: Tensor) -> Tensor:
    """``multi_dot`` under its older name."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "ger",
    "inner", "kron", "linear", "matmul", "mm", "mv", "outer", "tensordot", "vdot",
    "vecdot",
]  # fmt: skip
METHODS = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cross", "dot", "ger", "inner", "kron",
    "matmul", "mm", "mv", "outer", "vdot",
]  # fmt: skip
IN_PLACE = ["addbmm", "addmm", "addmv", "addr", "baddbmm"]
