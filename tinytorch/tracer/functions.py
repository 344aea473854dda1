"""Functions on tensors: thin covers of ops with PyTorch's names, arguments and errors."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

from tinytorch.errors import TraceError, TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_, broadcast_shapes, int64
from tinytorch.ir.types import count as count_of
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.shapes import (
    axes_of,
    axis_of,
    check_tensor,
    clone,
    expand,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)
from tinytorch.tracer.tensor import Tensor

# ----------------------------------------------------------------- elementwise


def _unary(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return op(check_tensor(input, op.name))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


def _binary(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    op.name: _unary(op)
    for op in (
        ops.abs_, ops.cos, ops.erf, ops.exp, ops.expm1, ops.isnan, ops.log, ops.log1p, ops.neg,
        ops.relu, ops.rsqrt, ops.sigmoid, ops.sign, ops.sin, ops.sqrt, ops.tanh,
    )
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    op.name: _binary(op)
    for op in (
        ops.add, ops.eq, ops.ge, ops.gt, ops.le, ops.lt, ops.maximum, ops.minimum, ops.mul, ops.ne,
        ops.sub, ops.pow_,
    )
}  # fmt: skip


def _bitwise(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        for x in (input, other):
            if isinstance(x, Tensor) and x.dtype.is_floating_point or isinstance(x, float):
                kind = x.dtype.name if isinstance(x, Tensor) else "float"
                raise TypeRuleError(f"{op.name} takes integers or bools, got {kind}")
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


BINARY |= {op.name: _bitwise(op) for op in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor)}


def _rounding(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        check_tensor(input, op.name)
        return op(input) if input.dtype.is_floating_point else clone(input)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.doc} Integers stay as they are."
    return function


UNARY |= {op.name: _rounding(op) for op in (ops.floor, ops.ceil, ops.trunc, ops.round_)}


def reciprocal(input: Tensor) -> Tensor:
    """1 / x."""
    return 1 / input


def square(input: Tensor) -> Tensor:
    """x * x."""
    return input * input


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient; ``rounding_mode`` None, ``"floor"`` or ``"trunc"``."""
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = UNARY["trunc"](ops.div(input, other))
        return quotient.to(BINARY["mul"](input, other).dtype)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def _divisor(input: Any, other: Any) -> Any:
    """Guard an integer divisor: dividing by zero raises, as in PyTorch."""
    types = [x.type if hasattr(x, "apply_op") else None for x in (input, other)]
    integral = builtins.all(t is None or t.dtype.kind != "f" for t in types)
    if isinstance(other, Tensor) and integral:
        return ops.require_nonzero(other, error="RuntimeError", message="ZeroDivisionError")
    if integral and not isinstance(other, Tensor) and other == 0:
        raise RuntimeError("ZeroDivisionError")
    return other


def floor_divide(input: Any, other: Any) -> Tensor:
    """Quotient rounded down; raises RuntimeError on integer division by zero."""
    return ops.floor_divide(input, _divisor(input, other))


def remainder(input: Any, other: Any) -> Tensor:
    """Remainder with the divisor's sign; raises RuntimeError on integer division by zero."""
    return ops.remainder(input, _divisor(input, other))


def logical_not(input: Tensor) -> Tensor:
    """Not, of each element's truth."""
    return ops.logical_not(input.to(bool_))


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """And, of each element's truth."""
    return ops.bitwise_and(input.to(bool_), other.to(bool_))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Or, of each element's truth."""
    return ops.bitwise_or(input.to(bool_), other.to(bool_))


def bitwise_not(input: Tensor) -> Tensor:
    """Bitwise not; of a bool, logical not."""
    return ops.logical_not(input) if input.dtype is bool_ else ops.bitwise_not(input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """Elements of ``input`` where the condition holds, else of ``other``; shapes broadcast."""
    check_tensor(condition, "where")
    if condition.dtype is not bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor "
                           f"with dtype {condition.dtype}")  # fmt: skip
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        fraction = isinstance(input, float) or isinstance(other, float)
        dtype = mode.default_dtype if fraction else int64
        input = condition.constant(input, shape=(), dtype=dtype)
    return ops.where(condition, input, other)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Values limited to ``[min, max]``; the gradient passes where the value is inside."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    out = input
    if min is not None:
        out = ops.where(out < min, min, out)
    if max is not None:
        out = ops.where(out > max, max, out)
    return out


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask holds, else ``input``; the dtype stays."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got dtype {mask.dtype}")
    fill = value if isinstance(value, Tensor) else input.constant(value, shape=())
    return ops.where(mask, fill.to(input.dtype), input)


# ------------------------------------------------------------------ reductions


def _squeezed(out: Tensor, input: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    if keepdim:
        return out
    shape = tuple(s for i, s in enumerate(input._type.shape) if i not in set(axes))
    return ops.reshape(out, shape=shape)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:  # noqa: A001
    """Sum over axes; integers and bools sum as int64."""
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.sum_(input, axes=axes), input, axes, keepdim)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Mean over axes, of a floating-point tensor."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype.name}"
        )
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    scale = 1 / count if count else math.nan
    return sum(input, dim, keepdim) * scale if count else sum(input, dim, keepdim) / 0.0


def var(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False,
        unbiased: bool | None = None) -> Tensor:  # fmt: skip
    """Variance over axes; divides by ``count - correction``."""
    correction = correction if unbiased is None else int(unbiased)
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    centred = input - mean(input, axes, keepdim=True)
    total = sum(centred * centred, dim, keepdim)
    return total / max(0.0, float(count - correction))


def std(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation over axes."""
    return ops.sqrt(var(input, dim, correction=correction, keepdim=keepdim))


def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Largest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.max_(input, axes=axes), input, axes, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Smallest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.min_(input, axes=axes), input, axes, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) largest."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.argmax(input, axes=axes), input, axes, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) smallest."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.argmin(input, axes=axes), input, axes, keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether any element is true."""
    return amax(input.to(bool_), dim, keepdim)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether all elements are true."""
    return amin(input.to(bool_), dim, keepdim)


# -------------------------------------------------------------------- products


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
    out = matmul(input, transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return out if bias is None else out + bias


# -------------------------------------------------------------------- softmax


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = ops.exp(input - ops.max_(input, axes=axes).detach())
    return shifted / ops.sum_(shifted, axes=axes)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(softmax(x)), without overflow or loss."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = input - ops.max_(input, axes=axes).detach()
    return shifted - ops.log(ops.sum_(ops.exp(shifted), axes=axes))


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow."""
    axes = axes_of(dim, input.ndim)
    top = ops.max_(input, axes=axes).detach()
    top = ops.where(ops.abs_(top) == math.inf, 0.0, top)
    out = ops.log(ops.sum_(ops.exp(input - top), axes=axes)) + top
    return _squeezed(out, input, axes, keepdim)


# ------------------------------------------------------------------- indexing


def in_range(index: Tensor, size: int, error: str, message: str, negative: bool) -> Tensor:
    """Guard an index tensor; negative indices count from the end if allowed."""
    if index.dtype.kind != "i":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {index.dtype}"
        )
    index = index.to(int64)
    low = -size if negative else 0
    index = ops.require_range(index, low=low, high=size, error=error, message=message)
    return ops.where(index < 0, index + size, index) if negative else index


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along an axis at the positions of a 1-d index tensor."""
    axis = axis_of(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    checked = in_range(index, input.shape[axis], "IndexError", "index out of range in self", False)
    return ops.take(input, checked if index.ndim else reshape(checked, 1), axis=axis)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Elements along an axis at the positions of an index of the result's shape."""
    axis = axis_of(dim, input.ndim)
    if index.dtype is not int64:
        raise RuntimeError("gather(): Expected dtype int64 for index")
    if index.ndim != input.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    size = input.shape[axis]
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    checked = in_range(index, size, "RuntimeError", message, False)
    bounds = tuple(s if i == axis else n for i, (s, n) in enumerate(zip(input.shape, index.shape)))
    if bounds != tuple(input.shape):
        input = ops.slice_(input, starts=(0,) * input.ndim, stops=bounds, steps=(1,) * input.ndim)
    return ops.gather(input, checked, axis=axis)


def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """``gather`` with numpy's name; other axes broadcast."""
    return gather(input, dim, indices)


def one_hot(tensor: Tensor, num_classes: int) -> Tensor:
    """1 at each class index, else 0, as int64 with a new last axis."""
    if num_classes < 1:
        raise TraceError(
            f"{user_origin()}: one_hot needs num_classes: the number of classes in the data is not "
            "known before it is read"
        )
    checked = in_range(
        tensor, num_classes, "RuntimeError", "Class values must be smaller than num_classes.", False
    )
    last = unsqueeze(checked, -1)
    shape = (*tensor.shape, num_classes)
    classes = tensor.apply_op(ops.iota, (), {"shape": shape, "axis": tensor.ndim})
    return (last == classes).to(int64)

